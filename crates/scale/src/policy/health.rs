//! Signal loss: what a metric that cannot be read stands for.
//!
//! Wanted properties:
//! * a held answer only ever holds or raises: it blocks scaling in exactly like a failure;
//! * a healthy metric that asks for more wins over any substitute;
//! * only a fallback declared `static` or `currentReplicasIfLower` may scale in.

use serde::{Deserialize, Serialize};

use crate::Time;
use crate::spec::policy::{FallbackBehavior, SignalLoss};

/// Health of one metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Health {
    /// Failures in a row.
    pub failures: u32,
    /// The last answer.
    pub last_good: Option<LastGood>,
}

/// An answer of a healthy metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastGood {
    /// Replicas.
    pub replicas: i32,
    /// When.
    pub at: Time,
}

/// What stands in for a lost metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Substitute {
    /// Its last answer.
    Held {
        /// Replicas.
        replicas: i32,
        /// Seconds since that answer.
        age_s: i64,
    },
    /// The declared fallback.
    Fallback {
        /// Replicas.
        replicas: i32,
        /// True when it was declared so that it may scale in.
        may_scale_in: bool,
    },
}

// === impl Health ===

impl Health {
    /// The metric answered.
    pub fn answered(&mut self, replicas: i32, now: Time) {
        *self = Self { failures: 0, last_good: Some(LastGood { replicas, at: now }) };
    }

    /// The metric failed; what stands in for it.
    pub fn failed(&mut self, spec: &SignalLoss, current: u32, now: Time) -> Option<Substitute> {
        self.failures = self.failures.saturating_add(1);
        if let Some(good) = self.last_good
            && good.at.plus_s(spec.hold_s) >= now
        {
            let age_s = now.since_ms(good.at) / 1000;
            return Some(Substitute::Held { replicas: good.replicas, age_s });
        }
        let fallback = spec.fallback.filter(|fallback| self.failures > fallback.failure_threshold)?;
        let (replicas, may_scale_in) = match fallback.behavior {
            FallbackBehavior::Static => (fallback.replicas, true),
            FallbackBehavior::CurrentReplicas => (current, false),
            FallbackBehavior::CurrentReplicasIfHigher => (fallback.replicas.max(current), false),
            FallbackBehavior::CurrentReplicasIfLower => (fallback.replicas.min(current), true),
        };
        let replicas = i32::try_from(replicas).unwrap_or(i32::MAX);
        Some(Substitute::Fallback { replicas, may_scale_in })
    }
}

// === impl Substitute ===

impl Substitute {
    /// The count it stands for.
    pub fn replicas(self) -> i32 {
        match self {
            Self::Held { replicas, .. } | Self::Fallback { replicas, .. } => replicas,
        }
    }

    /// True when it keeps the service from scaling in.
    pub fn blocks_scale_in(self) -> bool {
        !matches!(self, Self::Fallback { may_scale_in: true, .. })
    }
}

impl std::fmt::Display for Substitute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Held { age_s, .. } => write!(f, "its answer of {age_s} s ago"),
            Self::Fallback { .. } => write!(f, "its declared fallback"),
        }
    }
}
