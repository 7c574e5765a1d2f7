//! What the policies look at, made of what this process owns: its queues, its edge, its instances.

use std::collections::BTreeMap;

use plimsoll_gateway::{Durations, GatewayStats, ServiceStats};
use plimsoll_jobs::QueueStats;
use plimsoll_scale::{
    Time,
    policy::{Gauge, QueueSignal, Signals, Traffic},
    spec::policy::ScalingPolicy,
};
use serde::{Deserialize, Serialize};

use crate::{
    backlog::Backlog,
    rates::{Look, Rates, mean_us},
    times::ServiceTimes,
};

/// Queues and services that are followed; more would be a leak.
const MOST_SOURCES: usize = 1024;

/// Everything that was learnt, and the latest counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Feed {
    #[serde(default)]
    queues: BTreeMap<String, Rates>,
    #[serde(default)]
    services: BTreeMap<String, Edge>,
    /// Where the queues stood at the last look; none while they cannot be asked.
    #[serde(skip)]
    counts: Option<BTreeMap<String, Count>>,
    #[serde(skip)]
    at_ms: u64,
}

/// What the edge sees of one service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Edge {
    rates: Rates,
    /// How long instances take for a request that does not wait inside them.
    #[serde(default)]
    times: ServiceTimes,
    #[serde(skip)]
    arrived: u64,
    #[serde(skip)]
    in_flight: u64,
    #[serde(skip)]
    waiting: u64,
    #[serde(skip)]
    had_room: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    depth: u64,
    in_service: u64,
    arrived: u64,
}

/// The state of one service that a look needs to know.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Serving {
    /// Instances that can serve.
    pub(crate) ready: u64,
    /// Requests one instance works on at once, where the stack says it.
    pub(crate) slots: Option<u64>,
}

/// Something that is the same as long as nothing happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Digest(Vec<Count>, [u64; 3]);

// === impl Feed ===

impl Feed {
    /// Takes the queues in, or that they cannot be asked.
    pub(crate) fn queues(&mut self, stats: Option<&[QueueStats]>, at_ms: u64) {
        self.at_ms = at_ms;
        self.counts = stats.map(|stats| stats.iter().take(MOST_SOURCES).map(count).collect());
        let stats = stats.unwrap_or_default();
        if !stats.is_empty() {
            self.queues.retain(|name, _| stats.iter().any(|queue| queue.queue == *name));
        }
        for queue in stats.iter().take(MOST_SOURCES) {
            // Lost leases are among the failed attempts.
            let ended = queue.completed_total + queue.failed_attempts_total;
            let look = Look {
                at_ms,
                arrived: queue.enqueued_total,
                ended,
                completed: queue.completed_total,
                in_service: queue.leased,
            };
            self.queues.entry(queue.queue.clone()).or_default().look(look);
        }
    }

    /// Takes the edge in. `serving` has an entry for every service that has a route.
    pub(crate) fn edge(&mut self, stats: &GatewayStats, serving: &BTreeMap<String, Serving>, at_ms: u64) {
        self.at_ms = at_ms;
        self.services.retain(|name, _| serving.contains_key(name));
        for (name, state) in serving.iter().take(MOST_SOURCES) {
            if let Some(own) = stats.services.get(name) {
                self.services.entry(name.clone()).or_default().look(own, *state, at_ms);
            }
        }
    }

    /// A queue with its rates, as it stood at the latest look.
    pub(crate) fn backlog(&self, stats: QueueStats) -> Backlog {
        let rates = self.queues.get(&stats.queue);
        Backlog {
            arrivals_milli_per_s: rates.map_or(0, Rates::arrivals_milli_per_s),
            completions_milli_per_s: rates.map_or(0, Rates::completions_milli_per_s),
            service_us: rates.and_then(Rates::service_us),
            stats,
        }
    }

    /// Requests of a service that come in, in thousandths per second over the last half minute.
    pub(crate) fn requests_milli_per_s(&self) -> BTreeMap<String, u64> {
        self.services.iter().map(|(name, edge)| (name.clone(), edge.rates.arrivals_milli_per_s())).collect()
    }

    /// What `policy` of `service` looks at. `startup_ms` is the measured start-up time.
    pub(crate) fn signals(&self, policy: &ScalingPolicy, service: &str, startup_ms: Option<u64>) -> Signals {
        let at = Time(i64::try_from(self.at_ms).unwrap_or(i64::MAX));
        let queue = policy.queue_latency.as_ref().and_then(|rule| self.queue(rule.queue.as_deref(), at));
        let edge = self.services.get(service);
        let milli = |count: u64| count.saturating_mul(1000);
        let in_flight = edge.map(|edge| Gauge { milli: milli(edge.in_flight + edge.waiting), at });
        Signals {
            queue,
            in_flight,
            traffic: edge.and_then(|edge| edge.traffic(at)),
            demand: self.demand(policy, service, at),
            startup_ms,
        }
    }

    /// Changes whenever something happened that `policy` of `service` would see.
    pub(crate) fn digest(&self, policy: &ScalingPolicy, service: &str) -> Digest {
        let queues = match (&policy.queue_latency, &self.counts) {
            (Some(rule), Some(counts)) => match &rule.queue {
                Some(name) => counts.get(name).copied().into_iter().collect(),
                None => counts.values().copied().collect(),
            },
            _ => Vec::new(),
        };
        let edge = self.services.get(service);
        Digest(queues, edge.map(|edge| [edge.in_flight, edge.waiting, edge.arrived]).unwrap_or_default())
    }

    /// Work that would be in service if nothing waited: of the queue that `queueLatency` names, else of the edge, else of
    /// all queues. While the time of one piece is not known: what is open.
    fn demand(&self, policy: &ScalingPolicy, service: &str, at: Time) -> Option<Gauge> {
        let rule = policy.queue_latency.as_ref();
        let (arrivals, service_us, open) = match self.services.get(service).filter(|_| rule.is_none()) {
            Some(edge) => {
                let rates = &edge.rates;
                let open = edge.in_flight + edge.waiting;
                (rates.latest_arrivals_milli_per_s(), rates.service_us(), open)
            }
            None => {
                let name = rule.and_then(|rule| rule.queue.as_deref());
                let queue = self.queue(name, at)?;
                let declared = rule.and_then(|rule| rule.service_s).map(|s| (s * 1e6) as u64);
                let rates = self.rates_of(name);
                let arrivals = rates.iter().map(|rates| rates.latest_arrivals_milli_per_s());
                (arrivals.sum(), queue.service_us.or(declared), queue.depth + queue.in_service)
            }
        };
        let milli = service_us.map(|us| u128::from(arrivals) * u128::from(us) / 1_000_000);
        let milli = milli.and_then(|milli| u64::try_from(milli).ok());
        Some(Gauge { milli: milli.unwrap_or(open.saturating_mul(1000)), at })
    }

    fn rates_of(&self, name: Option<&str>) -> Vec<&Rates> {
        let chosen = |queue: &str| name.is_none_or(|name| name == queue);
        self.queues.iter().filter(|(queue, _)| chosen(queue)).map(|(_, rates)| rates).collect()
    }

    /// One queue, or all together. A queue that never held a job is empty.
    fn queue(&self, name: Option<&str>, at: Time) -> Option<QueueSignal> {
        let counts = self.counts.as_ref()?;
        let chosen = |queue: &&String| name.is_none_or(|name| name == queue.as_str());
        let mut signal =
            QueueSignal { depth: 0, in_service: 0, arrivals_milli_per_s: 0, service_us: None, at };
        for (_, count) in counts.iter().filter(|(queue, _)| chosen(queue)) {
            signal.depth += count.depth;
            signal.in_service += count.in_service;
        }
        let rates = self.rates_of(name);
        signal.arrivals_milli_per_s = rates.iter().map(|rates| rates.arrivals_milli_per_s()).sum();
        signal.service_us = mean_us(rates);
        Some(signal)
    }
}

// === impl Edge ===

impl Edge {
    fn look(&mut self, own: &ServiceStats, state: Serving, at_ms: u64) {
        (self.in_flight, self.waiting) = (own.in_flight, own.waiting);
        // Not all of it is read at the same instant, so the sum may step back.
        self.arrived = self.arrived.max(own.requests_total + own.in_flight + own.waiting);
        let room = state.slots.map(|slots| slots.saturating_mul(state.ready));
        let look = Look {
            at_ms,
            arrived: self.arrived,
            ended: own.requests_total,
            completed: own.requests_total,
            // What is beyond the slots waits inside an instance.
            in_service: room.map_or(own.in_flight, |room| own.in_flight.min(room)),
        };
        self.rates.look(look);
        let has_room = look.in_service == own.in_flight;
        // What ended since the last look began to be worked on before it.
        self.times.look(&own.served, has_room && self.had_room);
        self.had_room = has_room;
    }

    /// None before the first request ended. How arrivals vary is not measured: those of a Poisson stream stand in.
    fn traffic(&self, at: Time) -> Option<Traffic> {
        let measured = self.times.measured();
        let service_us = measured.and_then(Durations::mean_us).or_else(|| self.rates.service_us())?;
        Some(Traffic {
            arrivals_milli_per_s: self.rates.arrivals_milli_per_s(),
            service_us: service_us.max(1),
            service_cv2_milli: measured.and_then(Durations::cv2_milli),
            service_p95_us: measured.and_then(|times| times.quantile_us(0.95)),
            arrival_cv2_milli: None,
            at,
        })
    }
}

fn count(stats: &QueueStats) -> (String, Count) {
    let count = Count { depth: stats.ready, in_service: stats.leased, arrived: stats.enqueued_total };
    (stats.queue.clone(), count)
}

#[cfg(test)]
mod tests;
