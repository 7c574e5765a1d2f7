//! How long it takes from a change of a signal to the call that changes the number of instances.

use std::time::Instant;

use prometheus_client::{
    metrics::{family::Family, histogram::Histogram},
    registry::Registry,
};

use crate::wake::{Bell, Rung};

/// Upper bounds in seconds: from a look that follows at once to one that only the clock brought.
const BUCKETS_S: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5];

/// The delays of all scalings that a bell began. A change that rang no bell is not counted: nobody knows when it was.
pub(crate) struct Delays(Family<[(&'static str, &'static str); 1], Histogram>);

// === impl Delays ===

impl Delays {
    /// Notes that the fleet was asked for another number on these signals.
    pub(crate) fn record(&self, rung: &Rung, scaled: &[Bell]) {
        let now = Instant::now();
        for bell in scaled {
            if let Some(since) = rung.since(*bell) {
                let name = match bell {
                    Bell::Queue => "queue",
                    Bell::Edge => "edge",
                };
                let delay_s = now.saturating_duration_since(since).as_secs_f64();
                self.0.get_or_create(&[("signal", name)]).observe(delay_s);
            }
        }
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "control_signal_to_scale_seconds",
            "From a change of a queue or the edge to the call that asks for another number of instances",
            self.0.clone(),
        );
    }
}

impl Default for Delays {
    fn default() -> Self {
        Self(Family::new_with_constructor(|| Histogram::new(BUCKETS_S)))
    }
}
