//! How long one request takes an instance, as the edge measures it.
//!
//! Wanted properties, each a test below:
//! - what took long because it waited inside a full instance does not count: more instances would not wait as long;
//! - few requests say nothing about a percentile: below [`ENOUGH`] there is no answer;
//! - old requests are forgotten: after a change of the service its new times win;
//! - a counter that starts again is no measurement; stored and restored, it answers as before.

use plimsoll_gateway::Durations;
use serde::{Deserialize, Serialize};

/// Requests from which on a percentile and a variance mean something.
const ENOUGH: u64 = 40;
/// Requests after which the past counts half.
const MEMORY: u64 = 4000;

/// What was learnt of one service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub(crate) struct ServiceTimes {
    learnt: Durations,
    /// The edge's counter at the last look.
    seen: Option<Durations>,
}

/// Counts, sum and sum of squares; the edge counts from zero after a restart.
#[derive(Serialize, Deserialize)]
struct Stored(Vec<u64>, u64, f64);

// === impl ServiceTimes ===

impl ServiceTimes {
    /// Takes in what was counted since the last look, or, without `learn`, leaves it out.
    pub(crate) fn look(&mut self, served: &Durations, learn: bool) {
        let since = self.seen.as_ref().and_then(|seen| served.since(seen));
        if let Some(since) = since.filter(|_| learn) {
            self.learnt.add(&since);
            if self.learnt.count() >= MEMORY {
                self.learnt.halve();
            }
        }
        self.seen = Some(served.clone());
    }

    /// The times, when there are enough of them.
    pub(crate) fn measured(&self) -> Option<&Durations> {
        Some(&self.learnt).filter(|learnt| learnt.count() >= ENOUGH)
    }
}

// === impl Stored ===

impl From<ServiceTimes> for Stored {
    fn from(times: ServiceTimes) -> Self {
        let (counts, sum_us, squares) = times.learnt.to_parts();
        Self(counts, sum_us, squares)
    }
}

impl From<Stored> for ServiceTimes {
    fn from(Stored(counts, sum_us, squares): Stored) -> Self {
        Self { learnt: Durations::from_parts((counts, sum_us, squares)), seen: None }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn count(served: &mut Durations, times: u64, ms: u64) {
        (0..times).for_each(|_| served.record(Duration::from_millis(ms)));
    }

    fn mean_ms(times: &ServiceTimes) -> Option<u64> {
        times.measured().and_then(Durations::mean_us).map(|us| us / 1000)
    }

    #[test]
    fn time_of_a_full_instance_does_not_count() {
        let (mut times, mut served) = (ServiceTimes::default(), Durations::default());
        times.look(&served, true);
        count(&mut served, 30, 100);
        times.look(&served, true);
        assert_eq!(mean_ms(&times), None, "too few");
        count(&mut served, 500, 9000);
        times.look(&served, false);
        count(&mut served, 30, 100);
        times.look(&served, true);
        assert_eq!(mean_ms(&times), Some(100));
    }

    #[test]
    fn new_times_win_over_old_ones() {
        let (mut times, mut served) = (ServiceTimes::default(), Durations::default());
        times.look(&served, true);
        count(&mut served, 50_000, 10);
        times.look(&served, true);
        for _ in 0..40 {
            count(&mut served, 1000, 200);
            times.look(&served, true);
        }
        let mean_ms = mean_ms(&times).unwrap_or_default();
        assert!(mean_ms > 190, "{mean_ms}");
    }

    #[test]
    fn edge_that_starts_again_takes_nothing_away_and_adds_nothing() {
        let (mut times, mut served) = (ServiceTimes::default(), Durations::default());
        times.look(&served, true);
        count(&mut served, 100, 50);
        times.look(&served, true);
        let text = serde_json::to_string(&times).expect("text");
        let mut restored: ServiceTimes = serde_json::from_str(&text).expect("the same");
        assert_eq!(mean_ms(&restored), Some(50));
        let mut fresh = Durations::default();
        count(&mut fresh, 10, 5);
        for times in [&mut times, &mut restored] {
            times.look(&fresh, true);
            assert_eq!(times.measured().map(Durations::count), Some(100));
        }
    }
}
