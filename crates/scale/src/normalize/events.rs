//! The log of rescales that rate limits look at.

use crate::Time;
use crate::state::ScaleEvent;

/// Replicas changed by events younger than the period.
pub fn change_within(events: &[ScaleEvent], period_s: u32, now: Time) -> i64 {
    let period_ms = i64::from(period_s) * 1000;
    events
        .iter()
        .filter(|event| now.since_ms(event.at) < period_ms)
        .map(|event| i64::from(event.change))
        .sum()
}

/// Stores a rescale: marks what is older than the longest policy period of the direction, then reuses the last marked
/// slot, else appends.
pub fn store(events: &mut Vec<ScaleEvent>, change: u32, longest_period_s: u32, now: Time) {
    let longest_ms = i64::from(longest_period_s) * 1000;
    for event in events.iter_mut() {
        event.outdated |= now.since_ms(event.at) > longest_ms;
    }
    let event = ScaleEvent { change, at: now, outdated: false };
    match events.iter().rposition(|event| event.outdated) {
        Some(index) => events[index] = event,
        None => events.push(event),
    }
}
