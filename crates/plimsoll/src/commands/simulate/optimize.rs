//! `--optimize`: a grid around each policy on every core, and its Pareto front.

use std::sync::atomic::{AtomicUsize, Ordering};

use plimsoll_scale::policy::Policy;
use plimsoll_scale::spec::policy::ScalingPolicy;
use plimsoll_sim::search::{Trial, least_harm_in_parts, pareto_front, variants};
use plimsoll_sim::{Outcome, PolicyScaler};
use serde::Serialize;

use super::{Scene, policy_file::Named, progress::Progress};

/// Parts of the time that the steady choice is compared in.
pub(super) const PARTS: usize = 4;

/// What is worth looking at around one policy.
#[derive(Debug, Serialize)]
pub(super) struct Front {
    /// The policy it came from.
    pub(super) policy: String,
    /// How many were tried.
    pub(super) tried: usize,
    /// Cheapest first.
    pub(super) points: Vec<Point>,
}

/// One point of the front, or the policy itself beside it.
#[derive(Debug, Serialize)]
pub(super) struct Point {
    /// What differs from the policy as given; empty for that one.
    pub(super) changes: String,
    /// It is the policy as given.
    pub(super) given: bool,
    /// Nothing that was tried is better in both cost and violations.
    pub(super) on_front: bool,
    /// Of those that cost no more than the policy as given, neither in total nor in any part of the time, it hurts least:
    /// of all these points the one most likely to do as well on other days.
    pub(super) steady: bool,
    pub(super) replica_hours: f64,
    pub(super) cost: f64,
    pub(super) over_slo_pct: f64,
    pub(super) over_wait_pct: f64,
    /// The policy with these parameters.
    pub(super) spec: ScalingPolicy,
}

/// Tries every variant and keeps the front; the policy as given is always among the points.
pub(super) fn front(
    scene: &Scene,
    policy: &Named,
    given: &Outcome,
    progress: &Progress,
) -> anyhow::Result<Front> {
    let variants = variants(&policy.spec);
    progress.more(variants.len() - 1, &policy.name);
    let next = AtomicUsize::new(1);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let own = policy.is_own();
    let work = || -> anyhow::Result<Vec<(usize, Outcome)>> {
        let mut outcomes = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(variant) = variants.get(index) else { return Ok(outcomes) };
            let compiled = Policy::compile(variant.spec.clone())?;
            let scaler = PolicyScaler { keda: policy.keda, ..PolicyScaler::new(compiled) };
            outcomes.push((index, scene.run(&scaler, own, Some(scene.step_s()))));
            progress.done();
        }
    };
    let mut outcomes = vec![(0, given.clone())];
    let found = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        handles.into_iter().map(|handle| handle.join()).collect::<Vec<_>>()
    });
    for part in found {
        outcomes.extend(part.map_err(|_| anyhow::anyhow!("a worker of the search panicked"))??);
    }
    outcomes.sort_by_key(|(index, _)| *index);
    let figures: Vec<(f64, f64)> = outcomes.iter().map(|(_, run)| (run.cost, run.over_slo_pct())).collect();
    let mut chosen = pareto_front(&figures);
    let on_front = chosen.clone();
    let trials: Vec<Trial> = outcomes.iter().map(|(_, run)| Trial::of(run, PARTS)).collect();
    let steady = least_harm_in_parts(&trials, &trials[0]);
    for index in steady.into_iter().chain([0]) {
        if !chosen.contains(&index) {
            chosen.push(index);
        }
    }
    chosen.sort_by(|&a, &b| figures[a].0.total_cmp(&figures[b].0));
    let points = chosen.into_iter().map(|index| {
        let run = &outcomes[index].1;
        Point {
            changes: variants[index].changes.clone(),
            given: index == 0,
            on_front: on_front.contains(&index),
            steady: steady == Some(index),
            replica_hours: run.replica_hours(),
            cost: run.cost,
            over_slo_pct: run.over_slo_pct(),
            over_wait_pct: run.over_wait_pct(),
            spec: variants[index].spec.clone(),
        }
    });
    Ok(Front { policy: policy.name.clone(), tried: variants.len(), points: points.collect() })
}
