//! The size of instances: usage goes into the histograms of the recommender, what it recommends is shown beside what is
//! stated, and the mode says whether it is also applied (`apply.rs`).
//!
//! CPU is fed once a minute and memory at every sync, as the Kubernetes Vertical Pod Autoscaler does with the samples of
//! its metrics server. A process that was ended at its memory limit counts as one that needed more.

mod apply;
mod words;

use std::collections::BTreeMap;

use plimsoll_fleet::{Instance, InstanceId, State};
use plimsoll_scale::Time;
use plimsoll_scale::vpa::{
    Advice, Amounts, ContainerUsage, Member, UsageCheckpoint, Wish, advise, recommend,
};
use plimsoll_stack::{Resources, Service};

use crate::view::SizingView;

/// Between two CPU samples of an instance.
const CPU_EVERY_S: u32 = 60;
/// How the fleet words the end of a process at its memory limit.
const OUT_OF_MEMORY: &str = "out of memory limit";
/// Fewer CPU samples give no advice worth reading.
const LEAST_SAMPLES: u64 = 5;

/// What was seen of one service.
#[derive(Clone, Debug)]
pub(crate) struct Sizing {
    wish: Wish,
    usage: ContainerUsage,
    cpu_at: Option<Time>,
    /// How often each instance was started again when it was last looked at.
    restarts: BTreeMap<InstanceId, u32>,
    /// When each instance last ran into its memory limit.
    out_of_memory: BTreeMap<InstanceId, Time>,
    /// What each instance was started with, where that is not what is stated.
    sizes: BTreeMap<InstanceId, Amounts>,
    /// One line a resource.
    pub(crate) lines: Vec<String>,
    /// The same for programs.
    pub(crate) latest: Option<SizingView>,
}

// === impl Sizing ===

impl Sizing {
    /// With what an earlier run saw; none when the service does not ask for advice.
    pub(crate) fn new(service: &Service, seen: Option<&UsageCheckpoint>) -> Option<Self> {
        Some(Self {
            wish: service.vertical?,
            usage: seen.map(ContainerUsage::restore).unwrap_or_default(),
            cpu_at: None,
            restarts: BTreeMap::new(),
            out_of_memory: BTreeMap::new(),
            sizes: BTreeMap::new(),
            lines: Vec::new(),
            latest: None,
        })
    }

    /// The same history under another wish; instances keep the sizes they have.
    pub(crate) fn wished(&mut self, wish: Wish) {
        self.wish = wish;
    }

    /// Takes usage in. True when the samples are worth storing.
    fn feed(&mut self, instances: &[&Instance], stated_bytes: Option<u64>, now: Time) -> bool {
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
                && let Some(limit) = instance.memory_limit_bytes.or(stated_bytes)
                && let Ok(limit) = i64::try_from(limit)
            {
                // Too old to mean anything cannot be: it happened since the last sync.
                store |= self.usage.record_oom(limit, at).is_ok();
                self.out_of_memory.insert(instance.id.clone(), at);
            }
        }
        if store && due {
            self.cpu_at = Some(now);
        }
        let here = |id: &InstanceId| instances.iter().any(|instance| instance.id == *id);
        self.restarts.retain(|id, _| here(id));
        self.out_of_memory.retain(|id, _| here(id));
        self.sizes.retain(|id, _| here(id));
        store
    }

    /// None while too little was seen.
    fn advice(&self, service: &Service, members: &[Member], now: Time) -> Option<Advice> {
        if self.usage.samples() < LEAST_SAMPLES {
            return None;
        }
        let recommendation = recommend(&self.usage, 1, &self.wish.allowed);
        let metrics = service.scaling.as_ref().map(|scaling| scaling.metrics()).unwrap_or_default();
        let stated = amounts(&service.resources);
        Some(advise(&self.wish, &recommendation, stated, members, &metrics, now))
    }

    /// What an instance was started with.
    fn size_of(&self, id: &InstanceId, stated: Amounts) -> Amounts {
        self.sizes.get(id).copied().unwrap_or(stated)
    }

    /// The CPU that an instance requests, where that is not what is stated.
    pub(crate) fn cpu_milli(&self, id: &InstanceId) -> Option<i64> {
        self.sizes.get(id).map(|size| size.cpu_milli)
    }
}

/// What is stated; zero stands for nothing.
fn amounts(resources: &Resources) -> Amounts {
    let memory = resources.memory_bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
    Amounts { cpu_milli: resources.cpu_milli.unwrap_or(0), memory_bytes: memory.unwrap_or(0) }
}

#[cfg(test)]
mod tests;
