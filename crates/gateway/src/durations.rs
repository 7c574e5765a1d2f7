//! Durations counted by size, in a bounded and mergeable form.
//!
//! Four buckets to each doubling from one millisecond to a minute, so a percentile is off by at most a seventh; mean and
//! variance are exact. Counting one costs a few shifts, however many buckets there are.

use std::time::Duration;

/// Durations below `1 << FIRST` microseconds share the first bucket, those from `1 << LAST` on the last.
const FIRST: u32 = 10;
const LAST: u32 = 26;
/// Buckets to a doubling.
const STEPS: usize = 4;
const BUCKETS: usize = (LAST - FIRST) as usize * STEPS + 2;

/// How often durations of each size were seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Durations {
    buckets: [u64; BUCKETS],
    sum_us: u64,
    /// Of squares of seconds.
    squares: f64,
}

// === impl Durations ===

impl Durations {
    /// Counts one.
    pub fn record(&mut self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket(us)] += 1;
        self.sum_us = self.sum_us.saturating_add(us);
        self.squares += duration.as_secs_f64().powi(2);
    }

    /// Adds what others have counted.
    pub fn add(&mut self, other: &Self) {
        for (own, more) in self.buckets.iter_mut().zip(other.buckets) {
            *own += more;
        }
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
        self.squares += other.squares;
    }

    /// What was counted since `before`; none when that is no earlier state of this.
    pub fn since(&self, before: &Self) -> Option<Self> {
        let mut since = self.clone();
        for (own, less) in since.buckets.iter_mut().zip(before.buckets) {
            *own = own.checked_sub(less)?;
        }
        since.sum_us = since.sum_us.checked_sub(before.sum_us)?;
        since.squares = (since.squares - before.squares).max(0.0);
        Some(since)
    }

    /// Lets everything counted so far count half.
    pub fn halve(&mut self) {
        let (before, sum_us, squares) = (self.count(), self.sum_us, self.squares);
        self.buckets.iter_mut().for_each(|count| *count /= 2);
        // Odd counts lose a half: sums go down by the same share, so that the mean stays.
        let share = self.count() as f64 / before.max(1) as f64;
        self.sum_us = (sum_us as f64 * share) as u64;
        self.squares = squares * share;
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Sum of all in seconds.
    pub fn sum_s(&self) -> f64 {
        self.sum_us as f64 / 1e6
    }

    /// Mean in microseconds; none when nothing was counted.
    pub fn mean_us(&self) -> Option<u64> {
        self.sum_us.checked_div(self.count())
    }

    /// Squared coefficient of variation in thousandths: 0 for durations that are all the same, 1000 for exponential ones.
    pub fn cv2_milli(&self) -> Option<u64> {
        let count = self.count() as f64;
        let mean_s = self.sum_s() / count;
        let variance = (self.squares / count - mean_s * mean_s).max(0.0);
        let cv2 = variance / (mean_s * mean_s);
        cv2.is_finite().then_some((cv2 * 1000.0).round() as u64)
    }

    /// The duration that a `share` (0 to 1) of all is below, in microseconds; none when nothing was counted. Within a
    /// bucket they are taken for evenly spread; beyond the last bound for as long as that.
    pub fn quantile_us(&self, share: f64) -> Option<u64> {
        let rank = share.clamp(0.0, 1.0) * self.count() as f64;
        let mut below = 0.0;
        let mut lower = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            let upper = bound_us(index).unwrap_or(lower);
            let count = *count as f64;
            if count > 0.0 && below + count >= rank {
                let part = ((rank - below) / count).clamp(0.0, 1.0);
                return Some(lower + ((upper - lower) as f64 * part) as u64);
            }
            (below, lower) = (below + count, upper);
        }
        None
    }

    /// Upper bound in seconds of each doubling (the last is infinite) and how many lie between it and the one before.
    pub fn doublings(&self) -> Vec<(f64, u64)> {
        let (first, rest) = (self.buckets[0], &self.buckets[1..]);
        let bound_s = |index: usize| bound_us(index).map_or(f64::INFINITY, |us| us as f64 / 1e6);
        let mut doublings = vec![(bound_s(0), first)];
        doublings.extend(rest.chunks(STEPS).enumerate().map(|(octave, counts)| {
            let last = 1 + octave * STEPS + counts.len() - 1;
            (bound_s(last), counts.iter().sum())
        }));
        doublings
    }

    /// Counts, sum in microseconds and sum of squared seconds, to be stored.
    pub fn to_parts(&self) -> (Vec<u64>, u64, f64) {
        (self.buckets.to_vec(), self.sum_us, self.squares)
    }

    /// From what [`Durations::to_parts`] gave; empty when it is of another kind.
    pub fn from_parts((buckets, sum_us, squares): (Vec<u64>, u64, f64)) -> Self {
        match buckets.try_into() {
            Ok(buckets) => Self { buckets, sum_us, squares },
            Err(_) => Self::default(),
        }
    }
}

impl Default for Durations {
    fn default() -> Self {
        Self { buckets: [0; BUCKETS], sum_us: 0, squares: 0.0 }
    }
}

fn bucket(us: u64) -> usize {
    let octave = us.max(1).ilog2();
    match octave {
        0..FIRST => 0,
        FIRST..LAST => {
            let step = (us >> (octave - 2)) as usize % STEPS;
            1 + (octave - FIRST) as usize * STEPS + step
        }
        _ => BUCKETS - 1,
    }
}

/// Where bucket `index` ends; none for the last.
fn bound_us(index: usize) -> Option<u64> {
    let Some(inner) = index.checked_sub(1) else { return Some(1 << FIRST) };
    let octave = FIRST + u32::try_from(inner / STEPS).ok()?;
    (octave < LAST).then(|| (STEPS as u64 + 1 + (inner % STEPS) as u64) << (octave - 2))
}

#[cfg(test)]
mod tests;
