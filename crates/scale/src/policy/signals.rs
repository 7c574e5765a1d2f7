//! What the policies beside `metrics` look at. Integers only, so that a logged observation reads back exactly.

use serde::{Deserialize, Serialize};

use crate::calculate::MetricError;
use crate::{Observation, Settings, Time};

/// Signals that the platform owns: its queue, its gateway, its instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Signals {
    /// The job queue.
    pub queue: Option<QueueSignal>,
    /// Requests being served or waiting at the gateway.
    pub in_flight: Option<Gauge>,
    /// Arrivals and service times at the gateway.
    pub traffic: Option<Traffic>,
    /// What `forecast` and `demandQuantile` are about, in the unit of their `perInstance`: requests that would be in
    /// service if nobody waited, that is, arrivals of the last moments times service time.
    pub demand: Option<Gauge>,
    /// Measured time from the decision to a ready instance.
    pub startup_ms: Option<u64>,
}

/// A job queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueSignal {
    /// Jobs waiting.
    pub depth: u64,
    /// Jobs being worked on.
    pub in_service: u64,
    /// Arrivals, in thousandths per second.
    pub arrivals_milli_per_s: u64,
    /// Mean time a job takes, if it was measured.
    pub service_us: Option<u64>,
    /// When this was measured.
    pub at: Time,
}

/// One number that goes up and down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gauge {
    /// Thousandths.
    pub milli: u64,
    /// When it was measured.
    pub at: Time,
}

/// Requests as the gateway sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Arrivals, in thousandths per second.
    pub arrivals_milli_per_s: u64,
    /// Mean time a request takes without waiting.
    pub service_us: u64,
    /// Squared coefficient of variation of that time, in thousandths; 1000 is exponential.
    pub service_cv2_milli: Option<u64>,
    /// Its 95th percentile, if it was measured.
    pub service_p95_us: Option<u64>,
    /// Squared coefficient of variation of the times between arrivals, in thousandths; 1000 is Poisson.
    pub arrival_cv2_milli: Option<u64>,
    /// When this was measured.
    pub at: Time,
}

/// Instances by what they can do now.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Capacity {
    /// Replicas asked for.
    pub replicas: u32,
    /// Ready to work.
    pub ready: u32,
    /// Seconds since the start of each one on its way; 0 for those that are asked for and not seen yet.
    pub starting_ages_s: Vec<f64>,
}

// === impl Signals ===

impl Signals {
    pub(super) fn fresh<T: Copy>(
        signal: Option<T>,
        at: impl Fn(&T) -> Time,
        settings: &Settings,
        now: Time,
    ) -> Result<T, MetricError> {
        let signal = signal.ok_or(MetricError::NoMetricsReturned)?;
        let measured_at = at(&signal);
        if settings.stale_after_s.is_some_and(|limit_s| measured_at.plus_s(limit_s) < now) {
            return Err(MetricError::Stale { age_s: now.since_ms(measured_at) / 1000 });
        }
        Ok(signal)
    }
}

// === impl Capacity ===

impl Capacity {
    /// Of an observation.
    pub fn of(observed: &Observation, now: Time) -> Self {
        let replicas = observed.scale.map_or(0, |scale| scale.spec_replicas);
        let ready = observed.instances.iter().filter(|one| one.is_ready() && !one.deleting).count();
        let age_s = |started_at: Option<Time>| {
            started_at.map_or(0.0, |at| (now.since_ms(at) as f64 / 1000.0).max(0.0))
        };
        let starting = observed.instances.iter().filter(|instance| instance.is_starting());
        let mut starting_ages_s: Vec<f64> = starting.map(|instance| age_s(instance.started_at)).collect();
        // An instance that was asked for and does not exist yet will start from now.
        let seen = ready + starting_ages_s.len();
        starting_ages_s.resize(starting_ages_s.len() + (replicas as usize).saturating_sub(seen), 0.0);
        Self { replicas, ready: ready as u32, starting_ages_s }
    }

    /// Seconds of work that the starting instances do before one that is started now could begin.
    pub fn starting_seconds_within(&self, startup_s: f64) -> f64 {
        self.starting_ages_s.iter().map(|age_s| age_s.min(startup_s)).sum()
    }
}
