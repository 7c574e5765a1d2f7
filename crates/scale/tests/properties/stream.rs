//! Random specs and observation streams.

use plimsoll_scale::calculate::MetricError;
use plimsoll_scale::observe::{
    Container, Instance, Phase, Readiness, Reading, Requests, Sample, Scale, SelectorFault,
};
use plimsoll_scale::spec::{
    Behavior, MetricId, MetricSpec, ObjectRef, PolicyKind, RatePolicy, ScalingRules, SelectPolicy, Target,
};
use plimsoll_scale::{HpaSpec, Observation, Time};
use proptest::prelude::*;

/// How much there is to do, shared evenly by the instances.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) total_milli: i64,
}

/// One step of a stream.
#[derive(Debug, Clone)]
pub(crate) struct Tick {
    pub(crate) pause_s: u32,
    pub(crate) load: Load,
    /// Bit i: metric i cannot be read.
    failed_metrics: u8,
    scale_lost: bool,
    selector_fault: Option<SelectorFault>,
    /// Instance i misbehaves in way `troubles[i % len]`.
    troubles: Vec<Trouble>,
}

#[derive(Debug, Clone, Copy)]
enum Trouble {
    None,
    Missing,
    Pending,
    Unready,
    Young,
    Leaving,
    Failed,
}

// === impl Tick ===

impl Tick {
    /// Nothing is wrong.
    pub(crate) fn calm(load: Load) -> Self {
        Self {
            pause_s: 15,
            load,
            failed_metrics: 0,
            scale_lost: false,
            selector_fault: None,
            troubles: vec![Trouble::None],
        }
    }

    /// Nothing is wrong, so many seconds after the tick before.
    pub(crate) fn calm_after(pause_s: u32, load: Load) -> Self {
        Self { pause_s, ..Self::calm(load) }
    }

    /// Each `nth` instance has no sample.
    pub(crate) fn missing_every(nth: usize, load: Load) -> Self {
        let mut troubles = vec![Trouble::None; nth];
        troubles[nth - 1] = Trouble::Missing;
        Self { troubles, ..Self::calm(load) }
    }
}

pub(crate) fn load() -> impl Strategy<Value = Load> {
    (0_i64..20_000_000).prop_map(|total_milli| Load { total_milli })
}

pub(crate) fn tick() -> impl Strategy<Value = Tick> {
    let trouble = prop_oneof![
        12 => Just(Trouble::None),
        1 => Just(Trouble::Missing),
        1 => Just(Trouble::Pending),
        1 => Just(Trouble::Unready),
        1 => Just(Trouble::Young),
        1 => Just(Trouble::Leaving),
        1 => Just(Trouble::Failed),
    ];
    let selector = prop_oneof![
        30 => Just(None),
        1 => Just(Some(SelectorFault::InvalidSelector)),
        1 => Just(Some(SelectorFault::AmbiguousSelector)),
    ];
    let failed = prop_oneof![6 => Just(0_u8), 1 => any::<u8>()];
    let troubles = prop::collection::vec(trouble, 1..8);
    (1_u32..120, load(), failed, prop::bool::weighted(0.03), selector, troubles).prop_map(
        |(pause_s, load, failed_metrics, scale_lost, selector_fault, troubles)| Tick {
            pause_s,
            load,
            failed_metrics,
            scale_lost,
            selector_fault,
            troubles,
        },
    )
}

pub(crate) fn spec() -> impl Strategy<Value = HpaSpec> {
    let bounds = (0_u32..20, 0_u32..80);
    let metrics = prop::collection::vec(metric(), 1..4);
    (bounds, metrics, prop::option::of(behavior())).prop_map(|((min, more), metrics, behavior)| {
        let measurable_at_zero = metrics.iter().any(MetricSpec::measurable_at_zero);
        let min = if measurable_at_zero { min } else { min.max(1) };
        let spec = HpaSpec { min_replicas: Some(min), max_replicas: (min + more).max(1), metrics, behavior };
        assert_eq!(spec.problems(), []);
        spec
    })
}

fn metric() -> impl Strategy<Value = MetricSpec> {
    let id = |name: &str| MetricId { name: name.into(), ..MetricId::default() };
    let milli = 100_i64..2_000_000;
    prop_oneof![
        (1_i32..200)
            .prop_map(|pct| MetricSpec::Resource { name: "cpu".into(), target: Target::Utilization(pct) }),
        milli.clone().prop_map(|milli| MetricSpec::Resource {
            name: "memory".into(),
            target: Target::AverageValue(milli)
        }),
        (1_i32..200).prop_map(|pct| MetricSpec::ContainerResource {
            name: "cpu".into(),
            container: "main".into(),
            target: Target::Utilization(pct),
        }),
        milli.clone().prop_map(move |milli| MetricSpec::Pods {
            metric: id("rate"),
            target: Target::AverageValue(milli)
        }),
        milli.clone().prop_map(move |milli| MetricSpec::Object {
            described_object: ObjectRef { kind: "Service".into(), ..ObjectRef::default() },
            metric: id("rate"),
            target: Target::Value(milli),
        }),
        milli.prop_map(move |milli| MetricSpec::External {
            metric: id("queue_depth"),
            target: Target::AverageValue(milli)
        }),
    ]
}

fn behavior() -> impl Strategy<Value = Behavior> {
    (prop::option::of(rules()), prop::option::of(rules()))
        .prop_map(|(scale_up, scale_down)| Behavior { scale_up, scale_down })
}

fn rules() -> impl Strategy<Value = ScalingRules> {
    let policy = (any::<bool>(), 1_i32..200, 1_u32..600).prop_map(|(pods, value, period_s)| RatePolicy {
        kind: if pods { PolicyKind::Pods } else { PolicyKind::Percent },
        value,
        period_s,
    });
    let select = prop_oneof![Just(SelectPolicy::Max), Just(SelectPolicy::Min), Just(SelectPolicy::Disabled)];
    (
        prop::option::of(0_u32..600),
        prop::option::of(select),
        prop::option::of(prop::collection::vec(policy, 1..3)),
        prop::option::of((0_u32..50).prop_map(|pct| f64::from(pct) / 100.0)),
    )
        .prop_map(|(stabilization_window_s, select_policy, policies, tolerance)| ScalingRules {
            stabilization_window_s,
            select_policy,
            policies,
            tolerance,
        })
}

/// What the world looks like with this many replicas.
pub(crate) fn observe(spec: &HpaSpec, tick: &Tick, replicas: u32, now: Time) -> Observation {
    let trouble = |index: u32| tick.troubles[index as usize % tick.troubles.len()];
    let share = tick.load.total_milli / i64::from(replicas.max(1));
    let samples: Vec<Sample> = (0..replicas)
        .filter(|&index| !matches!(trouble(index), Trouble::Missing | Trouble::Pending))
        .map(|index| Sample { instance: name(index), milli: share, at: now, window_s: 60 })
        .collect();
    let reading = |(index, metric): (usize, &MetricSpec)| {
        if tick.failed_metrics & (1 << index) != 0 {
            return Reading::Failed(MetricError::Unavailable { message: "connection refused".into() });
        }
        match metric {
            MetricSpec::Object { .. } => Reading::Value { milli: tick.load.total_milli, at: now },
            MetricSpec::External { .. } => Reading::Series { milli: vec![tick.load.total_milli], at: now },
            _ => Reading::Instances(samples.clone()),
        }
    };
    let scale = Scale { spec_replicas: replicas, status_replicas: replicas };
    Observation {
        scale: (!tick.scale_lost).then_some(scale),
        selector_fault: tick.selector_fault,
        instances: (0..replicas).map(|index| instance(index, trouble(index), now)).collect(),
        readings: spec.metrics.iter().enumerate().map(reading).collect(),
    }
}

fn name(index: u32) -> std::sync::Arc<str> {
    format!("worker-{index}").into()
}

fn instance(index: u32, trouble: Trouble, now: Time) -> Instance {
    let started_at = match trouble {
        Trouble::Young => now.minus_s(20),
        _ => Time(0),
    };
    Instance {
        name: name(index),
        phase: match trouble {
            Trouble::Pending => Phase::Pending,
            Trouble::Failed => Phase::Failed,
            _ => Phase::Running,
        },
        deleting: matches!(trouble, Trouble::Leaving),
        started_at: Some(started_at),
        readiness: Some(Readiness { ready: !matches!(trouble, Trouble::Unready), since: started_at }),
        containers: vec![Container {
            name: "main".into(),
            requests: Requests { cpu_milli: Some(500), memory_milli: Some(500_000) },
        }],
        whole: None,
    }
}
