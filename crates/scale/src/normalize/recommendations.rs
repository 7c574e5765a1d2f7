//! Stabilisation over past recommendations, and their log.
//!
//! Ages are compared as Kubernetes does: with `behavior` a recommendation counts while its age is below the window, and
//! without it while its age is at most the window; a slot is free once its age exceeds every window.

use super::Stabilized;
use crate::Time;
use crate::state::{Reason, Recommendation};

/// Above this length the log is compacted; a 300 s window at a 1 s tick needs 301 slots.
const COMPACT_ABOVE: usize = 1024;

/// Without `behavior`: hold at the highest recommendation of the downscale window.
pub fn hold_down(log: &[Recommendation], desired: u32, window_s: u32, now: Time) -> Stabilized {
    let highest = log.iter().filter(|one| age_ms(one, now) <= ms(window_s)).max_by_key(|one| one.replicas);
    let bound_by = highest.copied().filter(|one| one.replicas > desired);
    Stabilized {
        replicas: bound_by.map_or(desired, |one| one.replicas),
        reason: Reason::ScaleDownStabilized,
        bound_by,
    }
}

/// With `behavior`: the current count, moved only as far as every recommendation of the upward window agrees to rise
/// and every one of the downward window agrees to fall.
pub fn stabilize(
    log: &[Recommendation],
    current: u32,
    desired: u32,
    up_window_s: u32,
    down_window_s: u32,
    now: Time,
) -> Stabilized {
    let (mut lowest, mut highest) = (desired, desired);
    let (mut low_by, mut high_by) = (None, None);
    for one in log {
        let age_ms = age_ms(one, now);
        if age_ms < ms(up_window_s) && one.replicas < lowest {
            (lowest, low_by) = (one.replicas, Some(*one));
        }
        if age_ms < ms(down_window_s) && one.replicas > highest {
            (highest, high_by) = (one.replicas, Some(*one));
        }
    }
    let replicas = current.max(lowest).min(highest);
    let reason = if desired >= current { Reason::ScaleUpStabilized } else { Reason::ScaleDownStabilized };
    let bound_by = match replicas {
        _ if replicas == desired => None,
        _ if desired >= current => low_by,
        _ => high_by,
    };
    Stabilized { replicas, reason, bound_by }
}

/// Writes a recommendation into the last slot older than `window_s` (the longest window in use), else appends it.
pub fn record(log: &mut Vec<Recommendation>, replicas: u32, window_s: u32, now: Time) {
    let entry = Recommendation { replicas, at: now };
    match log.iter().rposition(|one| age_ms(one, now) > ms(window_s)) {
        Some(index) => log[index] = entry,
        None => log.push(entry),
    }
    if log.len() > COMPACT_ABOVE {
        compact(log);
    }
}

/// Drops entries that can no longer bind: one that a later entry reaches from above and another from below. What stays
/// are two monotone chains, so the log is bounded by twice the number of different counts however fast rounds come.
fn compact(log: &mut Vec<Recommendation>) {
    log.sort_by_key(|one| one.at);
    let (mut highest, mut lowest) = (None, None);
    let mut kept: Vec<Recommendation> = Vec::new();
    for one in log.iter().rev() {
        let above = highest.is_none_or(|highest| one.replicas > highest);
        let below = lowest.is_none_or(|lowest| one.replicas < lowest);
        if above {
            highest = Some(one.replicas);
        }
        if below {
            lowest = Some(one.replicas);
        }
        if above || below {
            kept.push(*one);
        }
    }
    kept.reverse();
    *log = kept;
}

fn age_ms(one: &Recommendation, now: Time) -> i64 {
    now.since_ms(one.at)
}

fn ms(seconds: u32) -> i64 {
    i64::from(seconds) * 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compaction_changes_no_later_decision() {
        let values = [3_u32, 9, 4, 4, 7, 2, 8, 8, 1, 5];
        let full: Vec<_> = (0_i64..)
            .zip(values)
            .map(|(second, replicas)| Recommendation { replicas, at: Time::from_s(second) })
            .collect();
        let mut short = full.clone();
        compact(&mut short);
        assert!(short.len() < full.len());
        for now in 10..30 {
            for (up_s, down_s, desired) in [(0, 300, 1), (300, 0, 9), (12, 15, 4), (20, 14, 6)] {
                let decide = |log: &[_]| stabilize(log, 5, desired, up_s, down_s, Time::from_s(now)).replicas;
                assert_eq!(decide(&full), decide(&short), "at {now} with windows {up_s} and {down_s}");
            }
        }
    }

    #[test]
    fn log_stays_bounded_at_any_rate() {
        let mut log = Vec::new();
        for tick in 0..100_000 {
            record(&mut log, (tick % 17) as u32, 300, Time(tick));
        }
        assert!(log.len() <= COMPACT_ABOVE);
    }
}
