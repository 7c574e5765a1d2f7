//! Who decides: nobody, a plan, or a policy with the code of production.

use plimsoll_scale::Observation;
use plimsoll_scale::policy::{self, PolicyState};
use plimsoll_scale::spec::MetricSpec;

use super::Run;
use crate::control::{PolicyScaler, Scaler, Victims};
use crate::observe::{OwnSignals, Scrape, observe, time};
use crate::workload::Workload;

/// Who decides, with its memory.
pub(super) enum Brain<'a> {
    Idle,
    Plan(std::iter::Peekable<std::slice::Iter<'a, (f64, u32)>>),
    Policy(Box<PolicyBrain<'a>>),
}

pub(super) struct PolicyBrain<'a> {
    pub(super) scaler: &'a PolicyScaler,
    state: PolicyState,
    observed: Observation,
    own: OwnSignals,
    /// KEDA's cache of external metrics and when one was last active.
    polled: Scrape,
    active_s: f64,
}

// === impl Brain ===

impl<'a> Brain<'a> {
    pub(super) fn new(scaler: &'a Scaler, own_window_s: f64) -> Self {
        match scaler {
            Scaler::Fixed(_) => Self::Idle,
            Scaler::Plan(plan) => Self::Plan(plan.iter().peekable()),
            Scaler::Policy(scaler) => Self::Policy(Box::new(PolicyBrain {
                scaler,
                state: PolicyState::default(),
                observed: Observation::default(),
                own: OwnSignals::new(own_window_s),
                polled: Scrape::default(),
                active_s: 0.0,
            })),
        }
    }
}

// === impl Run ===

impl<W: Workload> Run<'_, W> {
    pub(super) fn next_planned_s(&mut self) -> f64 {
        match &mut self.brain {
            Brain::Plan(plan) => plan.peek().map_or(f64::INFINITY, |(at_s, _)| at_s.max(self.now_s)),
            _ => f64::INFINITY,
        }
    }

    pub(super) fn follow_plan(&mut self) {
        let mut wanted = None;
        if let Brain::Plan(plan) = &mut self.brain {
            while let Some((_, replicas)) = plan.next_if(|(at_s, _)| *at_s <= self.now_s) {
                wanted = Some(*replicas);
            }
        }
        if let Some(replicas) = wanted {
            self.scale_to(replicas, Victims::LeastWork);
        }
    }

    /// KEDA looks at its triggers: fills its cache and moves between none and one.
    pub(super) fn poll(&mut self) {
        let Brain::Policy(brain) = &mut self.brain else { return };
        let Some(keda) = brain.scaler.keda else { return };
        brain.polled = self.meter.last.clone();
        let policy = &brain.scaler.policy;
        let window_s = self.setup.timing.window_s;
        let readings = policy.metrics_to_read().iter().map(|metric| brain.polled.read(metric, window_s));
        let readings: Vec<_> = readings.collect();
        // A formula stands for all triggers.
        let active =
            match policy.formula(&readings, &brain.scaler.settings, time(self.now_s)) {
                Some(report) => report.active,
                None => policy.metrics_to_read().iter().filter(|metric| metric.measurable_at_zero()).any(
                    |metric| brain.polled.value(metric.name()).is_some_and(|value| value > keda.activation),
                ),
            };
        let replicas = self.fleet.replicas();
        if active {
            brain.active_s = self.now_s;
        }
        let victims = brain.scaler.victims;
        let cooled = self.now_s - brain.active_s >= keda.cooldown_s;
        if active && replicas == 0 {
            self.scale_to(keda.min_replicas.max(1), victims);
        } else if !active && cooled && keda.min_replicas == 0 && replicas > 0 {
            self.scale_to(0, victims);
        }
    }

    pub(super) fn decide(&mut self) {
        let now = time(self.now_s);
        let Brain::Policy(brain) = &mut self.brain else { return };
        let PolicyBrain { scaler, state, observed, own, polled, .. } = brain.as_mut();
        observe(observed, self.now_s, &self.fleet);
        observed.readings.clear();
        let window_s = self.setup.timing.window_s;
        observed.readings.extend(scaler.policy.metrics_to_read().iter().map(|metric| {
            let cached = scaler.keda.is_some() && matches!(metric, MetricSpec::External { .. });
            if cached { polled.read(metric, window_s) } else { self.meter.last.read(metric, window_s) }
        }));
        let signals = own.read(self.now_s, &self.station, self.setup.service.startup.mean_s());
        let policy = &scaler.policy;
        let mut decided = policy::decide(policy, &scaler.settings, state, observed, &signals, now);
        let (write, desired) = (decided.decision.write, decided.decision.desired);
        let written = plimsoll_scale::Written::Succeeded;
        policy::settle_policy(policy, &scaler.settings, state, &mut decided, written, now);
        let victims = scaler.victims;
        if write {
            self.scale_to(desired, victims);
        }
    }

    fn scale_to(&mut self, replicas: u32, victims: Victims) {
        let before = self.fleet.replicas();
        let direction = match replicas.cmp(&before) {
            std::cmp::Ordering::Less => -1,
            std::cmp::Ordering::Equal => return,
            std::cmp::Ordering::Greater => 1,
        };
        self.outcome.reversals += u32::from(self.direction * direction < 0);
        self.direction = direction;
        if direction > 0 {
            self.outcome.ups += 1;
        } else {
            self.outcome.downs += 1;
        }
        self.outcome.peak = self.outcome.peak.max(replicas);
        self.fleet.scale_to(replicas, victims, self.now_s, &mut self.station);
        self.settled_s = self.now_s;
    }
}
