//! Right-sizing: what CPU and memory an instance should ask for, after the recommender of the Kubernetes Vertical Pod
//! Autoscaler (constants and order of steps as read in `vertical-pod-autoscaler/pkg/recommender`).
//!
//! Usage feeds decaying histograms ([`ContainerUsage`]), percentiles of which, with margins, become a
//! [`Recommendation`]; [`advise`] compares that with what is requested and says what the [`Mode`] makes of it. Nothing
//! here acts: advice is shown, and applied only by a mode that asks for it.

mod advice;
mod buckets;
mod estimate;
mod histogram;
mod recommend;
mod usage;

pub use advice::{Advice, Apply, Because, Due, Member, Mode, ResourceAdvice, Verdict, Wish, advise, owner};
pub use buckets::Buckets;
pub use estimate::{amount, confidence, confidence_factor, scale_amount, with_margin};
pub use histogram::{Checkpoint, Histogram};
pub use recommend::{Amounts, Policy, Recommendation, pod_minimum, recommend};
pub use usage::{ContainerUsage, OomTooOld, UsageCheckpoint, oom_sample};

/// Constants of the recommender and the updater.
pub mod defaults {
    /// Half-life of every sample, in seconds.
    pub const HALF_LIFE_S: u32 = 24 * 3600;
    /// One memory peak is kept per this many seconds.
    pub const MEMORY_INTERVAL_S: u32 = 24 * 3600;
    /// Weight of a CPU sample.
    pub const CPU_SAMPLE_WEIGHT: f64 = 0.1;
    /// Percentile of the target.
    pub const TARGET_PERCENTILE: f64 = 0.9;
    /// Percentile of the lower bound.
    pub const LOWER_PERCENTILE: f64 = 0.5;
    /// Percentile of the upper bound.
    pub const UPPER_PERCENTILE: f64 = 0.95;
    /// Share added to every percentile.
    pub const MARGIN: f64 = 0.15;
    /// Least CPU of an instance, in millicores.
    pub const POD_MIN_CPU_MILLI: i64 = 25;
    /// Least memory of an instance, in bytes.
    pub const POD_MIN_MEMORY_BYTES: i64 = 250 * 1024 * 1024;
    /// History that gives a confidence of 1, in seconds.
    pub const CONFIDENCE_INTERVAL_S: u32 = 24 * 3600;
    /// Multiplier and exponent of the upper bound's confidence factor.
    pub const UPPER_CONFIDENCE: (f64, f64) = (1.0, 1.0);
    /// Multiplier and exponent of the lower bound's confidence factor.
    pub const LOWER_CONFIDENCE: (f64, f64) = (0.001, -2.0);
    /// Largest amount of anything.
    pub const MAX_AMOUNT: f64 = 1e14;
    /// After running out of memory: at least this many times the memory used.
    pub const OOM_BUMP_RATIO: f64 = 1.2;
    /// After running out of memory: at least this many bytes more than used.
    pub const OOM_MIN_BUMP_BYTES: i64 = 100 * 1024 * 1024;
    /// Fewer replicas are never restarted for new sizes.
    pub const MIN_REPLICAS: u32 = 2;
    /// At most this share of the replicas is restarted at once.
    pub const EVICTION_TOLERANCE: f64 = 0.5;
    /// Relative change that is worth a restart.
    pub const CHANGE_THRESHOLD: f64 = 0.1;
    /// Younger instances are not restarted for a mere improvement, in seconds.
    pub const LIFETIME_THRESHOLD_S: u32 = 12 * 3600;
    /// Running out of memory this soon after the start is worth a restart, in seconds.
    pub const EVICT_AFTER_OOM_S: u32 = 600;
}
