//! `demandQuantile`: enough for all but the worst moments of the recent past. Bursts come back, and they come faster than
//! an instance starts: what is started when one is seen is ready when it is over. So the answer does not chase the load of
//! the moment, it keeps what the last minutes have shown to be needed, and forgets it after a window.
//!
//! The demand is what the instances would carry if nobody waited (arrivals times service time), so that a queue which grew
//! because there were too few instances is not mistaken for load.
//!
//! Wanted properties:
//! * at most `1 - quantile` of the requests of the window came in seconds with more demand than the answer carries;
//! * a higher quantile never asks for less; all demand times k asks for k times as much (within rounding);
//! * constant demand asks for exactly what it needs, and the answer to a step settles within the window;
//! * zero only when there was no demand in the whole window.
//!
//! It is *not* monotone in every single second: more requests in quiet seconds make the bursts a smaller share.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::signals::Gauge;
use crate::Time;
use crate::spec::policy::DemandQuantile;

/// Demand is remembered rounded down to steps of 1/256 of a power of two (0.4 % at most): two bytes a second.
const MANTISSA_BITS: u32 = 8;

/// What it remembers: the demand of each second of the window, the newest last.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Memory {
    /// The newest second.
    newest: i64,
    /// One per second; 0 for a second without demand or without a sample.
    levels: VecDeque<u16>,
}

/// What the policy saw and asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Replicas asked for.
    pub asks: u32,
    /// The demand that the wanted share of requests did not exceed, in thousandths.
    pub quantile_milli: u64,
    /// Demand now.
    pub now_milli: u64,
}

/// Takes the newest sample in and asks for replicas.
pub fn evaluate(spec: &DemandQuantile, memory: &mut Memory, demand: &Gauge, now: Time) -> Report {
    memory.take_in(demand.milli, spec.window_s, now);
    let quantile_milli = memory.quantile_milli(spec.quantile);
    let asks = quantile_milli.div_ceil(spec.per_instance_milli.max(1).unsigned_abs());
    Report { asks: u32::try_from(asks).unwrap_or(u32::MAX), quantile_milli, now_milli: demand.milli }
}

// === impl Memory ===

impl Memory {
    /// Several samples of a second count with the highest.
    fn take_in(&mut self, milli: u64, window_s: u32, now: Time) {
        let second = now.0.div_euclid(1000);
        let window = window_s.max(1) as usize;
        if self.levels.is_empty() {
            self.newest = second - 1;
        }
        let passed = usize::try_from(second.saturating_sub(self.newest)).unwrap_or(0).min(window);
        self.levels.extend(std::iter::repeat_n(0, passed));
        self.newest = self.newest.max(second);
        while self.levels.len() > window {
            self.levels.pop_front();
        }
        if let Some(newest) = self.levels.back_mut() {
            *newest = (*newest).max(level(milli));
        }
    }

    /// Every second weighs as much as its demand, that is, its requests.
    fn quantile_milli(&self, quantile: f64) -> u64 {
        let demanding = || self.levels.iter().copied().filter(|&level| level > 0);
        // Only the levels that occur: calm traffic needs a few hundred, not all of them.
        let (Some(lowest), Some(highest)) = (demanding().min(), demanding().max()) else { return 0 };
        let mut seconds = vec![0_u32; usize::from(highest - lowest) + 1];
        demanding().for_each(|level| seconds[usize::from(level - lowest)] += 1);
        let counted = || seconds.iter().enumerate().filter(|(_, count)| **count > 0);
        let weigh = |(above, &count): (usize, &u32)| milli(usize::from(lowest) + above) * f64::from(count);
        let total: f64 = counted().map(weigh).sum();
        let mut beyond = 0.0;
        // From above, so that the share beyond the answer is what is kept small.
        for (above, count) in counted().rev() {
            beyond += weigh((above, count));
            if beyond > (1.0 - quantile) * total {
                return milli(usize::from(lowest) + above).ceil() as u64;
            }
        }
        0
    }
}

/// The logarithm of a demand, from the bits of its floating point form; 0 for none.
fn level(milli: u64) -> u16 {
    if milli == 0 {
        return 0;
    }
    let bits = (milli as f64).to_bits();
    u16::try_from((bits >> (52 - MANTISSA_BITS)) - (1023 << MANTISSA_BITS) + 1).unwrap_or(u16::MAX)
}

/// The demand of a level.
fn milli(level: usize) -> f64 {
    match level {
        0 => 0.0,
        _ => f64::from_bits((level as u64 - 1 + (1023 << MANTISSA_BITS)) << (52 - MANTISSA_BITS)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_hardly_less_than_the_demand() {
        for exact in [1, 7, 999, 8_000, 123_456, 999_999_999] {
            let kept = milli(usize::from(level(exact)));
            let share = kept / exact as f64;
            assert!(share <= 1.0 && share > 0.996, "{exact} became {kept}");
        }
        assert_eq!(milli(usize::from(level(0))), 0.0);
    }
}
