//! Requests from a series of rates and a stated arrival process.

use serde::{Deserialize, Serialize};

use super::{Request, Steady, Workload};
use crate::random::Random;
use crate::service::Delay;

/// A rate from some moment until the next step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RateStep {
    /// Seconds from the start.
    pub from_s: f64,
    /// Requests per second.
    pub per_s: f64,
}

/// How arrivals are spread at a given rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ArrivalProcess {
    /// Independent of each other.
    Poisson,
    /// At equal distances.
    Deterministic,
    /// Gamma-distributed distances with this coefficient of variation: above 1 burstier than Poisson.
    Gamma {
        /// Standard deviation over mean.
        cv: f64,
    },
}

/// A workload from rates.
///
/// Distances are drawn for rate 1 and stretched by the rate of the moment: a distance that crosses a step is used up partly
/// at the old rate and partly at the new one, so that no arrival is lost or gained at steps.
#[derive(Debug, Clone)]
pub struct Rates {
    steps: Vec<RateStep>,
    until_s: f64,
    process: ArrivalProcess,
    service: Delay,
    random: Random,
    now_s: f64,
    step: usize,
    /// When the step ends.
    step_until_s: f64,
}

// === impl Rates ===

impl Rates {
    /// `steps` in order of time; the last one holds until `until_s`.
    pub fn new(
        steps: Vec<RateStep>,
        until_s: f64,
        process: ArrivalProcess,
        service: Delay,
        seed: u64,
    ) -> Self {
        let now_s = steps.first().map_or(until_s, |first| first.from_s);
        let mut rates = Self {
            steps,
            until_s,
            process,
            service,
            random: Random::new(seed),
            now_s,
            step: 0,
            step_until_s: 0.0,
        };
        rates.enter(0);
        rates
    }

    /// One rate for so many seconds.
    pub fn constant(per_s: f64, until_s: f64, process: ArrivalProcess, service: Delay, seed: u64) -> Self {
        Self::new(vec![RateStep { from_s: 0.0, per_s }], until_s, process, service, seed)
    }

    fn enter(&mut self, step: usize) {
        self.step = step;
        self.step_until_s =
            self.steps.get(step + 1).map_or(self.until_s, |next| next.from_s.min(self.until_s));
    }

    #[inline]
    fn per_s(&self) -> f64 {
        self.steps.get(self.step).map_or(0.0, |step| step.per_s)
    }

    /// A distance at rate 1.
    #[inline]
    fn distance(&mut self) -> f64 {
        match self.process {
            ArrivalProcess::Poisson => self.random.exponential(1.0),
            ArrivalProcess::Deterministic => 1.0,
            ArrivalProcess::Gamma { cv } => self.random.gamma(1.0 / (cv * cv).max(1e-6), 1.0),
        }
    }
}

impl Workload for Rates {
    #[inline]
    fn next_request(&mut self) -> Option<Request> {
        let mut left = self.distance();
        loop {
            let per_s = self.per_s();
            let needed_s = if per_s > 0.0 { left / per_s } else { f64::INFINITY };
            if self.now_s + needed_s < self.step_until_s {
                self.now_s += needed_s;
                return Some(Request {
                    arrival_s: self.now_s,
                    service_s: self.service.draw(&mut self.random),
                });
            }
            if self.step_until_s >= self.until_s {
                self.now_s = self.until_s;
                return None;
            }
            left = (left - (self.step_until_s - self.now_s) * per_s).max(0.0);
            self.now_s = self.step_until_s;
            self.enter(self.step + 1);
        }
    }

    fn steady(&self) -> Option<Steady> {
        Some(Steady { until_s: self.step_until_s, per_s: self.per_s(), service_s: self.service.mean_s() })
    }

    fn shift(&mut self, by_s: f64) {
        self.now_s = (self.now_s + by_s).min(self.step_until_s);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rate_is_kept() {
        let steps = vec![
            RateStep { from_s: 0.0, per_s: 10.0 },
            RateStep { from_s: 1000.0, per_s: 0.0 },
            RateStep { from_s: 2000.0, per_s: 100.0 },
        ];
        for process in
            [ArrivalProcess::Poisson, ArrivalProcess::Deterministic, ArrivalProcess::Gamma { cv: 2.0 }]
        {
            let mut rates = Rates::new(steps.clone(), 3000.0, process, Delay::Fixed { s: 1.0 }, 1);
            let mut seen = [0_u32; 3];
            while let Some(request) = rates.next_request() {
                seen[(request.arrival_s / 1000.0) as usize] += 1;
            }
            assert!(
                seen[0].abs_diff(10_000) < 800 && seen[1] == 0 && seen[2].abs_diff(100_000) < 2_500,
                "{seen:?}"
            );
        }
    }
}
