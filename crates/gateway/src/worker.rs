//! What the connections of one worker thread share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use arc_swap::ArcSwap;
use plimsoll_stack::{IpNetwork, Timeouts};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::bell::Bell;
use crate::buffer::BufferPool;
use crate::limits::Limits;
use crate::metrics::{RouteKey, RouteMetrics};
use crate::route::Router;
use crate::service::{Service, ServiceStats};

/// A configuration as the connections use it. Replaced as a whole; a request keeps the one it began with.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) router: Router,
    pub(crate) timeouts: Timeouts,
    pub(crate) limits: Limits,
    pub(crate) trusted_proxies: Vec<IpNetwork>,
    pub(crate) max_connections: usize,
    pub(crate) wait_for_upstream: Duration,
    pub(crate) max_waiting: usize,
}

/// What all workers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) snapshot: ArcSwap<Snapshot>,
    pub(crate) services: RwLock<BTreeMap<String, Arc<Service>>>,
    /// The counters of every route there has been, so that totals do not shrink when a route is removed.
    pub(crate) routes: Mutex<BTreeMap<RouteKey, Arc<RouteMetrics>>>,
    /// Requests without a route.
    pub(crate) unrouted: RouteMetrics,
    /// Requests that wait for an upstream.
    pub(crate) waiting: AtomicUsize,
    /// Client connections.
    pub(crate) connections: AtomicUsize,
    pub(crate) refused_connections: AtomicU64,
    /// Rings when requests come, wait and end.
    pub(crate) bell: Arc<Bell>,
}

/// One worker thread.
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) buffers: BufferPool,
    /// Requests under way. Written by this worker only.
    pub(crate) in_flight: AtomicUsize,
    /// Client connections of this worker.
    pub(crate) connections: AtomicUsize,
    pub(crate) shutdown: CancellationToken,
    date: Mutex<Date>,
}

/// The value of the `Date` header, good for a second.
struct Date {
    text: String,
    made_at: Instant,
}

/// Counts something for as long as it lives.
pub(crate) struct Counted<'a>(&'a AtomicUsize);

// === impl Snapshot ===

impl Snapshot {
    /// The configuration without its routes.
    pub(crate) fn empty(config: &plimsoll_stack::Gateway, limits: Limits) -> Self {
        Self {
            router: Router::default(),
            timeouts: config.timeouts,
            limits,
            trusted_proxies: config.trusted_proxies.clone(),
            max_connections: config.max_connections,
            wait_for_upstream: config.wait_for_upstream,
            max_waiting: config.max_waiting,
        }
    }
}

// === impl Worker ===

impl Worker {
    pub(crate) fn new(index: usize, shared: Arc<Shared>, shutdown: CancellationToken) -> Self {
        Self {
            index,
            shared,
            buffers: BufferPool::default(),
            in_flight: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            shutdown,
            date: Mutex::new(Date { text: date_now(), made_at: Instant::now() }),
        }
    }

    /// Appends the current date as RFC 9110 5.6.7 writes it.
    pub(crate) fn append_date(&self, out: &mut Vec<u8>, now: Instant) {
        let mut date = self.date.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(date.made_at) >= Duration::from_secs(1) {
            *date = Date { text: date_now(), made_at: now };
        }
        out.extend_from_slice(date.text.as_bytes());
    }

    /// Closes upstream connections that have been idle for long.
    pub(crate) fn close_idle_upstream_connections(&self, now: Instant) {
        let idle = self.shared.snapshot.load().timeouts.idle;
        let services: Vec<_> = self.shared.services().values().cloned().collect();
        if let Some(deadline) = now.checked_sub(idle) {
            for service in services {
                service.close_idle(self.index, deadline);
            }
        }
    }
}

impl Shared {
    pub(crate) fn services(&self) -> RwLockReadGuard<'_, BTreeMap<String, Arc<Service>>> {
        self.services.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counters of all routes by service, those that are gone included.
    pub(crate) fn service_stats(&self) -> BTreeMap<String, ServiceStats> {
        let mut services: BTreeMap<String, ServiceStats> = BTreeMap::new();
        for (key, metrics) in self.routes().iter() {
            let (own, counts) = (services.entry(key.service.clone()).or_default(), metrics.total());
            own.requests_total += counts.requests_total();
            own.errors_total += counts.errors_total();
            own.served.add(&counts.served);
        }
        services
    }

    pub(crate) fn routes(&self) -> MutexGuard<'_, BTreeMap<RouteKey, Arc<RouteMetrics>>> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn date_now() -> String {
    let now = jiff::Timestamp::now();
    jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&now).unwrap_or_default()
}

// === impl Counted ===

impl<'a> Counted<'a> {
    /// None when there are `most` already.
    pub(crate) fn up_to(counter: &'a AtomicUsize, most: usize) -> Option<Self> {
        let counted = Self(counter);
        // Counted first: two who come at once must not both take the last place.
        if counter.fetch_add(1, Ordering::Relaxed) < most { Some(counted) } else { None }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
