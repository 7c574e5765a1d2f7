//! One request from its head to its end: choose an upstream, try it, try another if that is harmless, count.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use plimsoll_balance::{Attempt, Failure, Outcome, RetryPolicy, Sent, Verdict};
use tokio::time::Instant;

use crate::attempt::{self, Failed, Sending};
use crate::connection::{After, Connection};
use crate::problem::{self, Problem};
use crate::relay::{self, Relayed};
use crate::request::{Framing, Request};
use crate::route::Route;
use crate::service::{Endpoint, Lease};
use crate::worker::{Counted, Snapshot};

/// nginx's code for a client that left before the answer; only in metrics.
const CLIENT_GONE: u16 = 499;

/// First and longest pause between two rounds over upstreams that refuse connections.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

const RETRY_POLICY: RetryPolicy = RetryPolicy { max_attempts: 3 };

/// Why a request was not relayed.
enum Unanswered {
    /// The gateway answers itself.
    Problem(Problem),
    ClientGone,
}

/// What has happened to a request so far.
struct Progress {
    started: Instant,
    /// When the attempt to come begins; looked up only when time has passed since the start.
    now: Instant,
    tried: Vec<Endpoint>,
    /// Attempts of which an upstream may have seen something.
    reached: u32,
    /// Times that all upstreams have been tried.
    rounds: u32,
    is_first: bool,
    /// An idle connection was found dead: others may be as well.
    needs_new_connection: bool,
    /// What to say if nobody else can be asked.
    last: Problem,
}

/// Forwards one request and answers it. Also returns when it ended, which spares the caller a look at the clock.
pub(crate) async fn run(
    connection: &mut Connection,
    snapshot: Arc<Snapshot>,
    request: Request,
) -> (After, Instant) {
    let started = Instant::now();
    let worker = connection.worker.clone();
    let _in_flight = Counted::up_to(&worker.in_flight, usize::MAX);
    let result = match &request.route {
        Some(route) => forward(connection, &snapshot, &request, route, started).await,
        None => Err(Unanswered::Problem(problem::NO_ROUTE)),
    };
    let (relayed, sent_at) = match result {
        Ok(relayed) => relayed,
        Err(Unanswered::ClientGone) => (Relayed::unserved(CLIENT_GONE, After::Drop), started),
        Err(Unanswered::Problem(problem)) => {
            let is_keep_alive =
                request.is_keep_alive && request.body == Framing::Empty && !worker.shutdown.is_cancelled();
            connection.answer(problem, Some(&request), !is_keep_alive).await;
            let after = if is_keep_alive { After::KeepAlive } else { After::Close };
            (Relayed::unserved(problem.status, after), started)
        }
    };
    let duration = (!relayed.is_tunnel).then(|| relayed.ended.saturating_duration_since(started));
    let metrics = request.route.as_ref().map_or(&worker.shared.unrouted, |route| &route.metrics);
    let served = relayed.is_served.then(|| relayed.ended.saturating_duration_since(sent_at));
    metrics.finished(worker.index, request.method, relayed.status, duration, served);
    worker.shared.bell.ring();
    (relayed.after, relayed.ended)
}

/// Also returns when the attempt that was answered began.
async fn forward(
    connection: &mut Connection,
    snapshot: &Snapshot,
    request: &Request,
    route: &Route,
    started: Instant,
) -> Result<(Relayed, Instant), Unanswered> {
    let mut progress = Progress::new(started);
    let mut next = None;
    loop {
        let mut lease = match next.take() {
            Some(lease) => lease,
            None => pick(connection, snapshot, route, &mut progress).await?,
        };
        let is_new = progress.needs_new_connection;
        let now = progress.now;
        let failed = match attempt::send(connection, snapshot, request, route, &lease, now, is_new).await {
            Sending::Answer(answer) => {
                let failure = Failure::Status(answer.response.status);
                if failure.is_retryable() {
                    lease.report(Outcome::Failure);
                    next = progress.alternative(request, route, &lease, answer.as_failed());
                    if next.is_some() {
                        continue;
                    }
                } else {
                    lease.report(Outcome::Success);
                }
                return Ok((relay::run(connection, snapshot, lease, answer).await, now));
            }
            Sending::Failed(failed) => failed,
            Sending::Refused(problem) => return Err(Unanswered::Problem(problem)),
            Sending::ClientGone => return Err(Unanswered::ClientGone),
        };
        tracing::debug!(
            upstream = lease.endpoint.id,
            problem = failed.problem.code,
            stale = failed.is_stale,
            "attempt failed"
        );
        if !failed.is_stale {
            lease.report(Outcome::Failure);
        }
        progress.may_retry(request, route, &lease, &failed)?;
    }
}

// === impl Progress ===

impl Progress {
    fn new(started: Instant) -> Self {
        Self {
            started,
            now: started,
            tried: Vec::new(),
            reached: 0,
            rounds: 0,
            is_first: true,
            needs_new_connection: false,
            last: problem::NO_UPSTREAM,
        }
    }

    /// Another upstream that may be asked at once instead of passing this answer on.
    fn alternative(
        &mut self,
        request: &Request,
        route: &Route,
        lease: &Lease,
        failed: Failed,
    ) -> Option<Lease> {
        self.note(lease, &failed);
        if self.verdict(request, &failed) == Verdict::GiveUp {
            return None;
        }
        let other = route.service.pick(self.now, &self.tried, false).ok()?;
        route.service.withdraw_retry(self.now).then_some(other)
    }

    /// Notes a failed attempt; the problem is final unless the request may be sent again.
    fn may_retry(
        &mut self,
        request: &Request,
        route: &Route,
        lease: &Lease,
        failed: &Failed,
    ) -> Result<(), Unanswered> {
        self.note(lease, failed);
        let is_granted = match self.verdict(request, failed) {
            Verdict::GiveUp => false,
            Verdict::RetryFree => true,
            // Not the upstream's fault and it cannot happen again: the next connection is a new one.
            Verdict::RetryBudgeted => failed.is_stale || route.service.withdraw_retry(self.now),
        };
        if is_granted { Ok(()) } else { Err(Unanswered::Problem(failed.problem)) }
    }

    fn note(&mut self, lease: &Lease, failed: &Failed) {
        self.now = Instant::now();
        self.reached += u32::from(failed.sent == Sent::Something);
        self.last = failed.problem;
        if failed.is_stale {
            self.needs_new_connection = true;
        } else {
            self.tried.push(lease.endpoint.clone());
        }
    }

    fn verdict(&self, request: &Request, failed: &Failed) -> Verdict {
        let attempt = Attempt {
            method: request.method.label(),
            sent: failed.sent,
            is_replayable: failed.is_replayable,
            is_answered: false,
            reached: self.reached,
        };
        RETRY_POLICY.may_retry(&attempt, failed.failure)
    }

    /// Waiting helps when an instance is starting or was just killed, not when one is slow or out of reach.
    fn may_wait(&self) -> bool {
        [problem::NO_UPSTREAM, problem::CONNECT_FAILED, problem::BAD_GATEWAY].contains(&self.last)
    }

    /// A pause between nothing and twice that of the round before (full jitter), so that waiting requests do not come
    /// back all at once.
    fn next_pause(&mut self) -> Duration {
        let cap = FIRST_PAUSE.saturating_mul(1 << self.rounds.min(8)).min(LONGEST_PAUSE);
        self.rounds += 1;
        cap.mul_f64(rand::random())
    }
}

/// Chooses an upstream; waits for one when nobody can take the request now.
async fn pick(
    connection: &mut Connection,
    snapshot: &Snapshot,
    route: &Route,
    progress: &mut Progress,
) -> Result<Lease, Unanswered> {
    let service = &route.service;
    let is_first = std::mem::take(&mut progress.is_first);
    if let Ok(lease) = service.pick(progress.now, &progress.tried, is_first) {
        connection.worker.shared.bell.ring();
        return Ok(lease);
    }
    let may_wait = progress.may_wait() && snapshot.max_waiting > 0;
    if !may_wait || snapshot.wait_for_upstream.is_zero() {
        return Err(Unanswered::Problem(progress.last));
    }
    let worker = connection.worker.clone();
    let places = (
        Counted::up_to(&worker.shared.waiting, snapshot.max_waiting),
        Counted::up_to(&service.counters.waiting, usize::MAX),
    );
    if places.0.is_none() {
        return Err(Unanswered::Problem(problem::QUEUE_FULL));
    }
    worker.shared.bell.ring();
    let deadline = progress.started + snapshot.wait_for_upstream;
    loop {
        // Listen before looking, so that a change between the two is not missed.
        let mut ready = pin!(service.ready().notified());
        ready.as_mut().enable();
        progress.now = Instant::now();
        if let Ok(lease) = service.pick(progress.now, &progress.tried, false) {
            return Ok(lease);
        }
        if progress.now >= deadline {
            return Err(Unanswered::Problem(problem::NO_UPSTREAM));
        }
        let wake_at = if progress.tried.is_empty() {
            deadline
        } else {
            deadline.min(progress.now + progress.next_pause())
        };
        let is_gone = poll_fn(|context| {
            if connection.poll_gone(context).is_ready() {
                return Poll::Ready(true);
            }
            if ready.as_mut().poll(context).is_ready() {
                return Poll::Ready(false);
            }
            connection.timer.poll(context, wake_at).map(|()| false)
        });
        if is_gone.await {
            return Err(Unanswered::ClientGone);
        }
        progress.tried.clear();
    }
}
