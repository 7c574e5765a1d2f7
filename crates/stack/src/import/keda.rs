//! A KEDA ScaledObject. KEDA turns one into a HorizontalPodAutoscaler and switches between zero and one itself; here
//! the autoscaler does both, so most of it maps, and what belongs to KEDA's own loop is noted.

mod modifiers;
mod policy;
mod trigger;

use super::draft::{Draft, part};
use super::emit::{Yaml, number};
use super::hpa::{note_metadata, note_request, target_name};
use crate::decode::{At, Field, Fields};
use crate::diagnostic::{Sink, quote};
use crate::node::{Node, Value};
use crate::scaling;
use modifiers::{Modifiers, Role};
use trigger::Part;

/// `minReplicaCount` when absent.
const MIN_REPLICAS: u32 = 0;
/// `maxReplicaCount` when absent.
const MAX_REPLICAS: u32 = 100;
/// Replica counts are 32 signed bits.
const MOST: u32 = i32::MAX as u32;

/// The most instances a stack file takes without `scaling`.
const MAX_FIXED: u32 = 10_000;

/// Keys of KEDA's own loop, and what takes their place.
const LOOP: [(&str, &str); 4] = [
    ("pollingInterval", "`control.sync_period` says how often the stack looks"),
    (
        "cooldownPeriod",
        "`behavior.scaleDown.stabilizationWindowSeconds` says how long a low reading must last",
    ),
    ("initialCooldownPeriod", "a service starts with `minReplicas` instances"),
    ("idleReplicaCount", "`minReplicas: 0` lets a service go to zero"),
];

/// Annotations that hold the scaler still.
#[derive(Default)]
struct Pauses {
    /// All of it: nothing changes.
    all: bool,
    scale_in: bool,
    scale_out: bool,
    /// Pauses at this number, and wins over the others.
    replicas: Option<At<u32>>,
}

/// Reads a whole manifest.
pub(super) fn scaled_object(field: &Field<'_>, draft: &mut Draft, sink: &mut Sink) {
    let Some(manifest) = Fields::open_any(field, sink) else { return };
    draft.note_others("the manifest", &manifest, &["apiVersion", "kind", "metadata", "spec", "status"]);
    note_metadata(&manifest, draft, sink);
    let pauses = pauses(&manifest, draft);
    let Some(spec) = manifest.required("spec", "a ScaledObject has a `spec`", sink) else { return };
    let Some(fields) = Fields::open_any(&spec, sink) else { return };
    let (name, at) = target_name(&spec, &manifest, draft);
    note_loop(&fields, draft);

    let read = |key: &str, default: u32, sink: &mut Sink| match fields.optional(key) {
        Some(field) => field.integer(0..=MOST, sink).map(|value| At { at: field.at(), value }),
        None => Some(At { at: fields.at, value: default }),
    };
    let min = read("minReplicaCount", MIN_REPLICAS, sink);
    let max = read("maxReplicaCount", MAX_REPLICAS, sink);
    let triggers = fields
        .required("triggers", "a ScaledObject has at least one trigger", sink)
        .and_then(|field| field.list("such as `- type: cpu`", sink))
        .unwrap_or_default();
    let (behavior, mut formula) = advanced(&fields, &triggers, draft, sink);
    let (mut metrics, mut schedule) = (Vec::new(), Vec::new());
    for (index, item) in triggers.iter().enumerate() {
        let role = formula.as_ref().map_or(Role::Own, |formula| formula.role(item, draft));
        match trigger::trigger(item, index, &role, &name, draft, sink) {
            Some(Part::Metric(metric)) => metrics.push(metric),
            Some(Part::Signal(name, metric)) => {
                if let Some(formula) = &mut formula {
                    formula.add(name, metric);
                }
            }
            Some(Part::Schedule(floor)) => policy::add_schedule(&mut schedule, floor, index),
            None => {}
        }
    }
    let formula = formula.and_then(Modifiers::finish);
    let signal_loss = fields.optional("fallback").and_then(|field| policy::fallback(&field, draft, sink));
    let (Some(min), Some(max)) = (min, max) else { return };
    if min.value > max.value || max.value == 0 {
        let what =
            format!("`maxReplicaCount` {} must be above zero and not below `minReplicaCount`", max.value);
        sink.hint(max.at, what, "swap them, or raise `maxReplicaCount`");
        return;
    }

    let decides = !metrics.is_empty() || formula.is_some();
    let (mut min, mut max) = (lowest(min, &metrics, formula.is_some(), draft), max.value);
    if let Some(At { at: place, value: replicas }) = pauses.replicas.filter(|_| decides) {
        let what = format!("it is paused at {replicas} replicas, not between {min} and {max}");
        draft.note(place, what, "both bounds are that number; restore them to scale again");
        if replicas == 0 {
            draft.mention(place, "nothing can scale between zero and zero, so only `replicas` is left");
            draft.add(name, at, vec![part("replicas", number(0))]);
            return;
        }
        (min, max) = (replicas.min(MOST), replicas.min(MOST));
    }
    if !decides {
        if !schedule.is_empty() {
            let what = format!(
                "`{name}` follows the clock alone: here a schedule is a floor under a metric or policy"
            );
            draft.note(
                fields.at,
                what,
                "add one, such as `concurrency` or `queueLatency`, and then the schedule",
            );
        }
        let what = format!("no trigger of `{name}` has an equivalent, so the number of instances is fixed");
        draft.mention(fields.at, what);
        draft.add(name, at, vec![part("replicas", number(min.min(MAX_FIXED)))]);
        return;
    }
    let mut body = vec![part("minReplicas", number(min)), part("maxReplicas", number(max))];
    if !metrics.is_empty() {
        body.push(part("metrics", Yaml::List(metrics)));
    }
    body.extend(formula.map(|formula| part("formula", formula)));
    body.extend(behavior.map(|behavior| part("behavior", behavior)));
    if !schedule.is_empty() {
        body.push(part("schedule", Yaml::List(schedule)));
    }
    body.extend(signal_loss.map(|signal_loss| part("signalLoss", signal_loss)));
    body.extend(pauses.parts());
    draft.add(name, at, vec![part("scaling", Yaml::Map(body))]);
}

/// Zero needs a metric that is there without instances; else one instance stays.
fn lowest(min: At<u32>, metrics: &[Yaml], formula: bool, draft: &mut Draft) -> u32 {
    let external = |metric: &Yaml| match metric {
        Yaml::Map(entries) => entries.iter().any(|(key, _)| key == "external"),
        _ => false,
    };
    if min.value > 0 {
        return min.value;
    }
    if formula || metrics.iter().any(external) {
        let what = "KEDA starts the first instance when a trigger is active and stops the last after \
                    `cooldownPeriod`; here the metrics themselves lead from and to zero";
        draft.mention(min.at, what);
        return 0;
    }
    draft.mention(min.at, "one instance stays, as no metric could be read with none");
    1
}

// === impl Pauses ===

impl Pauses {
    /// The same as policies. A pause at a number wins over the others, as it does in KEDA.
    fn parts(&self) -> Vec<(String, Yaml)> {
        if self.replicas.is_some() {
            return Vec::new();
        }
        if self.all {
            return vec![part("freeze", number(true))];
        }
        let directions = [("scaleIn", self.scale_in), ("scaleOut", self.scale_out)];
        let paused: Vec<_> =
            directions.iter().filter(|(_, on)| *on).map(|(key, _)| part(key, number(true))).collect();
        if paused.is_empty() { Vec::new() } else { vec![part("pause", Yaml::Map(paused))] }
    }
}

/// What the annotations hold still.
fn pauses(manifest: &Fields<'_>, draft: &mut Draft) -> Pauses {
    let mut pauses = Pauses::default();
    let Some(metadata) = manifest.optional("metadata") else { return pauses };
    let Some(Value::Map(annotations)) = metadata.node.get("annotations").map(|node| &node.value) else {
        return pauses;
    };
    for entry in annotations {
        let Some(name) = entry.key.strip_prefix("autoscaling.keda.sh/") else { continue };
        let value = words(Some(&entry.value));
        let set = value == "true";
        match name {
            "paused" | "paused-scale-in" | "paused-scale-out" if !set => {}
            "paused" => pauses.all = true,
            "paused-scale-in" => pauses.scale_in = true,
            "paused-scale-out" => pauses.scale_out = true,
            "paused-replicas" => pauses.replicas = value.parse().ok().map(|value| At { at: entry.at, value }),
            _ => {}
        }
        let read = ["paused", "paused-scale-in", "paused-scale-out"].contains(&name)
            || (name == "paused-replicas" && pauses.replicas.is_some());
        if !read {
            draft.mention(entry.at, format!("annotation {} has no equivalent", quote(&entry.key)));
        }
    }
    pauses
}

/// Notes what belongs to KEDA's own loop.
fn note_loop(fields: &Fields<'_>, draft: &mut Draft) {
    let known = ["scaleTargetRef", "minReplicaCount", "maxReplicaCount", "advanced", "triggers", "fallback"];
    for (entry, field) in fields.entries() {
        let key = entry.key.as_str();
        if known.contains(&key) || field.node.is_null() {
            continue;
        }
        match LOOP.iter().find(|(name, _)| *name == key) {
            Some((_, instead)) => draft.note(entry.at, format!("`{key}` has no equivalent"), *instead),
            None => draft.mention(entry.at, format!("{} of the ScaledObject has no equivalent", quote(key))),
        }
    }
}

/// The `behavior` and the formula under `advanced`, checked; everything else there is noted.
fn advanced(
    fields: &Fields<'_>,
    triggers: &[Field<'_>],
    draft: &mut Draft,
    sink: &mut Sink,
) -> (Option<Yaml>, Option<Modifiers>) {
    let advanced = fields.optional("advanced").and_then(|field| Fields::open_any(&field, sink));
    let Some(advanced) = advanced else { return (None, None) };
    draft.note_others("`advanced`", &advanced, &["horizontalPodAutoscalerConfig", "scalingModifiers"]);
    let formula = advanced
        .optional("scalingModifiers")
        .and_then(|field| modifiers::modifiers(&field, triggers, draft, sink));
    let config = advanced.optional("horizontalPodAutoscalerConfig");
    (config.and_then(|field| behavior(&field, draft, sink)), formula)
}

fn behavior(field: &Field<'_>, draft: &mut Draft, sink: &mut Sink) -> Option<Yaml> {
    let config = Fields::open_any(field, sink)?;
    draft.note_others("`horizontalPodAutoscalerConfig`", &config, &["behavior"]);
    let behavior = config.optional("behavior")?;
    scaling::behavior(&behavior, sink).map(|_| Yaml::from(behavior.node))
}

/// The text of a scalar; empty for anything else.
fn words(node: Option<&Node>) -> String {
    match node.map(|node| &node.value) {
        Some(Value::Scalar(scalar)) => scalar.text.clone(),
        _ => String::new(),
    }
}

/// Notes that a percentage of a request needs the request; shared with the triggers.
fn note_utilization(resource: &str, service: &str, field: &Field<'_>, draft: &mut Draft) {
    note_request(resource, service, field.at(), draft);
}
