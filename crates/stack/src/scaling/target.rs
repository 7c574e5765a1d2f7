//! What a metric is compared with.

use plimsoll_scale::spec::Target;

use super::metric::Source;
use crate::decode::{Field, Fields, listed};
use crate::diagnostic::Sink;
use crate::node::Value;

/// The three ways to state a target, which are also values of its `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Utilization,
    AverageValue,
    Value,
}

const KINDS: [(&str, Kind); 3] =
    [("Utilization", Kind::Utilization), ("AverageValue", Kind::AverageValue), ("Value", Kind::Value)];

/// Reads `target` of a metric; exactly the value that its `type` names must be there.
pub(super) fn target(metric: &Fields<'_>, source: Source, sink: &mut Sink) -> Option<Target> {
    let accepted = Kind::accepted(source);
    let example = match accepted.first() {
        Some(Kind::Utilization) => "such as `target: { type: Utilization, averageUtilization: 70 }`",
        Some(Kind::Value) => "such as `target: { type: Value, value: \"100\" }`",
        _ => "such as `target: { type: AverageValue, averageValue: \"5\" }`",
    };
    let field = metric.required("target", example, sink)?;
    let fields = Fields::open(&field, &["type", "averageUtilization", "averageValue", "value"], sink)?;
    let present = KINDS.iter().find(|(_, kind)| fields.optional(kind.key()).is_some());
    let hint = match present {
        Some((name, kind)) => format!("`type: {name}` goes with `{}`", kind.key()),
        None => example.to_owned(),
    };
    let field = fields.required("type", &hint, sink)?;
    let kind = field.choice(&KINDS, sink)?;
    if !accepted.contains(&kind) {
        let names: Vec<&str> = accepted.iter().map(|kind| kind.name()).collect();
        let what = format!("a metric of type {} cannot have a target of type {}", source.name(), kind.name());
        sink.hint(field.at(), what, format!("it takes {}", listed(&names)));
        return None;
    }
    for (_, other) in KINDS.iter().filter(|(_, other)| *other != kind) {
        if fields.optional(other.key()).is_some() {
            let what = format!("`{}` does not belong to a target of type {}", other.key(), kind.name());
            let hint = format!("remove it, or write `type: {}`", other.name());
            sink.hint(fields.key_at(other.key()), what, hint);
        }
    }
    let hint = format!("a target of type {} is stated by `{}`", kind.name(), kind.key());
    let value = fields.required(kind.key(), &hint, sink)?;
    Some(match kind {
        Kind::Utilization => Target::Utilization(percent(&value, sink)?),
        Kind::AverageValue => Target::AverageValue(value.positive_milli(sink)?),
        Kind::Value => Target::Value(value.positive_milli(sink)?),
    })
}

/// Whole per cent of the request; a share such as `0.7` is a slip that the range alone would not explain.
fn percent(field: &Field<'_>, sink: &mut Sink) -> Option<i32> {
    let share = match &field.node.value {
        Value::Scalar(scalar) if scalar.plain => scalar.text.parse::<f64>().ok(),
        _ => None,
    };
    if let Some(share) = share.filter(|share| *share > 0.0 && *share < 1.0) {
        let hint = format!("write `{:.0}`, per cent of the request", (share * 100.0).max(1.0));
        field.wrong(sink, "a whole number of per cent", &hint);
        return None;
    }
    field.integer(1..=i32::MAX, sink)
}

// === impl Kind ===

impl Kind {
    fn accepted(source: Source) -> &'static [Kind] {
        match source {
            Source::Resource | Source::ContainerResource => &[Kind::Utilization, Kind::AverageValue],
            Source::Pods => &[Kind::AverageValue],
            Source::Object | Source::External => &[Kind::AverageValue, Kind::Value],
        }
    }

    fn name(self) -> &'static str {
        KINDS.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }

    fn key(self) -> &'static str {
        match self {
            Kind::Utilization => "averageUtilization",
            Kind::AverageValue => "averageValue",
            Kind::Value => "value",
        }
    }
}
