//! `concurrency`: requests in flight per instance at a target, as Knative's autoscaler does it.
//!
//! Wanted properties:
//! * the answer follows the average over the stable window, so noise shorter than that moves little;
//! * a burst (the panic window asks for the threshold times what is ready) is answered at once, and until the burst is
//!   one stable window past, the answer never falls;
//! * more in flight never asks for less;
//! * zero only when nothing was in flight over the whole stable window.

use serde::{Deserialize, Serialize};

use super::signals::{Capacity, Gauge};
use crate::Time;
use crate::spec::policy::Concurrency;

/// What it remembers: the load per second of the stable window, and the burst it is in.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Memory {
    seconds: Vec<Second>,
    panic: Option<Panic>,
}

/// Samples of one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Second {
    second: i64,
    sum_milli: u64,
    samples: u32,
}

/// A burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Panic {
    /// When the load was last above the threshold.
    at: Time,
    /// The highest answer since it began.
    replicas: u32,
}

/// What the policy saw and asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Replicas asked for.
    pub asks: u32,
    /// Average in flight over the stable window, in thousandths.
    pub stable_milli: u64,
    /// Average over the panic window.
    pub panic_milli: u64,
    /// True during a burst.
    pub panicking: bool,
}

/// Takes the newest sample in and asks for replicas.
pub fn evaluate(
    spec: &Concurrency,
    memory: &mut Memory,
    in_flight: &Gauge,
    capacity: &Capacity,
    now: Time,
) -> Report {
    memory.take_in(in_flight, spec.stable_window_s, now);
    let stable_milli = memory.average_milli(spec.stable_window_s, now);
    let panic_milli = memory.average_milli(spec.panic_window_s, now);
    let wanted =
        |milli: u64| u32::try_from(milli.div_ceil(spec.target_milli.max(1) as u64)).unwrap_or(u32::MAX);
    let (calm, burst) = (wanted(stable_milli), wanted(panic_milli));

    let ready = u64::from(capacity.ready.max(1));
    let over = u64::from(burst) * 100 >= u64::from(spec.panic_threshold_pct) * ready;
    let highest = memory.panic.map_or(0, |panic| panic.replicas).max(burst);
    memory.panic = match memory.panic {
        _ if over => Some(Panic { at: now, replicas: highest }),
        Some(panic) if panic.at.plus_s(spec.stable_window_s) > now => {
            Some(Panic { replicas: highest, ..panic })
        }
        _ => None,
    };
    let asks = memory.panic.map_or(calm, |panic| calm.max(panic.replicas));
    Report { asks, stable_milli, panic_milli, panicking: memory.panic.is_some() }
}

// === impl Memory ===

impl Memory {
    /// Seconds that are remembered.
    pub(super) fn len(&self) -> usize {
        self.seconds.len()
    }

    /// At most one entry per second of the window.
    fn take_in(&mut self, sample: &Gauge, window_s: u32, now: Time) {
        let second = now.0.div_euclid(1000);
        self.seconds.retain(|one| one.second > second - i64::from(window_s) && one.second <= second);
        match self.seconds.last_mut().filter(|last| last.second == second) {
            Some(last) => {
                last.sum_milli = last.sum_milli.saturating_add(sample.milli);
                last.samples += 1;
            }
            None => self.seconds.push(Second { second, sum_milli: sample.milli, samples: 1 }),
        }
    }

    /// Every second counts once, however many samples it has; seconds without a sample do not count.
    fn average_milli(&self, window_s: u32, now: Time) -> u64 {
        let after = now.0.div_euclid(1000) - i64::from(window_s);
        let within = self.seconds.iter().filter(|one| one.second > after);
        let mean = |one: &Second| u128::from(one.sum_milli) / u128::from(one.samples.max(1));
        let (sum, count) = within.fold((0_u128, 0_u128), |(sum, count), one| (sum + mean(one), count + 1));
        sum.checked_div(count).map_or(0, |average| u64::try_from(average).unwrap_or(u64::MAX))
    }
}
