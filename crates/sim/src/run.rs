//! The run: from one moment of control to the next.

mod brain;
mod report;
mod sample;

use serde::{Deserialize, Serialize};

use crate::control::{Clock, Scaler, Timing};
use crate::fleet::Fleet;
use crate::observe::Meter;
use crate::outcome::{Outcome, Point};
use crate::random::Random;
use crate::service::Service;
use crate::station::{Source, Station};
use crate::tally::{Limits, Tally};
use crate::workload::Workload;
use brain::Brain;
use report::Events;

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
    /// Keep every measured request in [`Outcome::served`]. Without [`sample`](Self::sample): times that were cut out have none.
    pub keep_requests: bool,
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

/// Runs a workload through a service under a scaler. The same arguments give the same outcome.
pub fn run<W: Workload>(setup: &Setup, scaler: &Scaler, workload: W) -> Outcome {
    let mut random = Random::new(setup.seed);
    let mut station = Station::new(setup.service.queue_limit);
    let mut service = setup.service.clone();
    match scaler {
        Scaler::Fixed(replicas) => service.initial_replicas = *replicas,
        Scaler::Plan(plan) => service.initial_replicas = plan.first().map_or(0, |(_, replicas)| *replicas),
        Scaler::Policy(_) => {}
    }
    let fleet = Fleet::new(&service, random.fork(), &mut station);
    let run = Run {
        setup,
        source: Source::new(workload),
        station,
        fleet,
        meter: Meter::default(),
        tally: Tally::new(setup.limits, setup.keep_requests),
        brain: Brain::new(scaler, setup.timing.own_window_s),
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
            keep_requests: false,
        }
    }
}
