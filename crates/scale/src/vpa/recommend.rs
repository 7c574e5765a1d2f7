//! From usage to a recommendation: VPA.md "Estimate".

use serde::{Deserialize, Serialize};

use super::estimate::{amount, confidence, confidence_factor, scale_amount, with_margin};
use super::{ContainerUsage, defaults};

/// CPU and memory of one container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Amounts {
    /// Millicores.
    pub cpu_milli: i64,
    /// Bytes.
    pub memory_bytes: i64,
}

/// What a container should request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recommendation {
    /// Best request, inside the policy.
    pub target: Amounts,
    /// Below this a restart is worth it.
    pub lower: Amounts,
    /// Above this a restart is worth it.
    pub upper: Amounts,
    /// Best request without the policy.
    pub uncapped_target: Amounts,
}

/// Limits that the owner of a service sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// Least CPU, in millicores.
    pub min_cpu_milli: Option<i64>,
    /// Most CPU, in millicores.
    pub max_cpu_milli: Option<i64>,
    /// Least memory, in bytes.
    pub min_memory_bytes: Option<i64>,
    /// Most memory, in bytes.
    pub max_memory_bytes: Option<i64>,
}

/// What each of several containers gets of the least an instance should have.
pub fn pod_minimum(least: Amounts, containers: u32) -> Amounts {
    let share = 1.0 / f64::from(containers.max(1));
    Amounts {
        cpu_milli: scale_amount(least.cpu_milli, share),
        memory_bytes: scale_amount(least.memory_bytes, share),
    }
}

/// Percentile, then margin, then confidence factor, then the instance's minimum, then the policy.
pub fn recommend(usage: &ContainerUsage, containers: u32, policy: &Policy) -> Recommendation {
    let confidence =
        confidence(usage.lifespan_s(), usage.samples(), f64::from(defaults::CONFIDENCE_INTERVAL_S));
    let least =
        Amounts { cpu_milli: defaults::POD_MIN_CPU_MILLI, memory_bytes: defaults::POD_MIN_MEMORY_BYTES };
    let minimum = pod_minimum(least, containers);
    let estimate = |share: f64, factor: f64| {
        let sized = |percentile: f64| scale_amount(with_margin(amount(percentile), defaults::MARGIN), factor);
        Amounts {
            cpu_milli: sized(usage.cpu().percentile(share) * 1000.0).max(minimum.cpu_milli),
            memory_bytes: sized(usage.memory().percentile(share)).max(minimum.memory_bytes),
        }
    };
    let bound = |(multiplier, exponent)| confidence_factor(confidence, multiplier, exponent);
    let uncapped_target = estimate(defaults::TARGET_PERCENTILE, 1.0);
    Recommendation {
        target: policy.cap(uncapped_target),
        lower: policy.cap(estimate(defaults::LOWER_PERCENTILE, bound(defaults::LOWER_CONFIDENCE))),
        upper: policy.cap(estimate(defaults::UPPER_PERCENTILE, bound(defaults::UPPER_CONFIDENCE))),
        uncapped_target,
    }
}

// === impl Policy ===

impl Policy {
    fn cap(&self, amounts: Amounts) -> Amounts {
        let within = |value: i64, min: Option<i64>, max: Option<i64>| {
            value.max(min.unwrap_or(i64::MIN)).min(max.unwrap_or(i64::MAX))
        };
        Amounts {
            cpu_milli: within(amounts.cpu_milli, self.min_cpu_milli, self.max_cpu_milli),
            memory_bytes: within(amounts.memory_bytes, self.min_memory_bytes, self.max_memory_bytes),
        }
    }
}
