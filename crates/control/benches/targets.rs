//! Ten thousand targets at a tick of one second on one thread: how long a tick takes, how much memory the state needs, and
//! how that compares with a controller that starts from the stored spec and state at every tick.
//!
//! `cargo bench -p plimsoll-control --bench targets`; `bench/control/run` keeps the result.
#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use plimsoll_scale::observe::{Instance, Phase, Readiness, Scale};
use plimsoll_scale::policy::{Gauge, Policy, PolicyState, QueueSignal, Signals, decide, settle_policy};
use plimsoll_scale::spec::policy::ScalingPolicy;
use plimsoll_scale::{Observation, Settings, Time, Written};

const TARGETS: usize = 10_000;
/// Ticks before measuring, so that windows are full, and measured ticks.
const WARM_UP: i64 = 90;
const MEASURED: i64 = 30;
/// The naive controller is slow; a tenth of the targets is measured and multiplied.
const NAIVE_SHARE: usize = 10;

const SPEC: &str = r#"{
    "minReplicas": 1, "maxReplicas": 20,
    "concurrency": { "target": "4" },
    "queueLatency": { "targetWaitSeconds": 5, "serviceSeconds": 2 },
    "schedule": [{ "name": "office", "start": "0 8 * * 1-5", "end": "0 18 * * 1-5", "replicas": 2 }],
    "step": { "alertAbove": 10 }, "flapDetector": {},
    "behavior": { "scaleDown": { "stabilizationWindowSeconds": 60 } }
}"#;

struct Target {
    policy: Policy,
    state: PolicyState,
    current: u32,
    seed: u64,
}

// === impl Target ===

impl Target {
    fn new(index: usize) -> Self {
        let spec: ScalingPolicy = serde_json::from_str(SPEC).expect("a spec");
        let policy = Policy::compile(spec).expect("a policy");
        Self { policy, state: PolicyState::default(), current: 1, seed: index as u64 }
    }

    fn tick(&mut self, now: Time) -> u32 {
        let (observed, seen) = (observation(self.current, now), signals(self.seed, now));
        let settings = Settings::default();
        let mut decided = decide(&self.policy, &settings, &mut self.state, &observed, &seen, now);
        settle_policy(&self.policy, &settings, &mut self.state, &mut decided, Written::Succeeded, now);
        self.current = decided.decision.desired;
        self.current
    }
}

/// A load of its own for each target, slow and with noise.
fn signals(seed: u64, now: Time) -> Signals {
    let second = now.0.unsigned_abs() / 1000;
    let noise = (seed ^ second).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 60;
    let wave = (second + seed) / 20 % 30;
    let queue = QueueSignal {
        depth: wave,
        in_service: 1,
        arrivals_milli_per_s: 500 + 10 * noise,
        service_us: Some(2_000_000),
        at: now,
    };
    let in_flight = Some(Gauge { milli: 1000 * (wave + noise), at: now });
    Signals { queue: Some(queue), in_flight, startup_ms: Some(2000), ..Signals::default() }
}

fn observation(current: u32, now: Time) -> Observation {
    let since = now.minus_s(600);
    let instance = |index: u32| Instance {
        name: Arc::from(format!("a-{index}")),
        phase: Phase::Running,
        deleting: false,
        started_at: Some(since),
        readiness: Some(Readiness { ready: true, since }),
        containers: Vec::new(),
        whole: None,
    };
    let scale = Scale { spec_replicas: current, status_replicas: current };
    Observation {
        scale: Some(scale),
        instances: (0..current).map(instance).collect(),
        ..Observation::default()
    }
}

fn resident_mib() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let resident = pages.split_whitespace().nth(1).and_then(|pages| pages.parse::<f64>().ok());
    resident.unwrap_or(0.0) * 4096.0 / f64::from(1 << 20)
}

fn main() {
    let before_mib = resident_mib();
    let mut targets: Vec<Target> = (0..TARGETS).map(Target::new).collect();
    // Monday, 2026-01-05 07:58 UTC: the schedule begins in the middle.
    let start_s = 1_767_599_880;
    let (mut ticks, mut changes) = (Vec::new(), 0_u64);
    for second in 0..WARM_UP + MEASURED {
        let now = Time((start_s + second) * 1000);
        let begun = Instant::now();
        for target in &mut targets {
            let before = target.current;
            changes += u64::from(target.tick(now) != before);
        }
        if second >= WARM_UP {
            ticks.push(begun.elapsed());
        }
    }
    let memory_mib = resident_mib() - before_mib;

    // The naive controller holds nothing: it reads spec and state, decides, and stores the state again.
    let stored: Vec<String> = targets
        .iter()
        .take(TARGETS / NAIVE_SHARE)
        .map(|target| serde_json::to_string(&target.state).expect("a state"))
        .collect();
    let begun = Instant::now();
    let now = Time((start_s + WARM_UP + MEASURED) * 1000);
    let mut bytes = 0;
    for (target, text) in targets.iter().zip(&stored) {
        let spec: ScalingPolicy = serde_json::from_str(SPEC).expect("a spec");
        let policy = Policy::compile(spec).expect("a policy");
        let state = serde_json::from_str(text).expect("a state");
        let mut fresh = Target { policy, state, current: target.current, seed: target.seed };
        fresh.tick(now);
        bytes += serde_json::to_string(&fresh.state).expect("a state").len();
    }
    let naive = begun.elapsed() * NAIVE_SHARE as u32;

    ticks.sort_unstable();
    let at = |share: f64| ticks[((ticks.len() - 1) as f64 * share) as usize];
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    println!("targets           {TARGETS}");
    println!("tick              median {:.1} ms, slowest {:.1} ms, of 1000 ms", ms(at(0.5)), ms(at(1.0)));
    println!("a decision        {:.2} us", ms(at(0.5)) * 1e3 / TARGETS as f64);
    println!(
        "memory            {memory_mib:.0} MiB, {:.1} KiB a target",
        memory_mib * 1024.0 / TARGETS as f64
    );
    println!("changes           {changes} in {} ticks", WARM_UP + MEASURED);
    println!(
        "naive tick        {:.1} ms ({} bytes of state a target)",
        ms(naive),
        bytes / stored.len().max(1)
    );
    println!("naive / tick      {:.1}", naive.as_secs_f64() / at(0.5).as_secs_f64());
}
