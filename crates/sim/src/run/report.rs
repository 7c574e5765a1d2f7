//! What a run says about itself.

use super::Run;
use crate::outcome::{Flow, Outcome, Point, Times};
use crate::tally::Tally;
use crate::workload::Workload;

/// What is counted about decisions while it is measured.
#[derive(Default)]
pub(super) struct Events {
    pub(super) ups: u32,
    pub(super) downs: u32,
    pub(super) reversals: u32,
    pub(super) at_max_s: f64,
    pub(super) peak: u32,
}

impl<W: Workload> Run<'_, W> {
    /// Forgets what was before.
    pub(super) fn begin_to_measure(&mut self) {
        self.tally = Tally::new(self.setup.limits, self.setup.keep_requests);
        self.outcome = Events { peak: self.fleet.replicas(), ..Events::default() };
        self.series.clear();
        self.at_last_point = (self.station.counts.weighted_arrivals, 0, 0);
    }

    /// One step of the series.
    pub(super) fn point(&mut self) {
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

    pub(super) fn finish(mut self) -> Outcome {
        let in_flight = self.station.close(self.now_s);
        // Not when the clocks noticed that all is done: the bill does not depend on them.
        let end_s = match self.station.waiting.is_empty() {
            true => self.now_s.min(self.setup.until_s.max(self.source.last_s).max(self.station.last_start_s)),
            false => self.now_s,
        };
        let counts = self.station.counts;
        let from_s = self.setup.measure_from_s.max(0.0);
        let (replica_s, starting_s) = self.fleet.billed_s(from_s, end_s);
        let mut served = self.tally.kept.take().unwrap_or_default();
        served.sort_by(|a, b| a.arrival_s.total_cmp(&b.arrival_s));
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
            served,
        }
    }
}
