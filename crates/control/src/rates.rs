//! How fast work comes in and how long one piece of it takes, learnt from counters that only go up.
//!
//! Wanted properties, each a test below:
//! - arrivals are those of the last [`WINDOW_S`] seconds, whatever the rhythm of the looks;
//! - the holding time is right for work that comes and goes steadily, also with many pieces at once;
//! - work that has not ended counts as half done, so that the first endings among many do not look like slow ones;
//! - a counter that starts again (another database, a restarted edge) is no burst of arrivals;
//! - stored and restored, it answers as before; its memory is bounded.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Seconds over which arrivals are averaged.
pub(crate) const WINDOW_S: u64 = 30;
/// Looks that are remembered, at most one a second and the one before the window.
const MOST_LOOKS: usize = WINDOW_S as usize + 2;
/// Between looks that are further apart nobody knows what was held.
const LONGEST_GAP_MS: u64 = 10_000;
/// Endings after which the past counts half.
const MEMORY: u64 = 200;

/// What was learnt of one source of work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rates {
    looks: VecDeque<Look>,
    last: Option<Look>,
    /// Milliseconds for which work was held, summed over the pieces that were held at once.
    held_ms: u64,
    ended: u64,
}

/// Counters at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Look {
    /// Milliseconds since the Unix epoch.
    pub(crate) at_ms: u64,
    /// Pieces of work that ever came in.
    pub(crate) arrived: u64,
    /// Pieces that ever ended, well or badly.
    pub(crate) ended: u64,
    /// Of these, those that ended for good: a piece that is tried again ends more than once.
    #[serde(default)]
    pub(crate) completed: u64,
    /// Pieces that are being worked on: not those that wait, wherever they do.
    pub(crate) in_service: u64,
}

// === impl Rates ===

impl Rates {
    /// Takes the counters in.
    pub(crate) fn look(&mut self, look: Look) {
        if let Some(last) = self.last {
            if look.arrived < last.arrived || look.ended < last.ended || look.at_ms < last.at_ms {
                self.looks.clear();
            } else if look.at_ms - last.at_ms <= LONGEST_GAP_MS {
                // Between two looks the number went from one to the other: on the way up the first alone is too few.
                let held_twice = (last.in_service + look.in_service).saturating_mul(look.at_ms - last.at_ms);
                self.held_ms = self.held_ms.saturating_add(held_twice / 2);
                self.ended = self.ended.saturating_add(look.ended - last.ended);
                if self.ended >= MEMORY {
                    (self.held_ms, self.ended) = (self.held_ms / 2, self.ended / 2);
                }
            }
        }
        self.last = Some(look);
        if self.looks.back().is_none_or(|last| last.at_ms + 1000 <= look.at_ms) {
            self.looks.push_back(look);
        }
        // One look from before the window stays, so that the window is always covered.
        while self.looks.len() > MOST_LOOKS
            || self.looks.get(1).is_some_and(|second| second.at_ms + WINDOW_S * 1000 <= look.at_ms)
        {
            self.looks.pop_front();
        }
    }

    /// Arrivals in thousandths per second; 0 before two looks.
    pub(crate) fn arrivals_milli_per_s(&self) -> u64 {
        self.milli_per_s(|look| look.arrived)
    }

    /// Pieces that were completed, in thousandths per second; 0 before two looks.
    pub(crate) fn completions_milli_per_s(&self) -> u64 {
        self.milli_per_s(|look| look.completed)
    }

    /// How fast a counter went up over the window.
    fn milli_per_s(&self, counter: impl Fn(&Look) -> u64) -> u64 {
        let (Some(first), Some(last)) = (self.looks.front(), self.last) else { return 0 };
        let elapsed_ms = last.at_ms.saturating_sub(first.at_ms);
        let counted = counter(&last).saturating_sub(counter(first));
        if elapsed_ms < 1000 { 0 } else { counted.saturating_mul(1_000_000) / elapsed_ms }
    }

    /// Arrivals of the last second or two in thousandths per second: bursts are seen as they are.
    pub(crate) fn latest_arrivals_milli_per_s(&self) -> u64 {
        let Some(last) = self.last else { return 0 };
        let before = self.looks.iter().rev().find(|look| look.at_ms + 1000 <= last.at_ms);
        before.map_or(0, |before| {
            let arrived = last.arrived.saturating_sub(before.arrived);
            arrived.saturating_mul(1_000_000) / (last.at_ms - before.at_ms).max(1)
        })
    }

    /// Mean time one piece of work takes in microseconds; none before the first ending.
    pub(crate) fn service_us(&self) -> Option<u64> {
        mean_us([self])
    }
}

/// Mean time over several sources.
pub(crate) fn mean_us<'a>(sources: impl IntoIterator<Item = &'a Rates>) -> Option<u64> {
    let (mut held_ms, mut ended, mut in_service) = (0_u64, 0_u64, 0_u64);
    for source in sources {
        held_ms = held_ms.saturating_add(source.held_ms);
        ended = ended.saturating_add(source.ended);
        in_service = in_service.saturating_add(source.last.map_or(0, |last| last.in_service));
    }
    // Twice as many halves: what is under way counts for one half.
    let halves = ended.saturating_mul(2).saturating_add(in_service);
    (ended > 0).then(|| held_ms.saturating_mul(2000) / halves.max(1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `servers` pieces at once, each `service_ms` long, for `seconds`; looked at every `every_ms`.
    fn steady(servers: u64, service_ms: u64, seconds: u64, every_ms: u64) -> Rates {
        let mut rates = Rates::default();
        let mut at_ms = 0;
        while at_ms <= seconds * 1000 {
            // Server k ends its work at k/servers of the service time, so that endings are spread.
            let ended = (0..servers).map(|k| (at_ms + service_ms * k / servers) / service_ms).sum();
            rates.look(Look {
                at_ms,
                arrived: ended + servers,
                ended,
                completed: ended,
                in_service: servers,
            });
            at_ms += every_ms;
        }
        rates
    }

    #[test]
    fn first_ending_among_many_is_not_taken_for_slow_work() {
        let mut rates = Rates::default();
        for second in 0..=10 {
            let ended = second / 10;
            rates.look(Look {
                at_ms: second * 1000,
                arrived: 10,
                ended,
                completed: ended,
                in_service: 10 - ended,
            });
        }
        let us = rates.service_us().unwrap_or_default();
        assert!((8_000_000..20_000_000).contains(&us), "{us}");
    }

    #[test]
    fn work_that_came_since_the_last_look_counts() {
        let mut rates = Rates::default();
        rates.look(Look { at_ms: 0, arrived: 0, ended: 0, completed: 0, in_service: 0 });
        rates.look(Look { at_ms: 250, arrived: 3, ended: 2, completed: 2, in_service: 1 });
        assert_eq!(rates.service_us(), Some(50_000), "one slot was busy for some of a quarter of a second");
    }

    #[test]
    fn counter_that_starts_again_is_no_burst() {
        let mut rates = Rates::default();
        rates.look(Look { at_ms: 0, arrived: 1000, ended: 1000, completed: 1000, in_service: 0 });
        rates.look(Look { at_ms: 1000, arrived: 1001, ended: 1001, completed: 1001, in_service: 0 });
        rates.look(Look { at_ms: 2000, arrived: 3, ended: 3, completed: 3, in_service: 0 });
        rates.look(Look { at_ms: 3000, arrived: 5, ended: 5, completed: 5, in_service: 0 });
        assert_eq!(rates.arrivals_milli_per_s(), 2000);
    }

    #[test]
    fn burst_is_seen_at_once() {
        let mut rates = Rates::default();
        for quarter in 0..=80_u64 {
            let arrived = if quarter > 76 { 50 } else { 0 };
            rates.look(Look { at_ms: quarter * 250, arrived, ended: 0, completed: 0, in_service: 0 });
        }
        assert!(rates.latest_arrivals_milli_per_s() >= 25_000);
        assert!(rates.arrivals_milli_per_s() < 3000);
    }

    #[test]
    fn old_arrivals_are_forgotten() {
        let mut rates = Rates::default();
        for second in 0..=100 {
            let arrived = 10 * second.min(50);
            rates.look(Look {
                at_ms: second * 1000,
                arrived,
                ended: arrived,
                completed: arrived,
                in_service: 0,
            });
        }
        assert_eq!(rates.arrivals_milli_per_s(), 0);
    }

    proptest! {
        #[test]
        fn steady_work_is_measured_whatever_the_rhythm(
            servers in 1u64..20, service_ms in 200u64..5000, every_ms in 50u64..1500,
        ) {
            let rates = steady(servers, service_ms, 300, every_ms);
            let expected_us = service_ms * 1000;
            let us = rates.service_us().unwrap_or_default();
            prop_assert!(us.abs_diff(expected_us) * 10 <= expected_us * 2, "{} instead of {}", us, expected_us);
            let arrivals = servers * 1_000_000 / service_ms;
            let got = rates.arrivals_milli_per_s();
            // One round of all servers more or less inside the window.
            let slack = servers * 1000 / (WINDOW_S - 2) + 1;
            prop_assert!(got.abs_diff(arrivals) <= slack + arrivals / 10, "{} instead of {}", got, arrivals);
            prop_assert!(rates.looks.len() <= MOST_LOOKS);
        }

        #[test]
        fn restored_it_answers_as_before(
            counts in proptest::collection::vec((0u64..3000, 0u64..20, 0u64..20, 0u64..9), 1..60), cut in 0usize..60,
        ) {
            let (mut kept, mut stored) = (Rates::default(), Rates::default());
            let (mut at_ms, mut arrived, mut ended) = (0, 0, 0);
            for (index, (later, more, done, in_service)) in counts.into_iter().enumerate() {
                (at_ms, arrived, ended) = (at_ms + later, arrived + more, ended + done);
                let look = Look { at_ms, arrived, ended, completed: ended, in_service };
                kept.look(look);
                if index == cut {
                    let text = serde_json::to_string(&stored).unwrap_or_default();
                    stored = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}"));
                }
                stored.look(look);
                prop_assert_eq!(&kept, &stored);
            }
        }
    }
}
