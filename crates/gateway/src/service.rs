//! The upstreams of one service, shared by all workers: who takes the next request, and what became of it.
//!
//! The decisions are [`plimsoll_balance`]'s; this file adds the lock, the clock and the notification. The lock is held
//! for a pick or a release only (well under a microsecond) and never across an await.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use plimsoll_balance::{
    Balancer, BudgetPolicy, HealthPolicy, Member, NoPick, Outcome, Policy, RetryBudget, Standing, Ticket,
};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::Upstream;
use crate::durations::Durations;
use crate::pool::IdlePool;

/// One service.
#[derive(Debug)]
pub(crate) struct Service {
    name: String,
    workers: usize,
    epoch: Instant,
    state: Mutex<State>,
    /// Wakes requests that wait for an upstream.
    ready: Notify,
    /// Wakes those who wait for a drained upstream to become idle.
    idle: Notify,
    pub(crate) counters: ServiceCounters,
}

#[derive(Debug)]
struct State {
    balancer: Balancer<Endpoint>,
    budget: RetryBudget,
}

/// What the gateway did on behalf of one service. Rare events only: they share a cache line.
#[derive(Debug, Default)]
pub(crate) struct ServiceCounters {
    pub(crate) connect_errors: AtomicU64,
    pub(crate) retries: AtomicU64,
    pub(crate) retries_refused: AtomicU64,
    pub(crate) ejections: AtomicU64,
    /// Requests that wait for an upstream now.
    pub(crate) waiting: AtomicUsize,
}

/// A handle on one upstream; equal only to itself.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint(Arc<EndpointState>);

/// One upstream.
#[derive(Debug)]
pub(crate) struct EndpointState {
    pub(crate) id: String,
    pub(crate) address: SocketAddr,
    pub(crate) pool: IdlePool,
    pub(crate) requests: AtomicU64,
    pub(crate) failures: AtomicU64,
}

/// One upstream as seen from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamStats {
    /// The service it belongs to.
    pub service: String,
    /// Requests under way.
    pub in_flight: u64,
    /// Attempts that were made on it.
    pub requests_total: u64,
    /// Attempts that failed: refused, broken, timed out, or answered with 500, 502, 503 or 504.
    pub failures_total: u64,
    /// Passive health has taken it out.
    pub ejected: bool,
    /// It gets no new requests.
    pub draining: bool,
}

/// One service as the gateway sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceStats {
    /// Requests for it that have ended.
    pub requests_total: u64,
    /// Those answered with a status from 500 to 599, by an upstream or by the gateway itself.
    pub errors_total: u64,
    /// Requests under way at its upstreams.
    pub in_flight: u64,
    /// Requests that wait for one of its upstreams.
    pub waiting: u64,
    /// How long its upstreams took for requests that they answered well, waits at the gateway and earlier attempts not
    /// included.
    pub served: Durations,
}

/// An open request on an upstream. Dropping it gives the ticket back.
#[derive(Debug)]
pub(crate) struct Lease {
    service: Arc<Service>,
    pub(crate) endpoint: Endpoint,
    ticket: Option<Ticket>,
    outcome: Outcome,
}

// === impl Service ===

impl Service {
    pub(crate) fn new(name: String, policy: Policy, workers: usize) -> Self {
        let balancer = Balancer::new(policy, HealthPolicy::default());
        let budget = RetryBudget::new(BudgetPolicy::default(), Duration::ZERO);
        Self {
            name,
            workers,
            epoch: Instant::now(),
            state: Mutex::new(State { balancer, budget }),
            ready: Notify::new(),
            idle: Notify::new(),
            counters: ServiceCounters::default(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn set_policy(&self, policy: Policy) {
        self.state().balancer.set_policy(policy);
    }

    /// Replaces the upstreams. One with the same id and address stays the same.
    pub(crate) fn set_upstreams(&self, upstreams: Vec<Upstream>) {
        let mut state = self.state();
        let known: Vec<Endpoint> = state.balancer.endpoints().map(|view| view.key.clone()).collect();
        let members: Vec<Member<Endpoint>> = upstreams
            .into_iter()
            .map(|upstream| {
                let same =
                    |endpoint: &&Endpoint| endpoint.id == upstream.id && endpoint.address == upstream.address;
                let key = known.iter().find(same).cloned();
                let key = key.unwrap_or_else(|| Endpoint::new(upstream.id, upstream.address, self.workers));
                Member { key, weight: upstream.weight }
            })
            .collect();
        for gone in known.iter().filter(|endpoint| !members.iter().any(|member| member.key == **endpoint)) {
            gone.pool.close();
        }
        state.balancer.set_members(members);
        drop(state);
        self.ready.notify_waiters();
        self.idle.notify_waiters();
    }

    /// Stops new requests to the upstream; false when there is none with this id. One that has left the set already
    /// gets none, but may still have some to finish, so it counts as there.
    pub(crate) fn start_drain(&self, id: &str) -> bool {
        let mut state = self.state();
        let views = state.balancer.endpoints().filter(|view| view.key.id == id);
        let keys: Vec<Endpoint> = views.map(|view| view.key.clone()).collect();
        for key in &keys {
            // False for one that has left: there is nothing to stop any more.
            let _ = state.balancer.set_draining(key, true);
            key.pool.close();
        }
        !keys.is_empty()
    }

    /// Resolves when no request is open on the upstream, at once when it is unknown.
    pub(crate) async fn until_idle(&self, id: &str) {
        loop {
            let mut idle = std::pin::pin!(self.idle.notified());
            idle.as_mut().enable();
            let is_busy = self.state().balancer.endpoints().any(|view| view.key.id == id && view.open > 0);
            if !is_busy {
                return;
            }
            idle.await;
        }
    }

    /// The notification for a changed set; create and enable it before the pick whose failure it is to mend.
    pub(crate) fn ready(&self) -> &Notify {
        &self.ready
    }

    /// Chooses an upstream that is not in `tried`. The first pick of each request feeds the retry budget.
    pub(crate) fn pick(
        self: &Arc<Self>,
        now: Instant,
        tried: &[Endpoint],
        is_first: bool,
    ) -> Result<Lease, NoPick> {
        let pick = {
            let mut state = self.state();
            if is_first {
                state.budget.deposit();
            }
            state.balancer.pick(self.since_epoch(now), tried)?
        };
        pick.key.requests.fetch_add(1, Ordering::Relaxed);
        let ticket = Some(pick.ticket);
        Ok(Lease { service: self.clone(), endpoint: pick.key, ticket, outcome: Outcome::Unknown })
    }

    /// Takes one retry out of the budget.
    pub(crate) fn withdraw_retry(&self, now: Instant) -> bool {
        let is_granted = self.state().budget.try_withdraw(self.since_epoch(now));
        let counter = if is_granted { &self.counters.retries } else { &self.counters.retries_refused };
        counter.fetch_add(1, Ordering::Relaxed);
        is_granted
    }

    /// Every upstream with its id, also those that only finish what they have.
    pub(crate) fn upstream_stats(&self) -> Vec<(String, UpstreamStats)> {
        let state = self.state();
        let stats = |view: plimsoll_balance::EndpointView<'_, Endpoint>| UpstreamStats {
            service: self.name.clone(),
            in_flight: u64::from(view.open),
            requests_total: view.key.requests.load(Ordering::Relaxed),
            failures_total: view.key.failures.load(Ordering::Relaxed),
            ejected: view.standing != Standing::In,
            draining: view.is_draining || view.is_removed,
        };
        state.balancer.endpoints().map(|view| (view.key.id.clone(), stats(view))).collect()
    }

    /// Closes upstream connections that have been idle since before `deadline`, or that the upstream has closed.
    pub(crate) fn close_idle(&self, worker: usize, deadline: Instant) {
        let endpoints: Vec<Endpoint> =
            self.state().balancer.endpoints().map(|view| view.key.clone()).collect();
        for endpoint in endpoints {
            endpoint.pool.close_idle(worker, deadline);
        }
    }

    fn since_epoch(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.epoch)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while it was held is a bug elsewhere; the state machine is never left half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Endpoint ===

impl Endpoint {
    fn new(id: String, address: SocketAddr, workers: usize) -> Self {
        Self(Arc::new(EndpointState {
            id,
            address,
            pool: IdlePool::new(workers),
            requests: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        }))
    }
}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Endpoint {}

impl std::ops::Deref for Endpoint {
    type Target = EndpointState;

    fn deref(&self) -> &EndpointState {
        &self.0
    }
}

// === impl Lease ===

impl Lease {
    pub(crate) fn note_connect_error(&self) {
        self.service.counters.connect_errors.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes the outcome. A failure counts at once; so does the outcome of a trial or when all are ejected, because
    /// others wait for it. A usual success counts when the request ends, which saves a lock.
    pub(crate) fn report(&mut self, outcome: Outcome) {
        self.outcome = outcome;
        let Some(ticket) = &mut self.ticket else { return };
        if outcome == Outcome::Failure {
            self.endpoint.failures.fetch_add(1, Ordering::Relaxed);
        } else if ticket.grant() == plimsoll_balance::Grant::Usual {
            return;
        }
        let now = self.service.since_epoch(Instant::now());
        let is_ejected = self.service.state().balancer.report(ticket, now, outcome);
        self.service.note_ejection(is_ejected, &self.endpoint);
        if outcome == Outcome::Success {
            self.service.ready.notify_waiters();
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket.take() else { return };
        let service = &self.service;
        // Only a report that was put off needs the time, and it is a success or unknown: the time plays no part in it
        // but for an inconclusive trial.
        let now =
            if ticket.grant() == plimsoll_balance::Grant::Usual { service.epoch } else { Instant::now() };
        let now = service.since_epoch(now);
        let released = service.state().balancer.release(ticket, now, self.outcome);
        service.note_ejection(released.is_ejected, &self.endpoint);
        if released.is_drained {
            service.idle.notify_waiters();
        }
    }
}

impl Service {
    fn note_ejection(&self, is_ejected: bool, endpoint: &EndpointState) {
        if is_ejected {
            self.counters.ejections.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(service = self.name, upstream = endpoint.id, "upstream ejected by passive health");
        }
    }
}
