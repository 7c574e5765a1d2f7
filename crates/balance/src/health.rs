//! Passive health of one endpoint: `max_fails` failures in a row close together eject it, one trial brings it back.

use std::collections::VecDeque;
use std::time::Duration;

/// When an endpoint is ejected and for how long. The defaults are those nginx users know (3 in 30 s, out for 30 s).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthPolicy {
    /// Failures in a row that eject; 0 switches ejection off. Unlike nginx a success in between starts the count
    /// again: otherwise a busy endpoint with one error in a thousand would be out for good.
    pub max_fails: u32,
    /// All of those failures must lie within this time.
    pub fail_window: Duration,
    /// How long an ejected endpoint gets no requests before its trial.
    pub eject_for: Duration,
}

/// What an endpoint may be given now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Any request.
    In,
    /// Nothing until `until`; from then on one trial request.
    Out {
        /// Time since the caller's epoch at which the trial may start.
        until: Duration,
    },
    /// Nothing: the trial is under way.
    OnTrial,
}

/// The state machine of one endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    standing: Standing,
    /// Times of the latest failures without a success between them, oldest first, at most `max_fails` of them.
    failed_at: VecDeque<Duration>,
}

// === impl HealthPolicy ===

impl Default for HealthPolicy {
    fn default() -> Self {
        Self { max_fails: 3, fail_window: Duration::from_secs(30), eject_for: Duration::from_secs(30) }
    }
}

// === impl Health ===

impl Health {
    pub(crate) fn new() -> Self {
        Self { standing: Standing::In, failed_at: VecDeque::new() }
    }

    pub(crate) fn standing(&self) -> Standing {
        self.standing
    }

    /// May a request be sent now, as usual or as the trial?
    pub(crate) fn takes(&self, now: Duration) -> bool {
        match self.standing {
            Standing::In => true,
            Standing::Out { until } => now >= until,
            Standing::OnTrial => false,
        }
    }

    /// Notes that the endpoint was chosen; true when this request is its trial.
    pub(crate) fn chosen(&mut self) -> bool {
        let is_trial = self.standing != Standing::In;
        if is_trial {
            self.standing = Standing::OnTrial;
        }
        is_trial
    }

    pub(crate) fn reinstate(&mut self) {
        self.standing = Standing::In;
        self.failed_at.clear();
    }

    pub(crate) fn eject(&mut self, policy: &HealthPolicy, now: Duration) {
        self.standing = Standing::Out { until: now + policy.eject_for };
        self.failed_at.clear();
    }

    /// The trial ended without saying anything about the endpoint (its client went away): the next one may try.
    pub(crate) fn trial_inconclusive(&mut self, now: Duration) {
        self.standing = Standing::Out { until: now };
    }

    /// A success of a usual request. While the endpoint is out this is the late end of an old one: no evidence.
    pub(crate) fn succeeded(&mut self) {
        if !self.failed_at.is_empty() {
            self.failed_at.clear();
        }
    }

    /// A failure of a usual request; true when it ejects the endpoint.
    pub(crate) fn failed(&mut self, policy: &HealthPolicy, now: Duration) -> bool {
        if self.standing != Standing::In || policy.max_fails == 0 {
            return false;
        }
        while self.failed_at.front().is_some_and(|at| now.saturating_sub(*at) > policy.fail_window) {
            self.failed_at.pop_front();
        }
        self.failed_at.push_back(now);
        let is_over = self.failed_at.len() >= policy.max_fails as usize;
        if is_over {
            self.eject(policy, now);
        }
        is_over
    }
}
