//! `formula`: one metric out of several signals.

use std::collections::BTreeMap;

use plimsoll_scale::formula::{Formula as Language, FormulaError, MAX_BYTES, Trouble};
use plimsoll_scale::spec::MetricId;
use plimsoll_scale::spec::policy::{Formula, FormulaTarget};

use super::metric::metric_named;
use crate::decode::{Field, Fields, did_you_mean, listed};
use crate::diagnostic::{Sink, quote};

/// Signals of one formula.
const MOST_SIGNALS: usize = 100;
const HINT: &str = "such as `{ expression: \"max(waiting, jobs)\", target: 5, signals: { waiting: { name: \
                    http_requests_waiting }, jobs: { name: queue_depth } } }`";

/// Reads the section.
pub(super) fn formula(field: &Field<'_>, sink: &mut Sink) -> Option<Formula> {
    let known = ["expression", "signals", "target", "metricType", "activationTarget"];
    let fields = Fields::open(field, &known, sink)?;
    let text = fields.required("expression", HINT, sink).and_then(|field| {
        let text = field.text(sink)?;
        Some((field, text))
    });
    let target_milli = fields
        .required("target", "what the value is compared with, such as `target: 5`", sink)
        .and_then(|field| field.positive_milli(sink));
    let types = [("AverageValue", FormulaTarget::AverageValue), ("Value", FormulaTarget::Value)];
    let metric_type = fields.optional("metricType").and_then(|field| field.choice(&types, sink));
    let activation_milli = fields.optional("activationTarget").and_then(|field| field.milli(sink));
    let (names, signals) = fields.optional("signals").map(|field| signals(&field, sink)).unwrap_or_default();
    let (field, text) = text?;
    // Names whose signal is wrong count as known, or each would be reported twice.
    let compiled = Language::compile(text, &names);
    match &compiled {
        Err(error) => say(&field, error, &names, sink),
        Ok(language) => {
            for (index, name) in names.iter().enumerate().filter(|(index, _)| !language.uses(*index)) {
                let what = format!("signal {} is not in the formula", quote(name));
                let at = fields.optional("signals").map_or(fields.at, |field| key_at(&field, index));
                sink.hint(at, what, "remove it, or use it in `expression`");
            }
        }
    }
    compiled.ok()?;
    Some(Formula {
        expression: text.to_owned(),
        signals,
        target_milli: target_milli?,
        metric_type: metric_type.unwrap_or_default(),
        activation_milli: activation_milli.unwrap_or(0),
    })
}

/// Every name, and the signals that could be read.
fn signals(field: &Field<'_>, sink: &mut Sink) -> (Vec<String>, BTreeMap<String, MetricId>) {
    let Some(fields) = Fields::open_any(field, sink) else { return Default::default() };
    let (mut names, mut signals) = (Vec::new(), BTreeMap::new());
    for (entry, field) in fields.entries() {
        if names.len() == MOST_SIGNALS {
            let what = format!("`signals` holds more than {MOST_SIGNALS} entries");
            sink.hint(entry.at, what, "one selector can add several series up");
            break;
        }
        if !is_name(&entry.key) {
            let what = format!("{} cannot be the name of a signal", quote(&entry.key));
            let hint =
                "letters, digits and `_`, not starting with a digit; and none of the words of the language";
            sink.hint(entry.at, what, hint);
        }
        if let Some(metric) = metric_named(&field, sink) {
            signals.insert(entry.key.clone(), metric);
        }
        names.push(entry.key.clone());
    }
    (names, signals)
}

/// Whether an expression that is nothing but this name is a formula.
pub(crate) fn is_name(name: &str) -> bool {
    Language::compile(name, &[name]).is_ok_and(|language| language.uses(0))
}

fn key_at(signals: &Field<'_>, index: usize) -> crate::diagnostic::Mark {
    match &signals.node.value {
        crate::node::Value::Map(entries) => entries.get(index).map_or(signals.at(), |entry| entry.at),
        _ => signals.at(),
    }
}

/// Notes what is wrong with an expression. The place inside of it is in the words: a folded text has no columns.
fn say(field: &Field<'_>, error: &FormulaError, names: &[String], sink: &mut Sink) {
    let what = format!("{}: {error}", field.label);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let hint = match &error.trouble {
        Trouble::Signal(name) => Some(did_you_mean(name, names.iter().copied()).unwrap_or_else(|| {
            if names.is_empty() {
                "name it: `signals: { waiting: { name: http_requests_waiting } }`".to_owned()
            } else {
                format!("`signals` has {}", listed(&names[..names.len().min(10)]))
            }
        })),
        Trouble::TooLong => Some(format!("at most {MAX_BYTES} bytes; what remains can be a recording rule")),
        trouble => trouble.hint().map(str::to_owned),
    };
    let usual = || "such as `max(waiting, jobs * 2)` or `a > 5 ? a : b ?? 0`".to_owned();
    sink.hint(field.at(), what, hint.unwrap_or_else(usual));
}
