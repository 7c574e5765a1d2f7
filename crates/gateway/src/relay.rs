//! From the head of an answer to its end: the body goes to the client as it comes.

use std::future::poll_fn;
use std::task::Poll;

use plimsoll_balance::Outcome;
use tokio::time::Instant;

use crate::attempt::Answer;
use crate::connection::{After, Connection};
use crate::pump::{Pump, PumpError};
use crate::service::Lease;
use crate::tunnel;
use crate::upload::{UploadError, UploadState};
use crate::worker::Snapshot;

/// How a request ended that was answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Relayed {
    pub(crate) status: u16,
    pub(crate) after: After,
    pub(crate) is_tunnel: bool,
    pub(crate) ended: Instant,
    /// The upstream gave its whole answer and it was a good one.
    pub(crate) is_served: bool,
}

/// Why an answer was cut.
enum Cut {
    /// By the upstream: it closed, sent nonsense, or nothing for too long.
    Upstream,
    /// By the client: it closed, sent nonsense, or did not read for too long.
    Client,
}

// === impl Relayed ===

impl Relayed {
    /// No upstream answered.
    pub(crate) fn unserved(status: u16, after: After) -> Self {
        Self { status, after, is_tunnel: false, ended: Instant::now(), is_served: false }
    }
}

/// Relays the answer to the client.
pub(crate) async fn run(
    connection: &mut Connection,
    snapshot: &Snapshot,
    mut lease: Lease,
    answer: Box<Answer>,
) -> Relayed {
    if answer.response.status == 101 {
        tunnel::run(connection, snapshot, *answer).await;
        return Relayed {
            status: 101,
            after: After::Drop,
            is_tunnel: true,
            ended: Instant::now(),
            is_served: false,
        };
    }
    let Answer { response, head, framing, closes, mut stream, mut buffer, mut upload } = *answer;
    let idle = snapshot.timeouts.idle;
    let mut pump = Pump::new(head, response.body, framing, u64::MAX);
    let mut deadline = None;
    let result = poll_fn(|context| {
        let (mut from_upstream, mut to_client) = (stream.split().0, connection.stream.split().1);
        match pump.poll(context, &mut from_upstream, &mut buffer, &mut to_client) {
            Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
            Poll::Ready(Err(PumpError::Sink)) => return Poll::Ready(Err(Cut::Client)),
            Poll::Ready(Err(_)) => return Poll::Ready(Err(Cut::Upstream)),
            Poll::Pending => {}
        }
        if let Err(UploadError::ClientGone | UploadError::Refused(_)) =
            upload.poll(context, connection, &mut stream)
        {
            return Poll::Ready(Err(Cut::Client));
        }
        let has_moved = pump.take_moved() | upload.pump.take_moved();
        if has_moved || deadline.is_none() {
            deadline = Some(Instant::now() + idle);
        }
        let late = connection.timer.poll(context, deadline.unwrap_or_else(Instant::now));
        late.map(|()| Err(if pump.waits_for_receiver(&buffer) { Cut::Client } else { Cut::Upstream }))
    });
    let result = result.await;
    let ended = Instant::now();
    let has_leftover = !buffer.is_empty();
    let worker = &connection.worker;
    worker.buffers.give_back(buffer);
    if result.is_ok() && response.is_keep_alive && upload.state == UploadState::Done && !has_leftover {
        lease.endpoint.pool.put(worker.index, stream, ended);
    }
    connection.down_head = pump.into_head();
    connection.up_head = upload.pump.into_head();
    let is_served = result.is_ok() && response.status < 500;
    let after = match result {
        Ok(()) if !closes => After::KeepAlive,
        Ok(()) if upload.state == UploadState::Done && connection.buffer.is_empty() => After::Drop,
        Ok(()) => After::Close,
        Err(Cut::Client) => After::Reset,
        Err(Cut::Upstream) => {
            lease.report(Outcome::Failure);
            tracing::debug!(
                upstream = lease.endpoint.id,
                status = response.status,
                "answer cut by the upstream"
            );
            After::Reset
        }
    };
    Relayed { status: response.status, after, is_tunnel: false, ended, is_served }
}
