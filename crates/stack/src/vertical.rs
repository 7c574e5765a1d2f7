//! `vertical_scaling`: what is made of the advice on sizes, in the words of the Kubernetes Vertical Pod Autoscaler.

use plimsoll_scale::spec::policy::ScalingPolicy;
use plimsoll_scale::vpa::{Mode, Policy, Wish, owner};

use crate::decode::{Field, Fields, listed};
use crate::diagnostic::{Sink, quote};
use crate::service::memory_bytes;
use crate::types::Resources;

/// `minReplicas`: more is a slip of the pen.
const MOST: u32 = 10_000;

/// Reads the section. `resources` and `scaling` are those of the same service.
pub(crate) fn vertical(
    field: &Field<'_>,
    resources: Option<&Resources>,
    scaling: Option<&ScalingPolicy>,
    sink: &mut Sink,
) -> Option<Wish> {
    let known = ["mode", "controlledResources", "minAllowed", "maxAllowed", "minReplicas"];
    let fields = Fields::open(field, &known, sink)?;
    let hint =
        "`Off` shows advice, `Initial` gives it to new instances, `Recreate` also replaces running ones";
    let mode_field = fields.required("mode", hint, sink)?;
    let mode = mode(&mode_field, sink);
    let min_replicas = fields.optional("minReplicas").and_then(|field| field.integer(1..=MOST, sink));
    let allowed = allowed(&fields, sink);
    let stated = |name: &str| match name {
        "cpu" => resources.is_some_and(|stated| stated.cpu_milli.is_some()),
        _ => resources.is_some_and(|stated| stated.memory_bytes.is_some()),
    };
    let wish = Wish { allowed, ..Wish::of(mode?) };
    let wish = Wish { min_replicas: min_replicas.unwrap_or(wish.min_replicas), ..wish };
    let controlled = match fields.optional("controlledResources") {
        Some(field) => controlled(&field, sink)?,
        // What is not stated is not limited, and stays so.
        None if wish.mode == Mode::Off => vec!["cpu", "memory"],
        None => ["cpu", "memory"].into_iter().filter(|name| stated(name)).collect(),
    };
    if wish.mode != Mode::Off {
        check(&mode_field, wish.mode, &controlled, stated, scaling, sink);
    }
    let controls = |name| controlled.contains(&name);
    Some(Wish { controls_cpu: controls("cpu"), controls_memory: controls("memory"), ..wish })
}

fn mode(field: &Field<'_>, sink: &mut Sink) -> Option<Mode> {
    let modes = [
        ("Off", Some(Mode::Off)),
        ("Initial", Some(Mode::Initial)),
        ("Recreate", Some(Mode::Recreate)),
        ("Auto", None),
        ("InPlaceOrRecreate", None),
    ];
    let mode = field.choice(&modes, sink)?;
    if mode.is_none() {
        let what = format!("{} cannot be {}", field.label, quote(field.text(sink)?));
        sink.hint(field.at(), what, "`Recreate` is what it does where a process keeps its size");
    }
    mode
}

fn controlled(field: &Field<'_>, sink: &mut Sink) -> Option<Vec<&'static str>> {
    let items = field.list("such as `[cpu, memory]`", sink)?;
    if items.is_empty() {
        sink.hint(field.at(), "`controlledResources` names nothing", "`mode: Off` changes nothing");
        return None;
    }
    let names = [("cpu", "cpu"), ("memory", "memory")];
    Some(items.iter().filter_map(|item| item.choice(&names, sink)).collect())
}

/// What keeps a mode from being applied to a resource.
fn check(
    field: &Field<'_>,
    mode: Mode,
    controlled: &[&str],
    stated: impl Fn(&str) -> bool,
    scaling: Option<&ScalingPolicy>,
    sink: &mut Sink,
) {
    if controlled.is_empty() {
        let what = format!("`mode: {mode:?}` needs the sizes to begin with");
        sink.hint(field.at(), what, "state them: `resources: { cpu: 500m, memory: 512Mi }`");
    }
    let metrics = scaling.map(ScalingPolicy::metrics).unwrap_or_default();
    for &name in controlled {
        if !stated(name) {
            let what = format!("`mode: {mode:?}` cannot change `resources.{name}`, which is not stated");
            sink.hint(field.at(), what, "state it, or leave it out of `controlledResources`");
        }
        if let Some(metric) = owner(&metrics, name) {
            let written = scaling.is_some_and(|scaling| !scaling.hpa.metrics.is_empty());
            let metric =
                if written { format!("`{metric}`") } else { "`Resource cpu` (the default)".to_owned() };
            let what = format!(
                "`mode: {mode:?}` would change the {name} that the metric {metric} of `scaling` measures by, and so \
                 what it decides"
            );
            let other = if name == "cpu" { "memory" } else { "cpu" };
            let hint = format!(
                "`controlledResources: [{other}]` leaves {name} to the autoscaler; or scale on another signal, or \
                 `mode: Off`"
            );
            sink.hint(field.at(), what, hint);
        }
    }
}

/// `minAllowed` and `maxAllowed`.
fn allowed(fields: &Fields<'_>, sink: &mut Sink) -> Policy {
    let mut read = |key: &str| {
        let field = fields.optional(key)?;
        let inner = Fields::open(&field, &["cpu", "memory"], sink)?;
        let cpu = inner.optional("cpu").and_then(|field| field.positive_milli(sink));
        let memory = inner.optional("memory").and_then(|field| memory_bytes(&field, sink));
        Some((cpu, memory.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX))))
    };
    let (min_cpu_milli, min_memory_bytes) = read("minAllowed").unwrap_or_default();
    let (max_cpu_milli, max_memory_bytes) = read("maxAllowed").unwrap_or_default();
    let crossed = |min: Option<i64>, max: Option<i64>| min.zip(max).is_some_and(|(min, max)| min > max);
    let wrong = [
        ("cpu", crossed(min_cpu_milli, max_cpu_milli)),
        ("memory", crossed(min_memory_bytes, max_memory_bytes)),
    ];
    let wrong: Vec<&str> = wrong.into_iter().filter(|(_, crossed)| *crossed).map(|(name, _)| name).collect();
    if !wrong.is_empty() {
        let what = format!("`minAllowed` is above `maxAllowed` for {}", listed(&wrong));
        sink.hint(fields.key_at("minAllowed"), what, "swap them");
    }
    Policy { min_cpu_milli, max_cpu_milli, min_memory_bytes, max_memory_bytes }
}
