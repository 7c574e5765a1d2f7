//! How long jobs wait and run, as histograms in the manner of Prometheus.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Millis;

/// Upper bounds in milliseconds: from a wake-up on an idle machine to a model call with its retries.
const BOUNDS_MS: [u64; 16] =
    [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 120_000, 600_000];

/// What one worker measures. Read it at any time from anywhere.
#[derive(Debug, Default)]
pub struct WorkerMetrics {
    /// From becoming claimable to the start of the handler.
    pub wait: Histogram,
    /// From the start of the handler to its end.
    pub run: Histogram,
}

/// Counts of durations by size.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BOUNDS_MS.len() + 1],
    sum_ms: AtomicU64,
}

/// A histogram at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct HistogramSnapshot {
    /// Upper bound in seconds and how many durations were at most that; the last bound is infinite.
    pub cumulative: Vec<(f64, u64)>,
    /// Sum of all durations in seconds.
    pub sum_s: f64,
    /// How many there were.
    pub count: u64,
}

// === impl Histogram ===

impl Histogram {
    pub(super) fn record_ms(&self, duration_ms: Millis) {
        let ms = duration_ms.max(0).unsigned_abs();
        let bucket = BOUNDS_MS.partition_point(|bound| *bound < ms);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// The counts now.
    pub fn snapshot(&self) -> HistogramSnapshot {
        let mut count = 0;
        let bounds = BOUNDS_MS.iter().map(|ms| *ms as f64 / 1000.0).chain([f64::INFINITY]);
        let cumulative = bounds
            .zip(&self.buckets)
            .map(|(bound, n)| {
                count += n.load(Ordering::Relaxed);
                (bound, count)
            })
            .collect();
        HistogramSnapshot { cumulative, sum_s: self.sum_ms.load(Ordering::Relaxed) as f64 / 1000.0, count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_what_is_at_most_their_bound() {
        let h = Histogram::default();
        for ms in [-5, 0, 1, 2, 3, 600_000, 600_001] {
            h.record_ms(ms);
        }
        let seen = h.snapshot();
        assert_eq!(seen.cumulative[..3], [(0.001, 3), (0.002, 4), (0.005, 5)]);
        assert_eq!(seen.cumulative[15..], [(600.0, 6), (f64::INFINITY, 7)]);
        assert_eq!((seen.count, seen.sum_s), (7, 1200.007));
    }
}
