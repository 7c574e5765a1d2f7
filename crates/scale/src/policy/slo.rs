//! `slo`: the 95th percentile of the response time, from a queueing model. Latency is not inversely proportional to the
//! number of instances, so a ratio of latencies (what a Value target does) asks for far too many or far too few.
//!
//! Wanted properties:
//! * with Poisson arrivals and exponential service the answer is the fewest instances whose M/M/c percentile is inside;
//! * more arrivals, slower service, a tighter target: never fewer instances;
//! * when the target is below what one request takes without any wait, no count can reach it: then it asks for as many
//!   as make waiting rare, says so, and does not run off to the maximum.

use serde::{Deserialize, Serialize};

use super::signals::Traffic;
use crate::queueing::{Erlang, Variability, fewest_instances};
use crate::spec::policy::Slo;

const SHARE: f64 = 0.95;

/// What the policy saw and asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Replicas asked for.
    pub asks: u32,
    /// Percentile the model predicts with them, absent when they do not keep up.
    pub predicted_p95_us: Option<u64>,
    /// True when no number of instances reaches the target.
    pub unreachable: bool,
}

/// Asks for replicas.
pub fn evaluate(spec: &Slo, traffic: &Traffic, max: u32) -> Report {
    let arrivals_per_s = traffic.arrivals_milli_per_s as f64 / 1000.0;
    let service_s = traffic.service_us as f64 / 1e6;
    let offered = arrivals_per_s * service_s;
    let model = Model::of(traffic);
    if offered <= 0.0 {
        let predicted = Some((model.alone * service_s * 1e6) as u64);
        let unreachable = model.alone * service_s > spec.p95_s;
        return Report { asks: 0, predicted_p95_us: predicted, unreachable };
    }
    let wanted = spec.p95_s / service_s;
    let unreachable = model.alone > wanted;
    // Out of reach: then at least nobody but one in twenty waits.
    let pleases = |queue: &Erlang| {
        if unreachable { queue.wait_probability() <= 1.0 - SHARE } else { model.response(queue) <= wanted }
    };
    let asks = fewest_instances(offered, spec.slots, max, pleases);
    let then = Erlang::new(offered).with_servers(asks.saturating_mul(spec.slots.max(1)));
    let predicted_s = model.response(&then) * service_s;
    let predicted_p95_us = predicted_s.is_finite().then_some((predicted_s * 1e6) as u64);
    Report { asks, predicted_p95_us, unreachable }
}

/// Percentiles in units of the mean service time.
struct Model {
    variability: Variability,
    /// Percentile of the service time alone.
    alone: f64,
    /// Service times are exponential: the response has a closed form.
    exponential: bool,
}

// === impl Model ===

impl Model {
    fn of(traffic: &Traffic) -> Self {
        let ratio = |milli: Option<u64>| milli.map_or(1.0, |milli| milli as f64 / 1000.0);
        let variability = Variability {
            arrivals: ratio(traffic.arrival_cv2_milli),
            service: ratio(traffic.service_cv2_milli),
        };
        let measured = traffic.service_p95_us.map(|us| us as f64 / traffic.service_us.max(1) as f64);
        // Without a measured percentile: exponential, or for other variabilities the mean and 1.65 deviations.
        let exponential = measured.is_none() && variability.service == 1.0;
        let assumed = if exponential { 20_f64.ln() } else { 1.0 + 1.65 * variability.service.sqrt() };
        Self { variability, alone: measured.unwrap_or(assumed), exponential }
    }

    /// The response time. For general service the distances of both percentiles from their means are combined as
    /// independent deviations are; with no wait that is exactly the percentile of the service time.
    fn response(&self, queue: &Erlang) -> f64 {
        if self.exponential {
            return queue.response_quantile(SHARE, self.variability);
        }
        let mean_wait = queue.mean_wait(self.variability);
        let wait = queue.wait_quantile(SHARE, self.variability);
        if !wait.is_finite() {
            return f64::INFINITY;
        }
        mean_wait + 1.0 + (wait - mean_wait).max(0.0).hypot(self.alone - 1.0)
    }
}
