//! When a policy is asked between two syncs.
//!
//! A policy that looks at what this process owns (its queues, its edge) is asked at every look that shows a change, and
//! once a second while nothing changes, because its windows are made of seconds. A pasted HPA is asked at every sync
//! and not in between, as in Kubernetes. How often the loop looks: [`crate::Pacing`].

use std::time::{Duration, Instant};

use crate::feed::Digest;

/// A decision a second without any change.
const MOST_APART: Duration = Duration::from_secs(1);

/// What a service was last decided on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pace {
    last: Option<(Instant, Digest)>,
}

// === impl Pace ===

impl Pace {
    /// Whether it is time.
    pub(crate) fn is_due(&self, digest: &Digest, now: Instant) -> bool {
        let Some((at, decided_on)) = &self.last else { return true };
        decided_on != digest || now.saturating_duration_since(*at) >= MOST_APART
    }

    /// Takes note of a decision.
    pub(crate) fn decided(&mut self, digest: Digest, now: Instant) {
        self.last = Some((now, digest));
    }
}
