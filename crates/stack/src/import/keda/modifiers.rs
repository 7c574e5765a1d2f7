//! `scalingModifiers`: one metric out of several triggers, which is what `formula` of a stack file is.

use plimsoll_scale::formula::Formula as Language;

use super::super::draft::{Draft, part};
use super::super::emit::{Yaml, text};
use super::words;
use crate::decode::{Field, Fields};
use crate::diagnostic::{Sink, quote, quote_up_to};
use crate::node::Node;
use crate::scaling::is_signal_name;

/// Characters of a formula that a note shows.
const SHOWN: usize = 300;
/// Triggers that are no signals here: KEDA leaves the first two out of its formulas, and a schedule is a floor.
const NO_SIGNALS: [&str; 3] = ["cpu", "memory", "cron"];

/// A formula that is taken over.
pub(super) struct Modifiers {
    /// `expression`, `target` and what else stands beside the signals.
    parts: Vec<(String, Yaml)>,
    /// Names of the triggers in the formula.
    used: Vec<String>,
    signals: Vec<(String, Yaml)>,
}

/// What a trigger counts for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Role {
    /// For itself.
    Own,
    /// As this signal of the formula.
    Signal(String),
    /// For nothing: beside a formula only `cpu` and `memory` count for themselves.
    Silent,
}

/// Reads the section under `advanced`. A formula that cannot be taken over is noted.
pub(super) fn modifiers(
    field: &Field<'_>,
    triggers: &[Field<'_>],
    draft: &mut Draft,
    sink: &mut Sink,
) -> Option<Modifiers> {
    let fields = Fields::open_any(field, sink)?;
    let known = ["formula", "target", "activationTarget", "metricType"];
    draft.note_others("`scalingModifiers`", &fields, &known);
    let hint = "KEDA wants both `formula` and `target`";
    let target = fields.required("target", hint, sink);
    target.as_ref().and_then(|field| field.positive_milli(sink))?;
    let activation = fields.optional("activationTarget");
    if let Some(field) = &activation {
        field.milli(sink)?;
    }
    let kinds = [("AverageValue", "AverageValue"), ("Value", "Value")];
    let kind = match fields.optional("metricType") {
        Some(field) => Some(field.choice(&kinds, sink)?),
        None => None,
    };
    let formula = fields.required("formula", hint, sink)?;
    let expression = words(Some(formula.node));

    let word = |node: &Node, key: &str| words(node.get(key));
    let named = triggers.iter().map(|item| (word(item.node, "name"), word(item.node, "type")));
    let named: Vec<(String, String)> = named.filter(|(name, _)| is_signal_name(name)).collect();
    let names: Vec<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
    let refused = match Language::compile(&expression, &names) {
        Err(error) => error.to_string(),
        Ok(language) => {
            let used = named.iter().enumerate().filter(|(index, _)| language.uses(*index));
            let used: Vec<&(String, String)> = used.map(|(_, trigger)| trigger).collect();
            match used.iter().find(|(_, kind)| NO_SIGNALS.contains(&kind.as_str())) {
                Some((name, kind)) => format!("a {kind} trigger such as {} is no signal", quote(name)),
                None => {
                    let mut parts = vec![part("expression", text(expression))];
                    parts.extend(target.map(|field| part("target", text(words(Some(field.node))))));
                    parts.extend(kind.map(|kind| part("metricType", text(kind))));
                    parts.extend(
                        activation.map(|field| part("activationTarget", text(words(Some(field.node))))),
                    );
                    let used = used.into_iter().map(|(name, _)| name.clone()).collect();
                    return Some(Modifiers { parts, used, signals: Vec::new() });
                }
            }
        }
    };
    let what = format!(
        "the formula {} is not taken over: {refused}; each trigger counts for itself and the highest answer wins",
        quote_up_to(SHOWN, &expression)
    );
    let hint = "check the targets below: a formula usually has a target of its own";
    draft.note(formula.at(), what, hint);
    None
}

// === impl Modifiers ===

impl Modifiers {
    /// What a trigger counts for beside this formula; one that has no say is noted.
    pub(super) fn role(&self, trigger: &Field<'_>, draft: &mut Draft) -> Role {
        let (name, kind) = (words(trigger.node.get("name")), words(trigger.node.get("type")));
        if matches!(kind.as_str(), "cpu" | "memory") {
            return Role::Own;
        }
        // Of two triggers of one name the first is meant.
        let taken = self.signals.iter().any(|(signal, _)| *signal == name);
        if self.used.contains(&name) && !taken {
            return Role::Signal(name);
        }
        let name = if name.is_empty() { format!("of type {}", quote(&kind)) } else { quote(&name) };
        draft.mention(
            trigger.at(),
            format!("trigger {name} is not in the formula and so has no say, as in KEDA"),
        );
        Role::Silent
    }

    /// Takes the metric of a signal.
    pub(super) fn add(&mut self, name: String, metric: Yaml) {
        self.signals.push((name, metric));
    }

    /// The `formula` of a stack file; `None` when a trigger of it could not be read, which has been noted.
    pub(super) fn finish(self) -> Option<Yaml> {
        let complete = self.used.iter().all(|name| self.signals.iter().any(|(signal, _)| signal == name));
        let mut parts = self.parts;
        if !self.signals.is_empty() {
            parts.push(part("signals", Yaml::Map(self.signals)));
        }
        complete.then_some(Yaml::Map(parts))
    }
}
