//! Who is compared, and the parameters that are tried.

use std::sync::atomic::{AtomicUsize, Ordering};

use plimsoll_scale::policy::Policy;
use plimsoll_scale::spec::policy::ScalingPolicy;
use plimsoll_sim::search::{Trial, Variant, variants};
use plimsoll_sim::workload::List;
use plimsoll_sim::{Keda, Outcome, PolicyScaler, Request, Scaler, Setup, Timing, run};
use serde_json::json;

use crate::{PARTS, Scene};

/// A family of policies.
pub(crate) struct Family {
    variants: Vec<Variant>,
    keda: Option<Keda>,
}

/// One policy after its training.
pub(crate) struct Contender {
    pub(crate) words: String,
    pub(crate) trained: Figures,
    /// What it cost in equal parts of its training.
    pub(crate) trial: Trial,
    scaler: Scaler,
    timing: Timing,
}

/// What counts.
#[derive(Clone, Copy)]
pub(crate) struct Figures {
    /// Per cent.
    pub(crate) over_slo: f64,
    /// Per cent.
    pub(crate) waited: f64,
    pub(crate) hours: f64,
}

const MOST: u32 = 200;

/// CPU at 70 %, and what the search makes of it.
pub(crate) fn hpa() -> Family {
    let target = json!({"type": "Utilization", "averageUtilization": 70});
    let spec = json!({"minReplicas": 1, "maxReplicas": MOST, "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]});
    Family { variants: variants(&read(spec)), keda: None }
}

/// Waiting requests, as many as an instance has slots.
pub(crate) fn keda() -> Family {
    Family { variants: variants(&external("http_requests_waiting", "8")), keda: Some(Keda::default()) }
}

/// Requests waiting or in service: what a careful user of KEDA would take.
pub(crate) fn keda_open() -> Family {
    Family { variants: variants(&external("http_requests_open", "6")), keda: Some(Keda::default()) }
}

fn external(metric: &str, target: &str) -> ScalingPolicy {
    let target = json!({"type": "AverageValue", "averageValue": target});
    read(json!({
        "minReplicas": 1, "maxReplicas": MOST,
        "metrics": [{"type": "External", "external": {"metric": {"name": metric}, "target": target}}],
    }))
}

/// `demandQuantile` and `concurrency`, each with several holds: no more variants than the others have.
pub(crate) fn ours() -> Family {
    let mut all = Vec::new();
    let mut add = |words: String, hold_s: u32, name: &str, rule: serde_json::Value| {
        let behavior = json!({"scaleDown": {"stabilizationWindowSeconds": hold_s}});
        let body = json!({"minReplicas": 1, "maxReplicas": MOST, "behavior": behavior, name: rule});
        all.push(Variant { changes: format!("{words}, hold {hold_s} s"), spec: read(body) });
    };
    for hold_s in [0, 300] {
        for window_s in [120, 300, 600, 1200, 2400] {
            for quantile in [0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0] {
                let rule = json!({"quantile": quantile, "windowSeconds": window_s, "perInstance": "8"});
                add(format!("quantile {quantile} of {window_s} s"), hold_s, "demandQuantile", rule);
            }
        }
    }
    // A target above the slots cannot be told from a queue, which would call for ever more instances.
    for hold_s in [60, 120, 300, 900] {
        for target in ["4", "5", "6", "6.5", "7", "7.5"] {
            add(format!("concurrency {target}"), hold_s, "concurrency", json!({"target": target}));
        }
    }
    Family { variants: all, keda: None }
}

fn read(body: serde_json::Value) -> ScalingPolicy {
    serde_json::from_value(body).expect("the body of a policy")
}

/// Trains every variant on the first half.
pub(crate) fn try_all(scene: &Scene<'_>, family: Family, timing: Timing) -> Vec<Contender> {
    on_every_core(&family.variants, |variant| {
        let policy = Policy::compile(variant.spec.clone()).expect("a policy of the grid");
        let scaler = PolicyScaler { keda: family.keda, ..PolicyScaler::new(policy) };
        let scaler = Scaler::Policy(Box::new(scaler));
        let mut setup = scene.setup(timing, scene.train_from_s());
        setup.series_step_s = Some(scene.series_step_s());
        let outcome = checked(&setup, &scaler, scene.first_half);
        let (trained, trial) = (Figures::of(&outcome), Trial::of(&outcome, PARTS));
        Contender { words: variant.changes.clone(), trained, trial, scaler, timing }
    })
}

/// All of them on the second half: what no choice may know.
pub(crate) fn test_all(scene: &Scene<'_>, all: &[Contender]) -> Vec<Figures> {
    on_every_core(all, |one| one.test(scene))
}

/// In the order of the items.
fn on_every_core<T: Sync, R: Send>(items: &[T], each: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return done };
            done.push((index, each(item)));
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut all: Vec<(usize, R)> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        handles.into_iter().flat_map(|handle| handle.join().expect("a worker")).collect()
    });
    all.sort_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, result)| result).collect()
}

/// Runs, and sees to it that no request was lost or made up.
pub(crate) fn checked(setup: &Setup, scaler: &Scaler, requests: &[Request]) -> Outcome {
    let outcome = run(setup, scaler, List::new(requests));
    assert!(outcome.flow.adds_up(), "{:?}", outcome.flow);
    outcome
}

// === impl Family ===

impl Family {
    /// Without the search.
    pub(crate) fn unsearched(self) -> Self {
        self.only(&[0])
    }

    /// Some of them, in this order.
    pub(crate) fn only(self, indices: &[usize]) -> Self {
        let variants = indices.iter().filter_map(|&index| self.variants.get(index).cloned());
        Self { variants: variants.collect(), ..self }
    }
}

// === impl Figures ===

impl Figures {
    pub(crate) fn of(outcome: &Outcome) -> Self {
        Self {
            over_slo: outcome.over_slo_pct(),
            waited: outcome.over_wait_pct(),
            hours: outcome.replica_hours(),
        }
    }
}

// === impl Contender ===

impl Contender {
    /// On the second half, warmed up by the first.
    pub(crate) fn test(&self, scene: &Scene<'_>) -> Figures {
        let setup = scene.setup(self.timing, scene.test_from_s());
        Figures::of(&checked(&setup, &self.scaler, scene.requests))
    }
}
