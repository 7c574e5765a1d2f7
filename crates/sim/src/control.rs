//! Who decides, how often, and on how old a picture.

use plimsoll_scale::Settings;
use plimsoll_scale::policy::Policy;
use serde::{Deserialize, Serialize};

/// Something that happens again and again: at `phase_s`, and every `period_s` from there.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Clock {
    /// Seconds between two times, above zero.
    pub period_s: f64,
    /// The first time, in seconds from the start.
    pub phase_s: f64,
}

/// The delays between load and decision.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// When metrics are measured; a decision sees the last measurement.
    pub scrape: Clock,
    /// Over how long CPU use and arrival rates are averaged, in seconds.
    pub window_s: f64,
    /// When the policy decides.
    pub sync: Clock,
    /// Over how long the platform's own signals average arrivals, in seconds; they are read at the moment of decision.
    pub own_window_s: f64,
}

/// Who decides.
#[derive(Debug, Clone)]
pub enum Scaler {
    /// Nobody: the count never changes.
    Fixed(u32),
    /// A plan: from each time on, this count. In order of time.
    Plan(Vec<(f64, u32)>),
    /// A policy, with the same code as in production.
    Policy(Box<PolicyScaler>),
}

/// A policy and its surroundings.
#[derive(Debug, Clone)]
pub struct PolicyScaler {
    /// What decides.
    pub policy: Policy,
    /// Flags of the controller.
    pub settings: Settings,
    /// KEDA in front of it, when there is one.
    pub keda: Option<Keda>,
    /// Which instance goes first.
    pub victims: Victims,
}

/// KEDA: external metrics come from a cache that is filled by polling, and KEDA itself moves between 0 and 1 only.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Keda {
    /// `pollingInterval`, 30 s.
    pub poll: Clock,
    /// `cooldownPeriod`, 300 s: how long everything is inactive before the last instance goes.
    pub cooldown_s: f64,
    /// `minReplicaCount`; the autoscaler behind it has at least 1.
    pub min_replicas: u32,
    /// Active while an external metric is above this.
    pub activation: f64,
}

/// Which ready instance goes first; one that is still starting always goes before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Victims {
    /// The one that became ready last, as ReplicaSets do.
    #[default]
    Newest,
    /// The one that will be done with its requests first.
    LeastWork,
}

// === impl Clock ===

impl Clock {
    /// Every so many seconds from `period_s` on.
    pub fn every(period_s: f64) -> Self {
        Self { period_s, phase_s: period_s }
    }

    /// The first time at or after `from_s`.
    pub(crate) fn next_s(&self, from_s: f64) -> f64 {
        let periods = ((from_s - self.phase_s) / self.period_s - 1e-9).ceil();
        self.phase_s + periods.max(0.0) * self.period_s
    }

    /// The first time after `now_s`.
    pub(crate) fn after_s(&self, now_s: f64) -> f64 {
        let next_s = self.next_s(now_s);
        if next_s > now_s + 1e-6 * self.period_s { next_s } else { next_s + self.period_s }
    }
}

// === impl Timing ===

impl Timing {
    /// A stock cluster: metrics every 15 s over 15 s, decisions every 15 s, on average half a period after a measurement.
    pub fn kubernetes() -> Self {
        Self {
            scrape: Clock::every(15.0),
            window_s: 15.0,
            sync: Clock { period_s: 15.0, phase_s: 7.5 },
            own_window_s: 15.0,
        }
    }

    /// The platform itself: it owns the gateway and the queue and looks every second.
    pub fn own() -> Self {
        Self { scrape: Clock::every(1.0), window_s: 15.0, sync: Clock::every(1.0), own_window_s: 30.0 }
    }
}

// === impl Keda ===

impl Default for Keda {
    fn default() -> Self {
        Self { poll: Clock::every(30.0), cooldown_s: 300.0, min_replicas: 1, activation: 0.0 }
    }
}

// === impl PolicyScaler ===

impl PolicyScaler {
    /// A policy on a stock controller.
    pub fn new(policy: Policy) -> Self {
        Self { policy, settings: Settings::default(), keda: None, victims: Victims::default() }
    }
}
