//! What the policies look at, made of what this process owns: its queues, its edge, its instances.

use std::collections::BTreeMap;

use plimsoll_gateway::GatewayStats;
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
    /// Requests of the instances that are gone already, so that the sum never falls.
    #[serde(skip)]
    total: u64,
    #[serde(skip)]
    ended: u64,
    #[serde(skip)]
    by_instance: BTreeMap<String, u64>,
    #[serde(skip)]
    in_flight: u64,
    #[serde(skip)]
    waiting: u64,
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
            self.queues.entry(queue.queue.clone()).or_default().look(look, true);
        }
    }

    /// Takes the edge in. `serving` has an entry for every service that has a route.
    pub(crate) fn edge(&mut self, stats: &GatewayStats, serving: &BTreeMap<String, Serving>, at_ms: u64) {
        self.at_ms = at_ms;
        self.services.retain(|name, _| serving.contains_key(name));
        for (name, state) in serving.iter().take(MOST_SOURCES) {
            let edge = self.services.entry(name.clone()).or_default();
            let own = stats.upstreams.iter().filter(|(_, upstream)| upstream.service == *name);
            edge.in_flight = 0;
            let mut here = BTreeMap::new();
            for (id, upstream) in own {
                let before = edge.by_instance.get(id).copied().unwrap_or(0);
                edge.total += upstream.requests_total.saturating_sub(before);
                edge.in_flight += upstream.in_flight;
                here.insert(id.clone(), upstream.requests_total);
            }
            edge.by_instance = here;
            // The edge does not say for whom a request waits; it can only be a service that nobody serves.
            edge.waiting = if state.ready == 0 { stats.waiting } else { 0 };
            // The two counters are not read at the same instant, so their difference may step back.
            edge.ended = edge.ended.max(edge.total.saturating_sub(edge.in_flight));
            let look = Look {
                at_ms,
                arrived: edge.total,
                ended: edge.ended,
                completed: edge.ended,
                in_service: edge.in_flight,
            };
            let room = state.slots.map(|slots| slots.saturating_mul(state.ready));
            edge.rates.look(look, room.is_none_or(|room| edge.in_flight <= room));
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
        Digest(queues, edge.map(|edge| [edge.in_flight, edge.waiting, edge.total]).unwrap_or_default())
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
    /// None before the first request ended. The edge measures means, not variances: those of a Poisson stream and of
    /// exponential times stand in.
    fn traffic(&self, at: Time) -> Option<Traffic> {
        Some(Traffic {
            arrivals_milli_per_s: self.rates.arrivals_milli_per_s(),
            service_us: self.rates.service_us()?,
            service_cv2_milli: None,
            service_p95_us: None,
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
