//! Which instances count for a per-instance metric: HPA.md section 4.1.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::observe::{Instance, Phase, Sample};
use crate::{Settings, Time};

/// How many instances fell into each group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Groups {
    /// Counted.
    pub ready: u32,
    /// Not measured yet: pending, or too young for its CPU samples to mean anything.
    pub unready: u32,
    /// Running without a sample.
    pub missing: u32,
    /// Leaving or ended.
    pub ignored: u32,
}

/// Group of one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Counted.
    Ready,
    /// Not measured yet.
    Unready,
    /// Running without a sample.
    Missing,
    /// Leaving or ended.
    Ignored,
}

/// Finds the sample of an instance. Sources usually list samples in the order of the instances, so the place is
/// guessed first and a table is built only when a guess fails.
pub(super) struct Samples<'a> {
    samples: &'a [Sample],
    table: Option<HashMap<&'a str, usize>>,
}

/// Groups every instance; `found` is called with each instance, its sample and its group.
pub fn group<'a, 's>(
    instances: &'a [Instance],
    samples: &'s [Sample],
    cpu: bool,
    settings: &Settings,
    now: Time,
    mut found: impl FnMut(&'a Instance, Option<&'s Sample>, Group),
) -> Groups {
    let mut groups = Groups::default();
    let mut lookup = Samples { samples, table: None };
    for (index, instance) in instances.iter().enumerate() {
        let sample = lookup.of(index, &instance.name).filter(|sample| !is_stale(sample, settings, now));
        let group = classify(instance, sample, cpu, settings, now);
        match group {
            Group::Ready => groups.ready += 1,
            Group::Unready => groups.unready += 1,
            Group::Missing => groups.missing += 1,
            Group::Ignored => groups.ignored += 1,
        }
        found(instance, sample, group);
    }
    groups
}

/// The group of one instance. The order of the tests is part of the rule.
pub fn classify(
    instance: &Instance,
    sample: Option<&Sample>,
    cpu: bool,
    settings: &Settings,
    now: Time,
) -> Group {
    if instance.deleting || matches!(instance.phase, Phase::Failed | Phase::Succeeded) {
        return Group::Ignored;
    }
    if instance.phase == Phase::Pending {
        return Group::Unready;
    }
    let Some(sample) = sample else { return Group::Missing };
    if cpu && has_unusable_cpu(instance, sample, settings, now) {
        return Group::Unready;
    }
    Group::Ready
}

/// CPU while starting up says nothing about load. Inside the initialisation period a sample counts only when its whole
/// window lies after the last change of readiness; later only an instance that never became ready is left out.
fn has_unusable_cpu(instance: &Instance, sample: &Sample, settings: &Settings, now: Time) -> bool {
    let (Some(readiness), Some(started_at)) = (instance.readiness, instance.started_at) else { return true };
    if started_at.plus_s(settings.cpu_initialization_period_s) > now {
        return !readiness.ready || sample.at < readiness.since.plus_s(sample.window_s);
    }
    !readiness.ready && started_at.plus_s(settings.initial_readiness_delay_s) > readiness.since
}

pub(super) fn is_stale(sample: &Sample, settings: &Settings, now: Time) -> bool {
    settings.stale_after_s.is_some_and(|limit_s| sample.at.plus_s(limit_s) < now)
}

// === impl Samples ===

impl<'a> Samples<'a> {
    fn of(&mut self, guess: usize, name: &str) -> Option<&'a Sample> {
        let samples = self.samples;
        if let Some(sample) = samples.get(guess)
            && *sample.instance == *name
        {
            return Some(sample);
        }
        let table = self
            .table
            .get_or_insert_with(|| samples.iter().enumerate().map(|(i, s)| (&*s.instance, i)).collect());
        table.get(name).map(|&index| &samples[index])
    }
}
