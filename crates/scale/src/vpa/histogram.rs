//! A histogram whose samples may lose half of their weight per half-life.
//!
//! Decay is exact and costs nothing per read: instead of shrinking old samples, new ones are weighted up relative to a
//! reference time, which moves on before the factors overflow.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Buckets;
use crate::Time;

/// The reference moves on when a sample is more than this many half-lives after it.
const MAX_HALF_LIVES: i64 = 100;
/// The heaviest bucket of a checkpoint.
const CHECKPOINT_SCALE: f64 = 10_000.0;
/// Go's zero time (the year 1), where every reference starts and to which rounding refers.
const YEAR_ONE: Time = Time(-62_135_596_800_000);

/// Weights over buckets.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    buckets: Buckets,
    /// Weights below this count as nothing.
    epsilon: f64,
    half_life_s: Option<u32>,
    reference: Time,
    weights: Vec<f64>,
    total: f64,
    /// First bucket that is not empty, or the last bucket.
    min: usize,
    /// Last bucket that is not empty, or the first bucket.
    max: usize,
}

/// A histogram made small: weights as integers, the largest 10 000; what rounds to 0 is dropped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Reference time of the decay.
    pub reference: Time,
    /// Sum of all weights.
    pub total: f64,
    /// Scaled weight by bucket.
    pub buckets: BTreeMap<usize, u32>,
}

// === impl Histogram ===

impl Histogram {
    /// An empty histogram; without a half-life nothing decays.
    pub fn new(buckets: Buckets, epsilon: f64, half_life_s: Option<u32>) -> Self {
        let count = buckets.count();
        Self {
            buckets,
            epsilon,
            half_life_s,
            reference: YEAR_ONE,
            weights: vec![0.0; count],
            total: 0.0,
            min: count - 1,
            max: 0,
        }
    }

    /// True when no bucket has a weight that counts.
    pub fn is_empty(&self) -> bool {
        self.weights[self.min] < self.epsilon
    }

    /// Adds a sample.
    pub fn add(&mut self, value: f64, weight: f64, at: Time) {
        let weight = weight * self.factor(at);
        let bucket = self.buckets.find(value);
        self.weights[bucket] += weight;
        self.total += weight;
        if self.weights[bucket] >= self.epsilon {
            self.min = self.min.min(bucket);
            self.max = self.max.max(bucket);
        }
    }

    /// Takes a sample back.
    pub fn subtract(&mut self, value: f64, weight: f64, at: Time) {
        let weight = weight * self.factor(at);
        let bucket = self.buckets.find(value);
        let rest = |from: f64| if from - weight < self.epsilon { 0.0 } else { from - weight };
        (self.weights[bucket], self.total) = (rest(self.weights[bucket]), rest(self.total));
        self.tighten();
    }

    /// The value below which this share of the weight lies: the end of its bucket, except for the open last one; 0 when
    /// there is nothing.
    pub fn percentile(&self, share: f64) -> f64 {
        if self.is_empty() {
            return 0.0;
        }
        let threshold = share * self.total;
        let mut sum = 0.0;
        let mut bucket = self.min;
        while bucket < self.max {
            sum += self.weights[bucket];
            if sum >= threshold {
                break;
            }
            bucket += 1;
        }
        let last = self.weights.len() - 1;
        self.buckets.start(if bucket < last { bucket + 1 } else { bucket })
    }

    /// Adds another histogram of the same layout; the older reference is moved to the newer.
    pub fn merge(&mut self, other: &Self) {
        let mut other = other.clone();
        if self.reference < other.reference {
            self.shift_to(other.reference);
        } else if other.reference < self.reference {
            other.shift_to(self.reference);
        }
        for (own, added) in self.weights.iter_mut().zip(&other.weights) {
            *own += added;
        }
        self.total += other.total;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// The small form.
    pub fn checkpoint(&self) -> Checkpoint {
        let heaviest = self.weights[self.min.min(self.max)..=self.max].iter().copied().fold(0.0, f64::max);
        let scaled = |weight: f64| (weight * CHECKPOINT_SCALE / heaviest).round() as u32;
        let buckets = (self.min..=self.max)
            .map(|bucket| (bucket, scaled(self.weights[bucket])))
            .filter(|(_, weight)| *weight > 0)
            .collect();
        Checkpoint { reference: self.reference, total: self.total, buckets }
    }

    /// Loads the small form on top of what is there; buckets beyond the layout are left out.
    pub fn restore(&mut self, checkpoint: &Checkpoint) {
        if checkpoint.reference > self.reference {
            self.shift_to(checkpoint.reference);
        }
        let sum: f64 = checkpoint.buckets.values().map(|weight| f64::from(*weight)).sum();
        if sum <= 0.0 || !checkpoint.total.is_finite() {
            return;
        }
        for (bucket, weight) in &checkpoint.buckets {
            if let Some(own) = self.weights.get_mut(*bucket) {
                *own += f64::from(*weight) * checkpoint.total / sum;
                self.min = self.min.min(*bucket);
                self.max = self.max.max(*bucket);
            }
        }
        self.total += checkpoint.total;
        self.tighten();
    }

    /// Weight of a sample at this time, relative to the reference.
    fn factor(&mut self, at: Time) -> f64 {
        let Some(half_life_s) = self.half_life_s else { return 1.0 };
        let half_life_ms = i64::from(half_life_s.max(1)) * 1000;
        if at.since_ms(self.reference) > MAX_HALF_LIVES * half_life_ms {
            self.shift_to(round_to(at, half_life_ms));
        }
        (at.since_ms(self.reference) as f64 / half_life_ms as f64).exp2()
    }

    fn shift_to(&mut self, reference: Time) {
        let Some(half_life_s) = self.half_life_s else { return };
        let half_life_ms = f64::from(half_life_s.max(1)) * 1000.0;
        let half_lives = (self.reference.since_ms(reference) as f64 / half_life_ms).round();
        let factor = half_lives.exp2();
        for weight in &mut self.weights {
            *weight *= factor;
        }
        self.total *= factor;
        self.reference = reference;
        self.tighten();
    }

    fn tighten(&mut self) {
        let last = self.weights.len() - 1;
        while self.min < last && self.weights[self.min] < self.epsilon {
            self.min += 1;
        }
        while self.max > 0 && self.weights[self.max] < self.epsilon {
            self.max -= 1;
        }
    }
}

/// The nearest multiple of an interval since the year 1; halves go up.
fn round_to(time: Time, interval_ms: i64) -> Time {
    let rest = time.since_ms(YEAR_ONE).rem_euclid(interval_ms);
    if rest + rest < interval_ms { Time(time.0 - rest) } else { Time(time.0 - rest + interval_ms) }
}
