//! One attempt: the request goes to one upstream, and the head of its answer comes back.
//!
//! Nothing has been sent to the client when this ends, except interim (1xx) responses that the upstream gave.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use plimsoll_balance::{Failure, Sent, is_idempotent};
use tokio::io::AsyncWrite as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::buffer::Buffer;
use crate::connection::{Connection, head_length};
use crate::problem::{self, Problem};
use crate::pump::{Pump, poll_fill};
use crate::request::{Framing, Request};
use crate::response::{Head, Rendering, Response};
use crate::route::Route;
use crate::service::Lease;
use crate::upload::{Upload, UploadError, UploadState};
use crate::worker::Snapshot;

/// An upstream may close an idle connection at the moment we use it. A request that could not be repeated then takes
/// only a connection that was busy until just now, well before any common keep-alive time limit.
const FRESH: Duration = Duration::from_secs(2);

/// Interim responses that are passed on before an answer; more is not HTTP but a loop.
const MAX_INTERIM: u32 = 16;

/// How an attempt ended.
pub(crate) enum Sending {
    Answer(Box<Answer>),
    Failed(Failed),
    /// The request turned out to be wrong while its body was read.
    Refused(Problem),
    ClientGone,
}

/// A failed attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failed {
    pub(crate) failure: Failure,
    pub(crate) sent: Sent,
    /// Nothing of the body has been taken from the client.
    pub(crate) is_replayable: bool,
    /// The connection had been idle, and was probably closed before the request came.
    pub(crate) is_stale: bool,
    /// What the client is told if this was the last attempt.
    pub(crate) problem: Problem,
}

/// The upstream has answered; the body, if any, follows.
pub(crate) struct Answer {
    pub(crate) response: Response,
    /// The head for the client.
    pub(crate) head: Vec<u8>,
    /// How the body is framed for the client.
    pub(crate) framing: Framing,
    /// The head says that the connection ends with this response.
    pub(crate) closes: bool,
    pub(crate) stream: TcpStream,
    /// Received behind the head.
    pub(crate) buffer: Buffer,
    pub(crate) upload: Upload,
}

/// The state of waiting for an answer.
struct Waiting<'a> {
    request: &'a Request,
    stream: TcpStream,
    buffer: Buffer,
    searched: usize,
    /// Heads for the client: interim ones, which are written here, then that of the answer, which is not.
    down: Vec<u8>,
    interims: u32,
    upload: Upload,
    is_reused: bool,
    deadline: Instant,
    idle: Duration,
    response_timeout: Duration,
}

/// Sends the request to the upstream of the lease.
pub(crate) async fn send(
    connection: &mut Connection,
    snapshot: &Snapshot,
    request: &Request,
    route: &Route,
    lease: &Lease,
    now: Instant,
    needs_new_connection: bool,
) -> Sending {
    let worker = connection.worker.clone();
    let oldest = if is_idempotent(request.method.label()) { snapshot.timeouts.idle } else { FRESH };
    let idle = (!needs_new_connection).then(|| lease.endpoint.pool.take(worker.index, now, oldest)).flatten();
    let is_reused = idle.is_some();
    let stream = match idle {
        Some(stream) => stream,
        None => match connect(lease.endpoint.address, snapshot.timeouts.connect).await {
            Ok(stream) => stream,
            Err(problem) => {
                lease.note_connect_error();
                return Sending::Failed(Failed::to_connect(problem));
            }
        },
    };
    let mut head = std::mem::take(&mut connection.up_head);
    head.clear();
    head.extend_from_slice(&connection.forward);
    let mut down = std::mem::take(&mut connection.down_head);
    down.clear();
    let pump = Pump::new(head, request.body, request.body, snapshot.limits.body_bytes);
    let patience =
        if request.body == Framing::Empty { route.response_timeout } else { snapshot.timeouts.idle };
    let mut waiting = Waiting {
        request,
        stream,
        buffer: worker.buffers.take(),
        searched: 0,
        down,
        interims: 0,
        upload: Upload::new(pump),
        is_reused,
        deadline: now + patience,
        idle: snapshot.timeouts.idle,
        response_timeout: route.response_timeout,
    };
    let result = poll_fn(|context| waiting.poll(context, connection)).await;
    let Waiting { stream, buffer, upload, down: head, .. } = waiting;
    match result {
        Ok((response, framing, closes)) => {
            Sending::Answer(Box::new(Answer { response, head, framing, closes, stream, buffer, upload }))
        }
        Err(sending) => {
            connection.up_head = upload.pump.into_head();
            connection.down_head = head;
            worker.buffers.give_back(buffer);
            sending
        }
    }
}

async fn connect(address: SocketAddr, limit: Duration) -> Result<TcpStream, Problem> {
    let stream = match timeout(limit, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) if error.kind() == io::ErrorKind::TimedOut => return Err(problem::CONNECT_TIMEOUT),
        Ok(Err(_)) => return Err(problem::CONNECT_FAILED),
        Err(_) => return Err(problem::CONNECT_TIMEOUT),
    };
    // Without it small writes would wait for acknowledgements; a kernel that refuses it is only slower.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

// === impl Failed ===

impl Failed {
    fn to_connect(problem: Problem) -> Self {
        Self { failure: Failure::Connect, sent: Sent::Nothing, is_replayable: true, is_stale: false, problem }
    }
}

// === impl Answer ===

impl Answer {
    /// An answer that says the upstream could not do its work, as a failed attempt.
    pub(crate) fn as_failed(&self) -> Failed {
        Failed {
            failure: Failure::Status(self.response.status),
            sent: Sent::Something,
            is_replayable: self.upload.state == UploadState::Done && !self.upload.pump.has_taken_body(),
            is_stale: false,
            problem: problem::BAD_GATEWAY,
        }
    }
}

// === impl Sending ===

impl From<UploadError> for Sending {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::ClientGone => Self::ClientGone,
            UploadError::Refused(problem) => Self::Refused(problem),
        }
    }
}

// === impl Waiting ===

impl Waiting<'_> {
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        connection: &mut Connection,
    ) -> Poll<Result<(Response, Framing, bool), Sending>> {
        let was_running = self.upload.state == UploadState::Running;
        self.upload.poll(context, connection, &mut self.stream)?;
        if self.upload.state == UploadState::Broken && !self.upload.pump.has_written() {
            return Poll::Ready(Err(self.failed(Failure::Broken, problem::BAD_GATEWAY)));
        }
        if self.request.body != Framing::Empty && was_running {
            if self.upload.state != UploadState::Running {
                self.deadline = Instant::now() + self.response_timeout;
            } else if self.upload.pump.take_moved() {
                self.deadline = Instant::now() + self.idle;
            }
        }
        match self.poll_answer(context, connection) {
            Poll::Pending => {}
            ready => return ready,
        }
        connection.timer.poll(context, self.deadline).map(|()| Err(self.too_late(connection)))
    }

    fn poll_answer(
        &mut self,
        context: &mut Context<'_>,
        connection: &mut Connection,
    ) -> Poll<Result<(Response, Framing, bool), Sending>> {
        loop {
            if let Poll::Ready(Err(_)) = self.poll_write_interim(context, connection) {
                return Poll::Ready(Err(Sending::ClientGone));
            }
            if let Some(length) = head_length(self.buffer.filled(), self.searched) {
                match self.take_head(length, connection) {
                    Some(Ok(answer)) => return Poll::Ready(Ok(answer)),
                    Some(Err(())) => {
                        let failed = self.failed(Failure::Invalid, problem::BAD_UPSTREAM_ANSWER);
                        return Poll::Ready(Err(failed));
                    }
                    None => continue,
                }
            }
            self.searched = self.buffer.filled().len();
            if self.buffer.is_full() {
                return Poll::Ready(Err(self.failed(Failure::Invalid, problem::BAD_UPSTREAM_ANSWER)));
            }
            match poll_fill(context, &mut self.stream.split().0, &mut self.buffer) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(Ok(0) | Err(_)) => {
                    return Poll::Ready(Err(self.failed(Failure::Broken, problem::BAD_GATEWAY)));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Reads the head in the first `length` bytes; None when it was an interim one.
    fn take_head(
        &mut self,
        length: usize,
        connection: &Connection,
    ) -> Option<Result<(Response, Framing, bool), ()>> {
        let request = self.request;
        let mut fields = Head::fields();
        let Ok(head) = Head::read(&self.buffer.filled()[..length], &mut fields, request.method) else {
            return Some(Err(()));
        };
        let response = head.response;
        let switches = response.status == 101;
        let is_interim = response.status < 200 && !switches;
        if (switches && !request.wants_upgrade) || (is_interim && self.interims == MAX_INTERIM) {
            return Some(Err(()));
        }
        let framing = response.framing_for(request.is_http_10);
        let closes = !request.is_keep_alive
            || framing == Framing::UntilClose
            || self.upload.state != UploadState::Done
            || connection.worker.shutdown.is_cancelled();
        let rendering = Rendering {
            is_http_10: request.is_http_10,
            closes,
            switches,
            request_id: request.id(&connection.forward),
            append_date: &|out| connection.worker.append_date(out, Instant::now()),
        };
        if !is_interim || !request.is_http_10 {
            head.write(rendering, &mut self.down);
        }
        self.buffer.consume(length);
        self.searched = 0;
        self.interims += u32::from(is_interim);
        (!is_interim).then_some(Ok((response, framing, closes)))
    }

    /// Writes interim responses; what the client does not take now goes out with the answer.
    fn poll_write_interim(
        &mut self,
        context: &mut Context<'_>,
        connection: &mut Connection,
    ) -> Poll<io::Result<()>> {
        while !self.down.is_empty() {
            let mut writer = connection.stream.split().1;
            let written = ready!(Pin::new(&mut writer).poll_write(context, &self.down))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.down.drain(..written);
        }
        Poll::Ready(Ok(()))
    }

    fn failed(&self, failure: Failure, problem: Problem) -> Sending {
        let has_written = self.upload.pump.has_written();
        Sending::Failed(Failed {
            failure,
            sent: if has_written { Sent::Something } else { Sent::Nothing },
            is_replayable: !self.upload.pump.has_taken_body(),
            is_stale: self.is_reused && failure == Failure::Broken && self.buffer.is_empty(),
            problem,
        })
    }

    /// The time limit has passed: who was to move?
    fn too_late(&self, connection: &Connection) -> Sending {
        let waits_for_continue = self.request.expects_continue && !self.upload.pump.has_taken_body();
        let waits_for_client = self.upload.state == UploadState::Running
            && !waits_for_continue
            && !self.upload.pump.waits_for_receiver(&connection.buffer);
        if waits_for_client {
            Sending::Refused(problem::REQUEST_TIMEOUT)
        } else {
            self.failed(Failure::Timeout, problem::UPSTREAM_TIMEOUT)
        }
    }
}
