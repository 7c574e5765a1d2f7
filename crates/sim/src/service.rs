//! What is scaled: instances with slots, a start-up time and a price.

use serde::{Deserialize, Serialize};

use crate::random::Random;

/// A service as far as scaling is concerned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Requests one instance serves at once.
    pub slots: u32,
    /// Time from the request for an instance until it is ready.
    pub startup: Delay,
    /// Price of one instance, per hour, in whatever money.
    pub price_per_hour: f64,
    /// Requests that may wait; a further one is dropped. Unlimited when absent.
    #[serde(default)]
    pub queue_limit: Option<usize>,
    /// Instances that are ready when the run begins.
    pub initial_replicas: u32,
}

/// A time that differs from one draw to the next.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Delay {
    /// Always the same.
    Fixed {
        /// Seconds.
        s: f64,
    },
    /// Anything between two bounds.
    Uniform {
        /// Least seconds.
        low_s: f64,
        /// Most seconds.
        high_s: f64,
    },
    /// Logarithm normally distributed: most are near the median and a few take very long.
    LogNormal {
        /// Median seconds.
        median_s: f64,
        /// Deviation of the natural logarithm.
        sigma: f64,
    },
    /// Exponentially distributed.
    Exponential {
        /// Mean seconds.
        mean_s: f64,
    },
}

// === impl Service ===

impl Default for Service {
    fn default() -> Self {
        Self {
            slots: 8,
            startup: Delay::Fixed { s: 60.0 },
            price_per_hour: 1.0,
            queue_limit: None,
            initial_replicas: 1,
        }
    }
}

// === impl Delay ===

impl Delay {
    /// One draw, in seconds.
    #[inline]
    pub fn draw(&self, random: &mut Random) -> f64 {
        match *self {
            Self::Fixed { s } => s,
            Self::Uniform { low_s, high_s } => low_s + (high_s - low_s) * random.uniform(),
            Self::LogNormal { median_s, sigma } => median_s * (sigma * random.normal()).exp(),
            Self::Exponential { mean_s } => random.exponential(mean_s),
        }
    }

    /// The mean, in seconds.
    pub fn mean_s(&self) -> f64 {
        match *self {
            Self::Fixed { s } => s,
            Self::Uniform { low_s, high_s } => f64::midpoint(low_s, high_s),
            Self::LogNormal { median_s, sigma } => median_s * (sigma * sigma / 2.0).exp(),
            Self::Exponential { mean_s } => mean_s,
        }
    }

    /// The time that this share does not exceed, in seconds.
    pub fn quantile_s(&self, share: f64) -> f64 {
        match *self {
            Self::Fixed { s } => s,
            Self::Uniform { low_s, high_s } => low_s + (high_s - low_s) * share,
            Self::LogNormal { median_s, sigma } => median_s * (sigma * normal_quantile(share)).exp(),
            Self::Exponential { mean_s } => -(1.0 - share).ln() * mean_s,
        }
    }
}

/// Quantile of the standard normal distribution by bisection of a series for its integral: slow and simple.
fn normal_quantile(share: f64) -> f64 {
    // Integral from 0 to x of the density, by the Taylor series that only adds positive terms.
    let integral = |x: f64| {
        let (mut term, mut sum, mut n) = (x, x, 1.0);
        while term.abs() > 1e-15 * sum.abs().max(1e-300) {
            n += 2.0;
            term *= x * x / n;
            sum += term;
        }
        sum * (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt()
    };
    let (mut low, mut high) = (-8.0, 8.0);
    for _ in 0..80 {
        let middle = f64::midpoint(low, high);
        if 0.5 + integral(middle) < share { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_draws() {
        let mut random = Random::new(3);
        for delay in [
            Delay::Uniform { low_s: 10.0, high_s: 20.0 },
            Delay::LogNormal { median_s: 30.0, sigma: 0.5 },
            Delay::Exponential { mean_s: 4.0 },
        ] {
            let mut draws: Vec<f64> = (0..100_000).map(|_| delay.draw(&mut random)).collect();
            draws.sort_by(f64::total_cmp);
            let mean = draws.iter().sum::<f64>() / draws.len() as f64;
            assert!((mean / delay.mean_s() - 1.0).abs() < 0.02, "{delay:?}: mean {mean}");
            let p95 = draws[95_000];
            assert!((p95 / delay.quantile_s(0.95) - 1.0).abs() < 0.02, "{delay:?}: p95 {p95}");
        }
    }
}
