//! What is counted about requests while it is measured.

use serde::{Deserialize, Serialize};

use crate::histogram::Histogram;
use crate::outcome::Served;
use crate::workload::Request;

/// What counts as bad.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Longest good response (wait and service), in seconds.
    pub response_s: f64,
    /// Longest good wait, in seconds.
    pub wait_s: f64,
}

/// Times and bad requests.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    limits: Limits,
    pub(crate) wait: Histogram,
    pub(crate) response: Histogram,
    pub(crate) over_slo: u64,
    /// Of those, requests whose service alone takes too long: nobody can help them.
    pub(crate) unavoidable: u64,
    pub(crate) over_wait: u64,
    pub(crate) dropped: u64,
    /// How many requests each started one stands for.
    pub(crate) weight: u64,
    /// Every request, when they are kept.
    pub(crate) kept: Option<Vec<Served>>,
}

// === impl Limits ===

impl Default for Limits {
    /// Nothing is too slow, and one second is too long a wait.
    fn default() -> Self {
        Self { response_s: f64::INFINITY, wait_s: 1.0 }
    }
}

// === impl Tally ===

impl Tally {
    pub(crate) fn new(limits: Limits, keep: bool) -> Self {
        Self {
            limits,
            wait: Histogram::default(),
            response: Histogram::default(),
            over_slo: 0,
            unavoidable: 0,
            over_wait: 0,
            dropped: 0,
            weight: 1,
            kept: keep.then(Vec::new),
        }
    }

    #[inline]
    pub(crate) fn started(&mut self, request: Request, at_s: f64) {
        let Request { arrival_s, service_s } = request;
        let wait_s = at_s - arrival_s;
        let response_s = wait_s + service_s;
        self.wait.record(wait_s, self.weight);
        self.response.record(response_s, self.weight);
        self.over_slo += self.weight * u64::from(response_s > self.limits.response_s);
        self.unavoidable += self.weight * u64::from(service_s > self.limits.response_s);
        self.over_wait += self.weight * u64::from(wait_s > self.limits.wait_s);
        if let Some(kept) = &mut self.kept {
            kept.push(Served { arrival_s, service_s, wait_s: Some(wait_s) });
        }
    }

    /// A dropped request is as bad as one that waited too long.
    pub(crate) fn dropped(&mut self, request: Request) {
        self.dropped += self.weight;
        self.over_slo += self.weight;
        self.over_wait += self.weight;
        if let Some(kept) = &mut self.kept {
            let Request { arrival_s, service_s } = request;
            kept.push(Served { arrival_s, service_s, wait_s: None });
        }
    }

    /// Requests that were started or dropped.
    pub(crate) fn requests(&self) -> u64 {
        self.wait.count() + self.dropped
    }
}
