//! How long jobs wait and run, as histograms in the manner of Prometheus.
//!
//! A worker counts in its own memory; about once a second it adds what is new to the queue's own table, so that anybody
//! who can read the queue can read them. A worker that is killed takes the counts of its last second with it.

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
    buckets: [Bucket; BOUNDS_MS.len() + 1],
}

#[derive(Debug, Default)]
struct Bucket {
    count: AtomicU64,
    sum_ms: AtomicU64,
}

/// How long the jobs of a queue have waited and run, by all its workers, since it exists.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueTimes {
    /// Name of the queue.
    pub queue: String,
    /// From becoming claimable to the start of the handler, one for each attempt.
    pub wait: HistogramSnapshot,
    /// From the start of the handler to its end, however it ended.
    pub run: HistogramSnapshot,
}

/// Which of the two histograms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Wait = 0,
    Run = 1,
}

/// A bucket that has something in it, as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timed {
    pub(crate) kind: Kind,
    /// Upper bound in milliseconds; [`NO_BOUND`] for the last.
    pub(crate) le_ms: i64,
    pub(crate) count: i64,
    pub(crate) sum_ms: i64,
}

/// Stands for the bound of the last bucket.
pub(crate) const NO_BOUND: i64 = i64::MAX;

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
    pub(crate) fn record_ms(&self, duration_ms: Millis) {
        let ms = duration_ms.max(0).unsigned_abs();
        let bucket = &self.buckets[BOUNDS_MS.partition_point(|bound| *bound < ms)];
        bucket.count.fetch_add(1, Ordering::Relaxed);
        bucket.sum_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// The counts now.
    pub fn snapshot(&self) -> HistogramSnapshot {
        let mut totals = [(0, 0); BOUNDS_MS.len() + 1];
        for (total, bucket) in totals.iter_mut().zip(&self.buckets) {
            *total = (bucket.count.load(Ordering::Relaxed), bucket.sum_ms.load(Ordering::Relaxed));
        }
        HistogramSnapshot::of(&totals)
    }

    /// Takes everything out that has been counted.
    fn drain(&self, kind: Kind, out: &mut Vec<Timed>) {
        let bounds = BOUNDS_MS.iter().map(|ms| ms.cast_signed()).chain([NO_BOUND]);
        for (le_ms, bucket) in bounds.zip(&self.buckets) {
            let count = bucket.count.swap(0, Ordering::Relaxed).cast_signed();
            let sum_ms = bucket.sum_ms.swap(0, Ordering::Relaxed).cast_signed();
            if count > 0 || sum_ms > 0 {
                out.push(Timed { kind, le_ms, count, sum_ms });
            }
        }
    }

    fn add(&self, timed: &Timed) {
        let bucket = &self.buckets[BOUNDS_MS.partition_point(|bound| bound.cast_signed() < timed.le_ms)];
        bucket.count.fetch_add(timed.count.max(0).unsigned_abs(), Ordering::Relaxed);
        bucket.sum_ms.fetch_add(timed.sum_ms.max(0).unsigned_abs(), Ordering::Relaxed);
    }
}

// === impl HistogramSnapshot ===

impl HistogramSnapshot {
    /// From count and sum of each bucket.
    fn of(buckets: &[(u64, u64); BOUNDS_MS.len() + 1]) -> Self {
        let (mut count, mut sum_ms) = (0, 0);
        let bounds = BOUNDS_MS.iter().map(|ms| *ms as f64 / 1000.0).chain([f64::INFINITY]);
        let mut cumulative = Vec::with_capacity(buckets.len());
        for (bound, (n, sum)) in bounds.zip(buckets) {
            (count, sum_ms) = (count + n, sum_ms + sum);
            cumulative.push((bound, count));
        }
        Self { cumulative, sum_s: sum_ms as f64 / 1000.0, count }
    }
}

// === impl WorkerMetrics ===

impl WorkerMetrics {
    pub(crate) fn drain(&self) -> Vec<Timed> {
        let mut timed = Vec::new();
        self.wait.drain(Kind::Wait, &mut timed);
        self.run.drain(Kind::Run, &mut timed);
        timed
    }

    pub(crate) fn add(&self, timed: &[Timed]) {
        for one in timed {
            match one.kind {
                Kind::Wait => self.wait.add(one),
                Kind::Run => self.run.add(one),
            }
        }
    }
}

// === impl QueueTimes ===

impl QueueTimes {
    /// One for each queue, from rows that come queue by queue.
    pub(crate) fn from_rows(rows: impl IntoIterator<Item = (String, Timed)>) -> Vec<Self> {
        let mut queues: Vec<(String, WorkerMetrics)> = Vec::new();
        for (queue, timed) in rows {
            if queues.last().is_none_or(|(last, _)| *last != queue) {
                queues.push((queue, WorkerMetrics::default()));
            }
            if let Some((_, metrics)) = queues.last() {
                metrics.add(&[timed]);
            }
        }
        let times = |(queue, metrics): (String, WorkerMetrics)| Self {
            queue,
            wait: metrics.wait.snapshot(),
            run: metrics.run.snapshot(),
        };
        queues.into_iter().map(times).collect()
    }
}

// === impl Kind ===

impl Kind {
    pub(crate) fn from_stored(stored: i64) -> Self {
        if stored == Kind::Wait as i64 { Kind::Wait } else { Kind::Run }
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

    #[test]
    fn counts_move_from_one_to_another_and_none_is_lost() {
        let (worker, queue) = (WorkerMetrics::default(), WorkerMetrics::default());
        for ms in [1, 3, 7_000_000] {
            worker.wait.record_ms(ms);
            worker.run.record_ms(ms);
        }
        let before = (worker.wait.snapshot(), worker.run.snapshot());
        queue.add(&worker.drain());
        assert_eq!((queue.wait.snapshot(), queue.run.snapshot()), before);
        assert_eq!(worker.drain(), []);
    }
}
