//! Advice on the size of instances: usage goes into the histograms of the recommender, and what it recommends is shown
//! beside what is stated. Nothing is applied.
//!
//! CPU is fed once a minute and memory at every sync, as the Kubernetes Vertical Pod Autoscaler does with the samples of
//! its metrics server. A process that was ended at its memory limit counts as one that needed more.

use std::collections::BTreeMap;

use plimsoll_fleet::{Instance, InstanceId, State};
use plimsoll_scale::vpa::{
    Advice, Amounts, ContainerUsage, Mode, Policy, ResourceAdvice, UsageCheckpoint, Verdict, advise,
    recommend,
};
use plimsoll_scale::{HpaSpec, Time};
use plimsoll_stack::{Resources, Service};

use crate::{
    controller::{Controller, now_ms},
    service::Managed,
    view::{SizeView, SizingView},
};

/// Between two CPU samples of an instance.
const CPU_EVERY_S: u32 = 60;
/// How the fleet words the end of a process at its memory limit.
const OUT_OF_MEMORY: &str = "out of memory limit";
/// Fewer CPU samples give no advice worth reading.
const LEAST_SAMPLES: u64 = 5;

/// What was seen of one service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sizing {
    usage: ContainerUsage,
    cpu_at: Option<Time>,
    /// How often each instance was started again when it was last looked at.
    restarts: BTreeMap<InstanceId, u32>,
    /// One line a resource.
    pub(crate) lines: Vec<String>,
    /// The same for programs.
    pub(crate) latest: Option<SizingView>,
}

// === impl Controller ===

impl Controller {
    /// Feeds the recommenders of the services that ask for advice.
    pub(crate) fn size(&mut self) {
        let now = Time(i64::try_from(now_ms()).unwrap_or(i64::MAX));
        let instances = self.shared.fleet.instances();
        for (name, managed) in &mut self.services {
            let Managed { sizing: Some(sizing), service, memory, .. } = managed else { continue };
            let own: Vec<&Instance> = instances.iter().filter(|instance| instance.service == *name).collect();
            if sizing.feed(&own, service.resources.memory_bytes, now) {
                memory.usage = Some(sizing.usage.checkpoint());
            }
            let advice = sizing.advice(service, now);
            sizing.lines = advice.as_ref().map_or_else(Vec::new, lines);
            sizing.latest = advice.as_ref().map(|advice| view(service.vertical.unwrap_or(Mode::Off), advice));
        }
    }
}

// === impl Sizing ===

impl Sizing {
    /// With what an earlier run saw; none when the service does not ask for advice.
    pub(crate) fn new(service: &Service, seen: Option<&UsageCheckpoint>) -> Option<Self> {
        service.vertical?;
        let usage = seen.map(ContainerUsage::restore).unwrap_or_default();
        Some(Self { usage, ..Self::default() })
    }

    /// True when the samples are worth storing.
    fn feed(&mut self, instances: &[&Instance], limit_bytes: Option<u64>, now: Time) -> bool {
        let mut store = false;
        let due = self.cpu_at.is_none_or(|at| at.plus_s(CPU_EVERY_S) <= now);
        // The recommender takes samples of one moment in order, so each instance has a millisecond of its own.
        for (at, instance) in (now.0..).map(Time).zip(instances) {
            if let Some(bytes) = instance.memory_bytes.and_then(|bytes| i64::try_from(bytes).ok()) {
                self.usage.add_memory(bytes, at);
            }
            if let Some(milli) = instance.cpu_milli.filter(|_| due && instance.state == State::Ready) {
                store |= self.usage.add_cpu(milli as f64 / 1000.0, at);
            }
            let before = self.restarts.insert(instance.id.clone(), instance.restarts).unwrap_or(0);
            let ended = instance.last_exit.as_deref().unwrap_or_default();
            if instance.restarts > before
                && ended.contains(OUT_OF_MEMORY)
                && let Some(limit) = limit_bytes.and_then(|bytes| i64::try_from(bytes).ok())
            {
                // Too old to mean anything cannot be: it happened since the last sync.
                store |= self.usage.record_oom(limit, at).is_ok();
            }
        }
        if store && due {
            self.cpu_at = Some(now);
        }
        self.restarts.retain(|id, _| instances.iter().any(|instance| instance.id == *id));
        store
    }

    fn advice(&self, service: &Service, now: Time) -> Option<Advice> {
        if self.usage.samples() < LEAST_SAMPLES {
            return None;
        }
        let requests = amounts(&service.resources);
        let recommendation = recommend(&self.usage, 1, &Policy::default());
        let mode = service.vertical.unwrap_or(Mode::Off);
        Some(advise(mode, &recommendation, requests, &[], owner(service), now))
    }
}

/// The autoscaler whose metrics may own a resource. Beside a policy that asks, an empty list of metrics means none.
fn owner(service: &Service) -> Option<&HpaSpec> {
    let scaling = service.scaling.as_ref()?;
    let none = scaling.stands_without_metrics() && scaling.hpa.metrics.is_empty();
    (!none).then_some(&scaling.hpa)
}

fn amounts(resources: &Resources) -> Amounts {
    let memory = resources.memory_bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
    Amounts { cpu_milli: resources.cpu_milli.unwrap_or(0), memory_bytes: memory.unwrap_or(0) }
}

fn lines(advice: &Advice) -> Vec<String> {
    let mebibytes = |bytes: i64| format!("{}Mi", bytes.saturating_add((1 << 20) - 1) >> 20);
    vec![line("cpu", &advice.cpu, |milli| format!("{milli}m")), line("memory", &advice.memory, mebibytes)]
}

fn line(name: &str, advice: &ResourceAdvice, amount: impl Fn(i64) -> String) -> String {
    let stated = if advice.request == 0 { "none".to_owned() } else { amount(advice.request) };
    let (target, lower, upper) = (amount(advice.target), amount(advice.lower), amount(advice.upper));
    let verdict = verdict(advice);
    format!("size of {name}: {stated} stated, {target} advised ({lower} to {upper} fits): {verdict}")
}

fn verdict(advice: &ResourceAdvice) -> String {
    match &advice.verdict {
        Verdict::Fits => "fits".to_owned(),
        Verdict::Raise if advice.request == 0 => "state it".to_owned(),
        Verdict::Raise => "raise it".to_owned(),
        Verdict::Lower => "can be lowered".to_owned(),
        Verdict::OwnedByAutoscaler { metric } => format!("leave it: the metric {metric} scales on it"),
    }
}

fn view(mode: Mode, advice: &Advice) -> SizingView {
    let size = |advice: &ResourceAdvice| SizeView {
        stated: (advice.request > 0).then_some(advice.request),
        target: advice.target,
        lower: advice.lower,
        upper: advice.upper,
        verdict: verdict(advice),
    };
    SizingView { mode: format!("{mode:?}"), cpu: size(&advice.cpu), memory: size(&advice.memory) }
}

#[cfg(test)]
mod tests;
