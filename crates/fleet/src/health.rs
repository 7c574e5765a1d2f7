//! What probe results mean: when an instance is ready, is not anymore, or has to be restarted.
//!
//! Wanted properties:
//! (A) liveness counts only after the first readiness: a slow start is the start timeout's business;
//! (B) one answer that says "not ready" is believed at once, silence only after `threshold` times in a row,
//!     because a busy instance may be late and a ready one is missed by its clients;
//! (C) `threshold` liveness failures in a row, refusals included, and nothing less, mean dead.

use crate::probe::Outcome;

/// Counts failures. Pure; [`Verdict`]s are what changed.
#[derive(Debug, Clone)]
pub(crate) struct HealthState {
    threshold: u32,
    phase: Phase,
    silent: u32,
    not_alive: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Starting,
    Ready,
    NotReady,
}

/// A change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Ready,
    NotReady(String),
    Dead(String),
}

// === impl HealthState ===

impl HealthState {
    pub(crate) fn new(threshold: u32) -> Self {
        Self { threshold: threshold.max(1), phase: Phase::Starting, silent: 0, not_alive: 0 }
    }

    /// Has not been ready yet.
    pub(crate) fn is_starting(&self) -> bool {
        self.phase == Phase::Starting
    }

    pub(crate) fn readiness(&mut self, outcome: &Outcome) -> Option<Verdict> {
        match outcome {
            Outcome::Pass => {
                self.silent = 0;
                (self.replace(Phase::Ready) != Phase::Ready).then_some(Verdict::Ready)
            }
            Outcome::Refused(_) => self.not_ready(outcome),
            Outcome::NoAnswer(_) => {
                self.silent = self.silent.saturating_add(1);
                if self.silent >= self.threshold { self.not_ready(outcome) } else { None }
            }
        }
    }

    pub(crate) fn liveness(&mut self, outcome: &Outcome) -> Option<Verdict> {
        if self.is_starting() {
            return None;
        }
        if *outcome == Outcome::Pass {
            self.not_alive = 0;
            return None;
        }
        self.not_alive = self.not_alive.saturating_add(1);
        let times = self.not_alive;
        (times >= self.threshold)
            .then(|| Verdict::Dead(format!("liveness failed {times} times: {}", reason(outcome))))
    }

    fn not_ready(&mut self, outcome: &Outcome) -> Option<Verdict> {
        if self.phase != Phase::Ready {
            return None;
        }
        self.phase = Phase::NotReady;
        Some(Verdict::NotReady(reason(outcome)))
    }

    fn replace(&mut self, phase: Phase) -> Phase {
        std::mem::replace(&mut self.phase, phase)
    }
}

/// What a probe result says, in words.
pub(crate) fn reason(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Pass => "ready".to_owned(),
        Outcome::Refused(status) => format!("answered with status {status}"),
        Outcome::NoAnswer(reason) => reason.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silence() -> Outcome {
        Outcome::NoAnswer("no answer".to_owned())
    }

    fn ready() -> HealthState {
        let mut state = HealthState::new(3);
        assert_eq!(state.readiness(&Outcome::Pass), Some(Verdict::Ready));
        state
    }

    #[test]
    fn refusal_is_believed_at_once_and_told_once() {
        let mut state = ready();
        let expected = Verdict::NotReady("answered with status 503".to_owned());
        assert_eq!(state.readiness(&Outcome::Refused(503)), Some(expected));
        assert_eq!(state.readiness(&Outcome::Refused(503)), None);
        assert_eq!(state.readiness(&Outcome::Pass), Some(Verdict::Ready));
        assert_eq!(state.readiness(&Outcome::Pass), None);
    }

    #[test]
    fn silence_counts_from_the_third_time_in_a_row() {
        let mut state = ready();
        for _ in 0..2 {
            assert_eq!(state.readiness(&silence()), None);
        }
        assert_eq!(state.readiness(&Outcome::Pass), None);
        for _ in 0..2 {
            assert_eq!(state.readiness(&silence()), None);
        }
        assert!(matches!(state.readiness(&silence()), Some(Verdict::NotReady(_))));
    }

    #[test]
    fn liveness_counts_after_the_first_readiness_only() {
        let mut state = HealthState::new(3);
        for _ in 0..10 {
            assert_eq!(state.liveness(&silence()), None);
            assert_eq!(state.readiness(&silence()), None);
        }
        state.readiness(&Outcome::Pass);
        assert_eq!(state.liveness(&silence()), None);
        assert_eq!(state.liveness(&Outcome::Refused(500)), None);
        assert_eq!(state.liveness(&Outcome::Pass), None);
        assert_eq!(state.liveness(&silence()), None);
        assert_eq!(state.liveness(&silence()), None);
        let dead = Verdict::Dead("liveness failed 3 times: answered with status 500".to_owned());
        assert_eq!(state.liveness(&Outcome::Refused(500)), Some(dead));
    }
}
