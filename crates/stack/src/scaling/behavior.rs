//! Rate limits and stabilisation.

use plimsoll_scale::spec::{
    Behavior, PolicyKind, RatePolicy, ScalingRules, SelectPolicy, defaults::MAX_PERIOD_S,
    defaults::MAX_STABILIZATION_S,
};

use crate::decode::{Field, Fields};
use crate::diagnostic::Sink;

/// Reads `behavior`.
pub(super) fn behavior(field: &Field<'_>, sink: &mut Sink) -> Option<Behavior> {
    let fields = Fields::open(field, &["scaleUp", "scaleDown"], sink)?;
    Some(Behavior {
        scale_up: fields.optional("scaleUp").and_then(|field| rules(&field, sink)),
        scale_down: fields.optional("scaleDown").and_then(|field| rules(&field, sink)),
    })
}

fn rules(field: &Field<'_>, sink: &mut Sink) -> Option<ScalingRules> {
    let selections =
        [("Max", SelectPolicy::Max), ("Min", SelectPolicy::Min), ("Disabled", SelectPolicy::Disabled)];
    let known = ["stabilizationWindowSeconds", "selectPolicy", "policies", "tolerance"];
    let fields = Fields::open(field, &known, sink)?;
    Some(ScalingRules {
        stabilization_window_s: fields
            .optional("stabilizationWindowSeconds")
            .and_then(|field| field.integer(0..=MAX_STABILIZATION_S, sink)),
        select_policy: fields.optional("selectPolicy").and_then(|field| field.choice(&selections, sink)),
        policies: fields.optional("policies").and_then(|field| policies(&field, sink)),
        tolerance: fields.optional("tolerance").and_then(|field| tolerance(&field, sink)),
    })
}

fn policies(field: &Field<'_>, sink: &mut Sink) -> Option<Vec<RatePolicy>> {
    let hint = "such as `- { type: Pods, value: 4, periodSeconds: 15 }`";
    let items = field.list(hint, sink)?;
    if items.is_empty() {
        sink.hint(field.at(), "`policies` must not be empty", "`selectPolicy: Disabled` forbids a direction");
    }
    Some(items.iter().filter_map(|item| policy(item, hint, sink)).collect())
}

fn policy(field: &Field<'_>, hint: &str, sink: &mut Sink) -> Option<RatePolicy> {
    let kinds = [("Pods", PolicyKind::Pods), ("Percent", PolicyKind::Percent)];
    let fields = Fields::open(field, &["type", "value", "periodSeconds"], sink)?;
    let kind = fields.required("type", hint, sink).and_then(|field| field.choice(&kinds, sink));
    let value = fields.required("value", hint, sink).and_then(|field| field.integer(1..=i32::MAX, sink));
    let period_s =
        fields.required("periodSeconds", hint, sink).and_then(|field| field.integer(1..=MAX_PERIOD_S, sink));
    Some(RatePolicy { kind: kind?, value: value?, period_s: period_s? })
}

/// A fraction such as `0.05`, written as a quantity.
fn tolerance(field: &Field<'_>, sink: &mut Sink) -> Option<f64> {
    let quantity = field.quantity(sink)?;
    if quantity.is_negative() {
        field.wrong(sink, "zero or above", "such as `0.1`, a tenth to either side");
        return None;
    }
    Some(quantity.approximate())
}
