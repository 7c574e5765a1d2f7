//! The run: from one moment of control to the next.

use plimsoll_scale::Observation;
use plimsoll_scale::policy::{self, PolicyState};
use plimsoll_scale::spec::MetricSpec;
use serde::{Deserialize, Serialize};

use crate::control::{Clock, PolicyScaler, Scaler, Timing, Victims};
use crate::fleet::Fleet;
use crate::observe::{Meter, OwnSignals, Scrape, observe, time};
use crate::outcome::{Flow, Outcome, Point, Times};
use crate::random::Random;
use crate::service::Service;
use crate::station::{Source, Station};
use crate::tally::{Limits, Tally};
use crate::workload::Workload;

/// Everything about a run but the requests and who decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    /// What is scaled.
    pub service: Service,
    /// How old the picture of a decision is.
    pub timing: Timing,
    /// What counts as bad.
    pub limits: Limits,
    /// Seed of everything random but the requests.
    pub seed: u64,
    /// The run lasts at least this long, in seconds; it always lasts until the last request is started.
    pub until_s: f64,
    /// Requests, time and money before this are not reported, in seconds.
    pub measure_from_s: f64,
    /// Step of the reported series, in seconds; none when absent.
    pub series_step_s: Option<f64>,
    /// At a steady rate, simulate about this many requests between two moments of control and let each stand for several;
    /// every request when absent.
    ///
    /// Only while rate and capacity have been the same for long enough to be in equilibrium, nobody waits and there is
    /// room to spare: then the stretch between two moments of control is one of many alike, its beginning is cut out and the
    /// rest weighs more. What is simulated is a run of the same queue with pieces cut out, so waits have the same
    /// distribution, from fewer samples; CPU use of the cut is its expectation with the noise it would have had. Everything
    /// that is not in equilibrium (bursts, backlogs, instances on their way) is simulated in full.
    pub sample: Option<u32>,
}

/// A run that cannot end: nothing is ever ready, and requests wait.
const PATIENCE_S: f64 = 4.0 * 3600.0;

struct Run<'a, W> {
    setup: &'a Setup,
    source: Source<W>,
    station: Station,
    fleet: Fleet,
    meter: Meter,
    tally: Tally,
    brain: Brain<'a>,
    now_s: f64,
    /// Since when rate and capacity are the same, and that rate.
    settled_s: f64,
    settled_per_s: f64,
    random: Random,
    direction: i8,
    outcome: Events,
    series: Vec<Point>,
    at_last_point: (u64, u64, u64),
}

/// What is counted about decisions while it is measured.
#[derive(Default)]
struct Events {
    ups: u32,
    downs: u32,
    reversals: u32,
    at_max_s: f64,
    peak: u32,
}

/// Who decides, with its memory.
enum Brain<'a> {
    Idle,
    Plan(std::iter::Peekable<std::slice::Iter<'a, (f64, u32)>>),
    Policy(Box<PolicyBrain<'a>>),
}

struct PolicyBrain<'a> {
    scaler: &'a PolicyScaler,
    state: PolicyState,
    observed: Observation,
    own: OwnSignals,
    /// KEDA's cache of external metrics and when one was last active.
    polled: Scrape,
    active_s: f64,
}

/// Runs a workload through a service under a scaler. The same arguments give the same outcome.
pub fn run<W: Workload>(setup: &Setup, scaler: &Scaler, workload: W) -> Outcome {
    let mut random = Random::new(setup.seed);
    let mut station = Station::new(setup.service.queue_limit);
    let mut service = setup.service.clone();
    let brain = match scaler {
        Scaler::Fixed(replicas) => {
            service.initial_replicas = *replicas;
            Brain::Idle
        }
        Scaler::Plan(plan) => {
            service.initial_replicas = plan.first().map_or(0, |(_, replicas)| *replicas);
            Brain::Plan(plan.iter().peekable())
        }
        Scaler::Policy(scaler) => Brain::Policy(Box::new(PolicyBrain {
            scaler,
            state: PolicyState::default(),
            observed: Observation::default(),
            own: OwnSignals::new(setup.timing.own_window_s),
            polled: Scrape::default(),
            active_s: 0.0,
        })),
    };
    let fleet = Fleet::new(&service, random.fork(), &mut station);
    let run = Run {
        setup,
        source: Source::new(workload),
        station,
        fleet,
        meter: Meter::default(),
        tally: Tally::new(setup.limits),
        brain,
        now_s: 0.0,
        settled_s: 0.0,
        settled_per_s: f64::NAN,
        random,
        direction: 0,
        outcome: Events::default(),
        series: Vec::new(),
        at_last_point: (0, 0, 0),
    };
    run.drive()
}

// === impl Run ===

impl<W: Workload> Run<'_, W> {
    fn drive(mut self) -> Outcome {
        let Timing { scrape, window_s, sync, .. } = self.setup.timing;
        let (polls, decides) = match &self.brain {
            Brain::Policy(brain) => (brain.scaler.keda.map(|keda| keda.poll), true),
            _ => (None, false),
        };
        // A scrape compares itself with a mark one window before it.
        let marks = Clock { phase_s: (scrape.phase_s - window_s).rem_euclid(scrape.period_s), ..scrape };
        let start = |clock: Option<Clock>| clock.map_or(f64::INFINITY, |clock| clock.next_s(0.0));
        let decision_clock = |clock: Clock| decides.then_some(clock);
        let mut next_mark_s = start(decision_clock(marks));
        let mut next_scrape_s = start(decision_clock(scrape));
        let mut next_sync_s = start(decision_clock(sync));
        let mut next_poll_s = start(polls);
        let points = self.setup.series_step_s.map(Clock::every);
        let mut next_point_s = start(points);
        let mut measure_from_s = self.setup.measure_from_s;
        if measure_from_s <= 0.0 {
            measure_from_s = f64::INFINITY;
        }
        loop {
            let clocks = [next_mark_s, next_scrape_s, next_sync_s, next_poll_s, next_point_s, measure_from_s];
            let mut next_s = clocks.into_iter().fold(f64::INFINITY, f64::min);
            next_s =
                next_s.min(self.fleet.next_ready_s().unwrap_or(f64::INFINITY)).min(self.next_planned_s());
            if self.source.peek_s().is_none() {
                let end_s = self.setup.until_s.max(self.source.last_s);
                let patience_is_over = self.now_s > end_s + PATIENCE_S;
                if self.now_s >= end_s && (self.station.waiting.is_empty() || patience_is_over) {
                    break;
                }
                if self.now_s < end_s {
                    next_s = next_s.min(end_s);
                } else if next_s.is_infinite() {
                    // Nothing will change any more: who can be served will be, one after the other.
                    self.advance(f64::INFINITY);
                    self.now_s = self.now_s.max(self.station.last_start_s);
                    break;
                }
            } else if next_s.is_infinite() {
                self.advance(f64::INFINITY);
                self.now_s = self.source.last_s.max(self.station.last_start_s);
                continue;
            }
            self.advance(next_s);
            if self.fleet.become_ready(next_s, &mut self.station) {
                self.settled_s = next_s;
                self.station.advance(&mut self.source, &mut self.tally, next_s);
            }
            if next_s >= measure_from_s {
                measure_from_s = f64::INFINITY;
                self.begin_to_measure();
            }
            if next_s >= next_mark_s {
                self.meter.mark(next_s, &self.station);
                next_mark_s = marks.after_s(next_s);
            }
            if next_s >= next_scrape_s {
                let slots = self.setup.service.slots;
                self.meter.scrape(next_s, window_s, slots, &self.station, &self.fleet);
                next_scrape_s = scrape.after_s(next_s);
            }
            if next_s >= next_poll_s {
                self.poll();
                next_poll_s = polls.map_or(f64::INFINITY, |clock| clock.after_s(next_s));
            }
            self.follow_plan();
            if next_s >= next_sync_s {
                self.decide();
                next_sync_s = sync.after_s(next_s);
            }
            if next_s >= next_point_s {
                self.point();
                next_point_s = points.map_or(f64::INFINITY, |clock| clock.after_s(next_s));
            }
        }
        self.finish()
    }

    fn advance(&mut self, to_s: f64) {
        self.tally.weight = self.cut(to_s).unwrap_or(1);
        self.station.advance(&mut self.source, &mut self.tally, to_s);
        let at_most = match &self.brain {
            Brain::Policy(brain) => brain.scaler.policy.spec().hpa.max_replicas,
            _ => u32::MAX,
        };
        if to_s.is_finite() {
            if self.fleet.replicas() >= at_most {
                self.outcome.at_max_s += to_s - self.now_s;
            }
            self.now_s = to_s;
            self.station.finish_leaving(to_s);
        }
    }

    /// Cuts the beginning out of a stretch in equilibrium; how many requests each of the rest then stands for.
    fn cut(&mut self, to_s: f64) -> Option<u64> {
        let sample = f64::from(self.setup.sample?.max(1));
        let steady = self.source.workload.steady()?;
        if steady.per_s.total_cmp(&self.settled_per_s).is_ne() {
            (self.settled_s, self.settled_per_s) = (self.now_s, steady.per_s);
        }
        let span_s = to_s - self.now_s;
        let slots = self.station.slots().len() as f64;
        let offered = steady.per_s * steady.service_s;
        let utilization = offered / slots.max(1.0);
        let weight = (span_s * steady.per_s / sample).floor();
        if !to_s.is_finite() || weight < 2.0 || utilization > 0.95 || !self.station.waiting.is_empty() {
            return None;
        }
        // Relaxation time of M/M/c.
        let relaxed_s = steady.service_s * (1.0 / (slots * (1.0 - utilization.sqrt()).powi(2))).max(1.0);
        let cut_s = span_s * (1.0 - 1.0 / weight);
        let next_s = self.source.peek_s()?;
        if self.now_s - self.settled_s < 5.0 * relaxed_s || next_s + cut_s >= steady.until_s {
            return None;
        }
        let noise = (2.0 * steady.service_s / (offered * cut_s)).sqrt() * self.random.normal();
        self.station.shift(self.now_s, cut_s, utilization * (1.0 + noise).max(0.0));
        self.source.shift(cut_s);
        Some(weight as u64)
    }

    fn begin_to_measure(&mut self) {
        self.tally = Tally::new(self.setup.limits);
        self.outcome = Events { peak: self.fleet.replicas(), ..Events::default() };
        self.series.clear();
        self.at_last_point = (self.station.counts.weighted_arrivals, 0, 0);
    }

    fn next_planned_s(&mut self) -> f64 {
        match &mut self.brain {
            Brain::Plan(plan) => plan.peek().map_or(f64::INFINITY, |(at_s, _)| at_s.max(self.now_s)),
            _ => f64::INFINITY,
        }
    }

    fn follow_plan(&mut self) {
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
    fn poll(&mut self) {
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

    fn decide(&mut self) {
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

    fn point(&mut self) {
        let arrivals = self.station.counts.weighted_arrivals;
        let (over_slo, over_wait) = (self.tally.over_slo, self.tally.over_wait);
        let ready = self.fleet.ready();
        self.series.push(Point {
            at_s: self.now_s,
            arrivals: arrivals - self.at_last_point.0,
            over_slo: over_slo - self.at_last_point.1,
            over_wait: over_wait - self.at_last_point.2,
            ready,
            starting: self.fleet.replicas() - ready,
            waiting: self.station.waiting.len() as u64,
            in_flight: self.station.in_service(self.now_s),
        });
        self.at_last_point = (arrivals, over_slo, over_wait);
    }

    fn finish(mut self) -> Outcome {
        let end_s = self.now_s;
        let in_flight = self.station.close(end_s);
        let counts = self.station.counts;
        let from_s = self.setup.measure_from_s.max(0.0);
        let (replica_s, starting_s) = self.fleet.billed_s(from_s, end_s);
        let Events { ups, downs, reversals, at_max_s, peak } = self.outcome;
        Outcome {
            measured_s: (end_s - from_s).max(0.0),
            requests: self.tally.requests(),
            over_slo: self.tally.over_slo,
            unavoidable: self.tally.unavoidable,
            over_wait: self.tally.over_wait,
            wait: Times::of(&self.tally.wait),
            response: Times::of(&self.tally.response),
            replica_s,
            starting_s,
            cost: replica_s / 3600.0 * self.setup.service.price_per_hour,
            scale_ups: ups,
            scale_downs: downs,
            reversals,
            at_max_s,
            peak_replicas: peak.max(self.fleet.replicas()),
            flow: Flow {
                arrivals: counts.arrivals,
                completions: counts.completed,
                in_flight,
                waiting: self.station.waiting.len() as u64,
                dropped: counts.dropped,
            },
            series: self.series,
        }
    }
}

// === impl Setup ===

impl Default for Setup {
    fn default() -> Self {
        Self {
            service: Service::default(),
            timing: Timing::kubernetes(),
            limits: Limits::default(),
            seed: 1,
            until_s: 0.0,
            measure_from_s: 0.0,
            series_step_s: None,
            sample: None,
        }
    }
}
