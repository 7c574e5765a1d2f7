//! What a decision sees: built from the simulated world as the controller builds it from the real one.

use std::collections::VecDeque;
use std::sync::Arc;

use plimsoll_scale::calculate::MetricError;
use plimsoll_scale::observe::{Container, Instance, Phase, Readiness, Reading, Requests, Sample, Scale};
use plimsoll_scale::policy::{Gauge, QueueSignal, Signals, Traffic};
use plimsoll_scale::spec::MetricSpec;
use plimsoll_scale::{Observation, Time};

use crate::fleet::Fleet;
use crate::station::{Counts, Station};

/// One instance asks for one core, and all its slots busy is one core used.
const CPU_REQUEST_MILLI: i64 = 1000;

/// External metrics that the simulated world has.
pub const METRICS: &[&str] = &[
    "queue_depth",
    "queue_age_seconds",
    "http_requests_waiting",
    "http_requests_in_flight",
    "http_requests_open",
    "http_requests_per_second",
];

/// Cumulative figures at a past moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mark {
    at_s: f64,
    arrivals: u64,
    /// Seconds of service done, per place.
    done_s: Vec<f64>,
}

/// A measurement.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scrape {
    at_s: f64,
    depth: u64,
    oldest_s: f64,
    in_service: u64,
    arrivals_per_s: f64,
    /// Cores used over the window, by name.
    cpu: Vec<(Arc<str>, i64)>,
    /// Requests in service now, by name.
    busy: Vec<(Arc<str>, i64)>,
}

/// Measures.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Marks that a later scrape compares itself with.
    marks: VecDeque<Mark>,
    spare: Vec<Mark>,
    pub(crate) last: Scrape,
    done_s: Vec<f64>,
}

/// The platform's own view of arrivals and service times.
#[derive(Debug)]
pub(crate) struct OwnSignals {
    window_s: f64,
    past: VecDeque<(f64, Counts)>,
}

// === impl Meter ===

impl Meter {
    /// Remembers how much was done until now.
    pub(crate) fn mark(&mut self, at_s: f64, station: &Station) {
        let mut mark = self.spare.pop().unwrap_or_default();
        station.done_s(at_s, &mut mark.done_s);
        (mark.at_s, mark.arrivals) = (at_s, station.counts.weighted_arrivals);
        self.marks.push_back(mark);
    }

    /// Measures over the last `window_s`; an instance that was not ready for all of it had an idle start.
    pub(crate) fn scrape(&mut self, at_s: f64, window_s: f64, slots: u32, station: &Station, fleet: &Fleet) {
        let from_s = at_s - window_s;
        while self.marks.get(1).is_some_and(|mark| mark.at_s <= from_s + 1e-6) {
            self.spare.extend(self.marks.pop_front());
        }
        station.done_s(at_s, &mut self.done_s);
        let mark = self.marks.front().filter(|mark| mark.at_s <= from_s + 1e-6);
        let seen_s = mark.map_or(at_s, |mark| at_s - mark.at_s).max(1e-9);
        let last = &mut self.last;
        last.at_s = at_s;
        last.depth = station.waiting.len() as u64;
        last.oldest_s = station.oldest_wait_s(at_s);
        last.in_service = station.in_service(at_s);
        last.arrivals_per_s =
            (station.counts.weighted_arrivals - mark.map_or(0, |mark| mark.arrivals)) as f64 / seen_s;
        last.cpu.clear();
        last.busy.clear();
        let mut busy = vec![0_i64; self.done_s.len()];
        for slot in station.slots().iter().filter(|slot| slot.free_s > at_s) {
            busy[slot.place as usize] += 1;
        }
        for member in &fleet.members {
            let usage = member.place.map_or(0.0, |place| {
                let place = place as usize;
                // A place that was taken anew since the mark has its count from zero.
                let before = mark.filter(|mark| member.ready_s <= mark.at_s);
                let before = before.and_then(|mark| mark.done_s.get(place)).copied().unwrap_or(0.0);
                let own_s = (at_s - member.requested_s).min(seen_s).max(1e-9);
                (self.done_s[place] - before) / own_s / f64::from(slots)
            });
            last.cpu.push((member.name.clone(), (usage * CPU_REQUEST_MILLI as f64).round() as i64));
            let busy = member.place.map_or(0, |place| busy[place as usize]);
            last.busy.push((member.name.clone(), busy * 1000));
        }
    }
}

impl Scrape {
    /// The reading of one metric.
    pub(crate) fn read(&self, metric: &MetricSpec, window_s: f64) -> Reading {
        let at = time(self.at_s);
        let unavailable = |message: String| Reading::Failed(MetricError::Unavailable { message });
        let samples = |values: &[(Arc<str>, i64)]| {
            let window_s = window_s.round() as u32;
            let sample = |(name, milli): &(Arc<str>, i64)| Sample {
                instance: name.clone(),
                milli: *milli,
                at,
                window_s,
            };
            Reading::Instances(values.iter().map(sample).collect())
        };
        match metric {
            MetricSpec::Resource { name, .. } | MetricSpec::ContainerResource { name, .. }
                if name == "cpu" =>
            {
                samples(&self.cpu)
            }
            MetricSpec::Pods { metric, .. } if metric.name == "http_requests_in_flight" => {
                samples(&self.busy)
            }
            MetricSpec::External { metric, .. } | MetricSpec::Object { metric, .. } => {
                match self.value(&metric.name) {
                    Some(value) => Reading::Value { milli: (value * 1000.0).round() as i64, at },
                    None => unavailable(format!(
                        "the simulator has no `{}`; it has {}",
                        metric.name,
                        METRICS.join(", ")
                    )),
                }
            }
            other => unavailable(format!("the simulator does not model `{}`", other.name())),
        }
    }

    pub(crate) fn value(&self, name: &str) -> Option<f64> {
        Some(match name {
            "queue_depth" | "http_requests_waiting" => self.depth as f64,
            "queue_age_seconds" => self.oldest_s,
            "http_requests_in_flight" => self.in_service as f64,
            "http_requests_open" => (self.depth + self.in_service) as f64,
            "http_requests_per_second" => self.arrivals_per_s,
            _ => return None,
        })
    }
}

// === impl OwnSignals ===

impl OwnSignals {
    pub(crate) fn new(window_s: f64) -> Self {
        Self { window_s, past: VecDeque::from([(0.0, Counts::default())]) }
    }

    /// Reads everything now.
    pub(crate) fn read(&mut self, now_s: f64, station: &Station, startup_s: f64) -> Signals {
        let counts = station.counts;
        while self.past.get(1).is_some_and(|(at_s, _)| *at_s <= now_s - self.window_s) {
            self.past.pop_front();
        }
        let (from_s, before) = self.past.front().copied().unwrap_or_default();
        self.past.push_back((now_s, counts));
        let seen_s = (now_s - from_s).max(1e-3);
        let arrivals_milli_per_s =
            ((counts.weighted_arrivals - before.weighted_arrivals) as f64 / seen_s * 1000.0) as u64;
        let at = time(now_s);
        let in_service = station.in_service(now_s);
        let depth = station.waiting.len() as u64;
        let started = counts.started.max(1) as f64;
        let service_s = counts.service_s / started;
        let service_us = (counts.started > 0).then_some((service_s * 1e6) as u64);
        let variance = (counts.service_squared / started - service_s * service_s).max(0.0);
        let cv2 = if service_s > 0.0 { variance / (service_s * service_s) } else { 1.0 };
        let open = Gauge { milli: (depth + in_service) * 1000, at };
        let demand = self.recent_per_s(now_s, service_s) * service_s;
        Signals {
            queue: Some(QueueSignal { depth, in_service, arrivals_milli_per_s, service_us, at }),
            in_flight: Some(open),
            traffic: service_us.map(|service_us| Traffic {
                arrivals_milli_per_s,
                service_us,
                service_cv2_milli: Some((cv2 * 1000.0) as u64),
                service_p95_us: None,
                arrival_cv2_milli: None,
                at,
            }),
            demand: Some(Gauge { milli: (demand * 1000.0) as u64, at }),
            startup_ms: Some((startup_s * 1000.0) as u64),
        }
    }
}

impl OwnSignals {
    /// Arrivals per second over the last `span_s` or the time since the last look, whichever is longer.
    fn recent_per_s(&self, now_s: f64, span_s: f64) -> f64 {
        let mut looks = self.past.iter().rev();
        let Some((_, now)) = looks.next() else { return 0.0 };
        let mut since = None;
        for (at_s, counts) in looks {
            since = Some((*at_s, counts.weighted_arrivals));
            if now_s - at_s >= span_s * 0.999 {
                break;
            }
        }
        since.map_or(0.0, |(at_s, arrivals)| {
            (now.weighted_arrivals - arrivals) as f64 / (now_s - at_s).max(1e-3)
        })
    }
}

/// Everything but the readings.
pub(crate) fn observe(observed: &mut Observation, now_s: f64, fleet: &Fleet) {
    let replicas = fleet.replicas();
    observed.scale = Some(Scale { spec_replicas: replicas, status_replicas: replicas });
    observed.instances.clear();
    observed.instances.extend(fleet.members.iter().map(|member| {
        let ready = member.place.is_some();
        let since = time(if ready { member.ready_s } else { member.requested_s });
        let requests = Requests { cpu_milli: Some(CPU_REQUEST_MILLI), memory_milli: None };
        Instance {
            name: member.name.clone(),
            phase: Phase::Running,
            deleting: false,
            started_at: Some(time(member.requested_s.min(now_s))),
            readiness: Some(Readiness { ready, since }),
            containers: vec![Container { name: member.name.clone(), requests }],
            whole: None,
        }
    }));
}

/// Simulated seconds as the policies count time.
pub(crate) fn time(seconds: f64) -> Time {
    Time((seconds * 1000.0).round() as i64)
}
