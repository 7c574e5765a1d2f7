//! Asks one running process for its health, at the right times.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::health::{HealthState, Verdict, reason};
use crate::probe::{Outcome, get};
use crate::{Health, ServiceSpec, Timings};

/// The health of one process from its start to its end.
pub(crate) struct Monitor {
    questions: Option<Health>,
    address: SocketAddr,
    timings: Timings,
    start_timeout: Duration,
    state: HealthState,
    started: Instant,
    next_readiness: Instant,
    next_liveness: Instant,
    last: Option<Outcome>,
}

// === impl Monitor ===

impl Monitor {
    pub(crate) fn new(spec: &ServiceSpec, address: SocketAddr, timings: &Timings) -> Self {
        let now = Instant::now();
        Self {
            questions: spec.health.clone(),
            address,
            timings: timings.clone(),
            start_timeout: spec.start_timeout,
            state: HealthState::new(timings.failure_threshold),
            started: now,
            next_readiness: now,
            next_liveness: now,
            last: None,
        }
    }

    /// Waits for the next change. Giving up on the future gives up on the probe in flight and nothing else.
    pub(crate) async fn next(&mut self) -> Verdict {
        let Some(questions) = self.questions.clone() else { return self.next_without_questions().await };
        loop {
            if let Some(verdict) = self.start_timed_out() {
                return verdict;
            }
            let liveness_first = !self.state.is_starting() && self.next_liveness <= self.next_readiness;
            let verdict = if liveness_first {
                sleep_until(self.next_liveness).await;
                let outcome = get(self.address, &questions.liveness, self.timings.probe_timeout).await;
                self.next_liveness = Instant::now() + self.timings.liveness_period;
                self.state.liveness(&outcome)
            } else {
                sleep_until(self.next_readiness.min(self.start_deadline())).await;
                self.ask_readiness(&questions.readiness).await
            };
            if let Some(verdict) = verdict {
                return verdict;
            }
        }
    }

    async fn ask_readiness(&mut self, path: &str) -> Option<Verdict> {
        let patience = self.timings.probe_timeout;
        let starting = self.state.is_starting();
        let patience = if starting {
            patience.min(self.start_deadline().saturating_duration_since(Instant::now()))
        } else {
            patience
        };
        let outcome = get(self.address, path, patience).await;
        let verdict = self.state.readiness(&outcome);
        self.last = Some(outcome);
        let now = Instant::now();
        self.next_readiness = now + self.period();
        if starting && !self.state.is_starting() {
            self.next_liveness = now + self.timings.liveness_period;
        }
        verdict
    }

    fn period(&self) -> Duration {
        if self.state.is_starting() { self.timings.starting_period } else { self.timings.readiness_period }
    }

    /// The latest moment of the first readiness; far away once that has happened.
    fn start_deadline(&self) -> Instant {
        if self.state.is_starting() { self.started + self.start_timeout } else { self.next_readiness }
    }

    fn start_timed_out(&self) -> Option<Verdict> {
        if !self.state.is_starting() || Instant::now() < self.start_deadline() {
            return None;
        }
        let last = self.last.as_ref().map_or_else(|| "never asked".to_owned(), reason);
        let patience_s = self.start_timeout.as_secs_f64();
        Some(Verdict::Dead(format!("not ready within {patience_s} s: {last}")))
    }

    /// Staying up is all there is to see.
    async fn next_without_questions(&mut self) -> Verdict {
        if !self.state.is_starting() {
            return std::future::pending().await;
        }
        sleep_until(self.started + self.timings.grace.min(self.start_timeout)).await;
        self.state.readiness(&Outcome::Pass).unwrap_or(Verdict::Ready)
    }
}
