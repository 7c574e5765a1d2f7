//! One client connection: reads request heads, has each forwarded, and decides whether there is a next one.

use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::buffer::Buffer;
use crate::exchange;
use crate::forwarded::Peer;
use crate::problem::{self, Problem};
use crate::pump::poll_fill;
use crate::request::{Request, Surroundings};
use crate::timer::Timer;
use crate::worker::{Snapshot, Worker};

/// How long and how much is read from a client that still sends while it is being refused. Without reading on, the
/// kernel would reset the connection and the client might never see the answer.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 512 * 1024;

/// The state of one connection.
pub(crate) struct Connection {
    pub(crate) worker: Arc<Worker>,
    pub(crate) stream: TcpStream,
    pub(crate) timer: Timer,
    /// What has been received; held only while there is something in it or a request is under way.
    pub(crate) buffer: Buffer,
    /// The head that goes to the upstream.
    pub(crate) forward: Vec<u8>,
    /// Memory for the head on its way to the upstream, and for that on its way to the client.
    pub(crate) up_head: Vec<u8>,
    pub(crate) down_head: Vec<u8>,
    address: IpAddr,
    /// The peer as the snapshot of its last request sees it.
    peer: Option<(Arc<Snapshot>, Peer)>,
}

/// What came next on a connection.
enum Next {
    Request(Arc<Snapshot>, Request),
    /// Not a request that can be forwarded; nothing after it can be understood either.
    Refusal(Problem),
    /// The client is gone, was silent for too long, or the gateway is shutting down.
    Nothing,
}

/// What may follow an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// The next request.
    KeepAlive,
    /// The end, after what the client still sends.
    Close,
    /// The end at once: the client is gone or has been served to the end.
    Drop,
    /// The end with a reset, so that a cut answer cannot be taken for a complete one.
    Reset,
}

// === impl Connection ===

impl Connection {
    pub(crate) fn new(worker: Arc<Worker>, stream: TcpStream, address: IpAddr) -> Self {
        let buffer = Buffer::none();
        Self {
            worker,
            stream,
            timer: Timer::default(),
            buffer,
            forward: Vec::new(),
            up_head: Vec::new(),
            down_head: Vec::new(),
            address,
            peer: None,
        }
    }

    /// Serves the connection to its end.
    pub(crate) async fn serve(mut self) {
        let worker = self.worker.clone();
        let mut shutdown = pin!(worker.shutdown.cancelled());
        let header_read = worker.shared.snapshot.load().timeouts.header_read;
        let mut deadline = Instant::now() + header_read;
        loop {
            let (after, now) = match self.next(deadline, shutdown.as_mut()).await {
                Next::Request(snapshot, request) => exchange::run(&mut self, snapshot, request).await,
                Next::Refusal(problem) => {
                    self.worker.shared.unrouted.finished(
                        self.worker.index,
                        crate::method::Method::Other,
                        problem.status,
                        None,
                        None,
                    );
                    self.answer(problem, None, true).await;
                    (After::Close, deadline)
                }
                Next::Nothing => (After::Drop, deadline),
            };
            match after {
                After::KeepAlive => {}
                After::Close => return self.linger().await,
                After::Drop => return self.release_buffer(),
                After::Reset => {
                    self.release_buffer();
                    let _ = self.stream.set_zero_linger();
                    return;
                }
            }
            deadline = now + worker.shared.snapshot.load().timeouts.idle;
        }
    }

    /// Reads up to the end of the next head. `deadline` is for its first byte.
    async fn next(
        &mut self,
        deadline: Instant,
        mut shutdown: std::pin::Pin<&mut impl Future<Output = ()>>,
    ) -> Next {
        let mut deadline = deadline;
        let mut has_started = false;
        let mut searched = 0;
        loop {
            self.skip_empty_lines();
            if !self.buffer.is_empty() {
                match self.take_head(&mut searched) {
                    Some(Ok((snapshot, request))) => return Next::Request(snapshot, request),
                    Some(Err(problem)) => return Next::Refusal(problem),
                    None => {}
                }
                if !has_started {
                    has_started = true;
                    let header_read = self.worker.shared.snapshot.load().timeouts.header_read;
                    deadline = deadline.min(Instant::now() + header_read);
                }
            } else {
                self.release_buffer();
            }
            let received = poll_fn(|context| {
                if let Poll::Ready(received) = self.poll_receive(context) {
                    return Poll::Ready(received);
                }
                if !has_started && shutdown.as_mut().poll(context).is_ready() {
                    return Poll::Ready(Received::Nothing);
                }
                self.timer.poll(context, deadline).map(|()| Received::TooLate)
            });
            match received.await {
                Received::Bytes => {}
                Received::TooLate if has_started => return Next::Refusal(problem::REQUEST_TIMEOUT),
                Received::TooLate | Received::Nothing => return Next::Nothing,
            }
        }
    }

    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<Received> {
        if self.buffer.is_none() {
            if ready!(self.stream.poll_read_ready(context)).is_err() {
                return Poll::Ready(Received::Nothing);
            }
            self.buffer = self.worker.buffers.take();
        }
        match ready!(poll_fill(context, &mut self.stream.split().0, &mut self.buffer)) {
            Ok(1..) => Poll::Ready(Received::Bytes),
            Ok(0) | Err(_) => Poll::Ready(Received::Nothing),
        }
    }

    /// The request whose head is complete in the buffer.
    fn take_head(&mut self, searched: &mut usize) -> Option<Result<(Arc<Snapshot>, Request), Problem>> {
        let filled = self.buffer.filled();
        let Some(length) = head_length(filled, *searched) else {
            *searched = filled.len();
            if filled == b"\r" {
                return None;
            }
            // Something else than HTTP, such as the start of a TLS handshake, need not wait for the time limit.
            let has_bare_lf = memchr::memchr_iter(b'\n', filled).any(|at| at == 0 || filled[at - 1] != b'\r');
            if !filled[0].is_ascii_alphabetic() || has_bare_lf {
                return Some(Err(problem::BAD_REQUEST));
            }
            let has_line = memchr::memchr(b'\n', filled).is_some();
            let problem = if has_line { problem::HEAD_TOO_LARGE } else { problem::URI_TOO_LONG };
            return self.buffer.is_full().then_some(Err(problem));
        };
        *searched = 0;
        let snapshot = self.worker.shared.snapshot.load_full();
        let peer = match &mut self.peer {
            Some((of, peer)) if Arc::ptr_eq(of, &snapshot) => peer,
            stale => {
                let is_trusted = snapshot.trusted_proxies.iter().any(|range| range.contains(self.address));
                let peer = Peer::new(self.address, is_trusted);
                &mut stale.insert((snapshot.clone(), peer)).1
            }
        };
        let around = Surroundings { peer, router: &snapshot.router, limits: &snapshot.limits };
        let request = Request::read(&filled[..length], around, &mut self.forward);
        self.buffer.consume(length);
        Some(request.map(|request| (snapshot, request)))
    }

    /// RFC 9112 2.2: empty lines before a request line are ignored.
    fn skip_empty_lines(&mut self) {
        while self.buffer.filled().starts_with(b"\r\n") {
            self.buffer.consume(2);
        }
    }

    /// Ready when the client has closed its side while it has a request open, which is how clients give up. What it
    /// sends meanwhile (the rest of a body, the next request) is kept as long as there is room.
    pub(crate) fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while !self.buffer.is_full() {
            match ready!(poll_fill(context, &mut self.stream.split().0, &mut self.buffer)) {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Poll::Ready(()),
            }
        }
        Poll::Pending
    }

    /// Sends an answer of the gateway itself.
    pub(crate) async fn answer(&mut self, problem: Problem, request: Option<&Request>, closes: bool) {
        let now = Instant::now();
        let mut date = Vec::with_capacity(32);
        self.worker.append_date(&mut date, now);
        let mut out = std::mem::take(&mut self.down_head);
        out.clear();
        let context = problem::Context {
            request_id: request.map(|request| request.id(&self.forward)).unwrap_or_default(),
            date: &date,
            is_head: request.is_some_and(|request| request.method == crate::method::Method::Head),
            closes,
        };
        problem.write(context, &mut out);
        // A client that does not read its answer is about to lose the connection anyway.
        let _ = timeout(LINGER, self.stream.write_all(&out)).await;
        self.down_head = out;
    }

    /// Ends the writing side and reads a little longer.
    async fn linger(&mut self) {
        self.release_buffer();
        let _ = self.stream.shutdown().await;
        let mut buffer = self.worker.buffers.take();
        let stream = &mut self.stream;
        let drain = async {
            let mut left = LINGER_BYTES;
            loop {
                let count = poll_fn(|context| poll_fill(context, &mut stream.split().0, &mut buffer)).await;
                match count {
                    Ok(count) if count > 0 && count <= left => left -= count,
                    _ => return,
                }
                buffer.consume(count.unwrap_or(0));
            }
        };
        let _ = timeout(LINGER, drain).await;
        self.worker.buffers.give_back(buffer);
    }

    fn release_buffer(&mut self) {
        if !self.buffer.is_none() {
            self.worker.buffers.give_back(std::mem::replace(&mut self.buffer, Buffer::none()));
        }
    }
}

enum Received {
    Bytes,
    Nothing,
    TooLate,
}

/// Length of the head that starts the buffer, if its empty line is there. The first `searched` bytes were looked at
/// before.
pub(crate) fn head_length(filled: &[u8], searched: usize) -> Option<usize> {
    let from = searched.saturating_sub(3).min(filled.len());
    memchr::memmem::find(&filled[from..], b"\r\n\r\n").map(|at| from + at + 4)
}
