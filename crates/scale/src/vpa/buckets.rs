//! Bucket layouts of a histogram.

use serde::{Deserialize, Serialize};

/// How values map to buckets. The last bucket is open to the top.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Buckets {
    /// Buckets of one size up to `max`.
    Linear {
        /// Values above share the last bucket.
        max: f64,
        /// Width of a bucket.
        size: f64,
    },
    /// Buckets that grow by a ratio up to `max`.
    Exponential {
        /// Values above share the last bucket.
        max: f64,
        /// Width of the first bucket.
        first: f64,
        /// Each bucket is this many times as wide as the one before.
        ratio: f64,
    },
}

// === impl Buckets ===

impl Buckets {
    /// Cores: 0.01 to 1000, 5 % growth.
    pub const CPU: Self = Self::Exponential { max: 1000.0, first: 0.01, ratio: 1.05 };
    /// Bytes: 10 MB to 1 TB, 5 % growth.
    pub const MEMORY: Self = Self::Exponential { max: 1e12, first: 1e7, ratio: 1.05 };

    /// How many there are.
    pub fn count(self) -> usize {
        match self {
            Self::Linear { max, size } => (max / size).ceil() as usize + 1,
            Self::Exponential { max, first, ratio } => {
                log(max * (ratio - 1.0) / first + 1.0, ratio).ceil() as usize + 1
            }
        }
    }

    /// Smallest value of a bucket.
    pub fn start(self, bucket: usize) -> f64 {
        match self {
            Self::Linear { size, .. } => bucket as f64 * size,
            Self::Exponential { first, ratio, .. } => {
                first * (ratio.powf(bucket as f64) - 1.0) / (ratio - 1.0)
            }
        }
    }

    /// The bucket of a value; below zero is the first, beyond the end the last.
    pub fn find(self, value: f64) -> usize {
        let bucket = match self {
            Self::Linear { size, .. } => value / size,
            Self::Exponential { first, .. } if value < first => 0.0,
            Self::Exponential { first, ratio, .. } => log(value * (ratio - 1.0) / first + 1.0, ratio),
        };
        // The cast truncates, and takes what is negative or not a number to 0.
        (bucket as usize).min(self.count() - 1)
    }
}

fn log(value: f64, base: f64) -> f64 {
    value.ln() / base.ln()
}
