//! Who arrives when, and how long each takes.

mod rates;

use serde::{Deserialize, Serialize};

use crate::random::Random;
pub use rates::{ArrivalProcess, RateStep, Rates};

/// One request.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// When it arrives, in seconds from the start.
    pub arrival_s: f64,
    /// How long an instance takes for it, in seconds.
    pub service_s: f64,
}

/// A source of requests in order of arrival.
pub trait Workload {
    /// The next request; `None` for good when there is no further one.
    fn next_request(&mut self) -> Option<Request>;

    /// The rate now and until when it stays, for sources that know it.
    fn steady(&self) -> Option<Steady> {
        None
    }

    /// Moves on in time by so many seconds, inside the steady stretch, without handing out what would have arrived.
    fn shift(&mut self, _by_s: f64) {}
}

/// A stretch of constant rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Steady {
    /// When it ends, in seconds from the start.
    pub until_s: f64,
    /// Requests per second.
    pub per_s: f64,
    /// Mean seconds a request takes.
    pub service_s: f64,
}

/// Requests that are known one by one.
#[derive(Debug, Clone)]
pub struct List<'a> {
    requests: std::slice::Iter<'a, Request>,
}

// === impl List ===

impl<'a> List<'a> {
    /// In order of arrival; see [`sort`].
    pub fn new(requests: &'a [Request]) -> Self {
        debug_assert!(requests.is_sorted_by(|a, b| a.arrival_s <= b.arrival_s), "requests must be in order");
        Self { requests: requests.iter() }
    }
}

impl Workload for List<'_> {
    #[inline]
    fn next_request(&mut self) -> Option<Request> {
        self.requests.next().copied()
    }
}

/// Puts requests in order of arrival. Those that arrive together stay as they were.
pub fn sort(requests: &mut [Request]) {
    requests.sort_by(|a, b| a.arrival_s.total_cmp(&b.arrival_s));
}

/// Every request `times` times: itself, and copies that arrive up to `jitter_s` later. Ten times the traffic of a service
/// looks like this when its users act alike: bursts stay bursts.
pub fn replicate(requests: &[Request], times: u32, jitter_s: f64, seed: u64) -> Vec<Request> {
    let mut random = Random::new(seed);
    let mut all = Vec::with_capacity(requests.len() * times as usize);
    for request in requests {
        all.push(*request);
        for _ in 1..times {
            all.push(Request { arrival_s: request.arrival_s + jitter_s * random.uniform(), ..*request });
        }
    }
    sort(&mut all);
    all
}
