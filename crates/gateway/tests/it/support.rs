//! A gateway, upstreams and a client on loopback.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use plimsoll_balance::Policy;
use plimsoll_gateway::{Gateway, Limits, Options, Upstream};
use plimsoll_stack::{Route, Timeouts};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Far more than anything takes; a test that waits as long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A configuration with one route for everything to the service `api`.
pub(crate) fn config() -> plimsoll_stack::Gateway {
    plimsoll_stack::Gateway {
        listen: "127.0.0.1:0".parse().expect("address"),
        trusted_proxies: Vec::new(),
        max_connections: 1_000,
        timeouts: Timeouts {
            connect: Duration::from_secs(5),
            response: Duration::from_secs(10),
            idle: Duration::from_secs(10),
            header_read: Duration::from_secs(10),
        },
        wait_for_upstream: Duration::from_secs(10),
        max_waiting: 100,
        routes: vec![route(None, "/", "api")],
    }
}

pub(crate) fn route(host: Option<&str>, path: &str, service: &str) -> Route {
    Route { host: host.map(str::to_owned), path: path.to_owned(), service: service.to_owned(), timeout: None }
}

/// A gateway in front of these upstreams, called `api-0`, `api-1` and so on.
pub(crate) async fn gateway(
    config: &plimsoll_stack::Gateway,
    upstreams: &[SocketAddr],
) -> (Gateway, SocketAddr) {
    gateway_with(config, upstreams, Policy::RoundRobin, Limits::default()).await
}

pub(crate) async fn gateway_with(
    config: &plimsoll_stack::Gateway,
    upstreams: &[SocketAddr],
    policy: Policy,
    limits: Limits,
) -> (Gateway, SocketAddr) {
    let options = Options { workers: Some(2), limits };
    let policies = BTreeMap::from([("api".to_owned(), policy)]);
    let gateway = Gateway::start(config, &policies, options).await.expect("starts");
    gateway.set_upstreams("api", named(upstreams));
    let address = gateway.local_addr().expect("listens");
    (gateway, address)
}

pub(crate) fn named(addresses: &[SocketAddr]) -> Vec<Upstream> {
    let name = |(index, address): (usize, &SocketAddr)| Upstream {
        id: format!("api-{index}"),
        address: *address,
        weight: 1,
    };
    addresses.iter().enumerate().map(name).collect()
}

/// An upstream of our own making. It ends, with all its connections, when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    tasks: JoinSet<()>,
}

impl Server {
    /// Serves each connection with `serve`; its second argument counts connections from 0.
    pub(crate) async fn start<S, F>(serve: S) -> Self
    where
        S: Fn(Peer, usize) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        Self::on(listener, serve)
    }

    pub(crate) fn on<S, F>(listener: TcpListener, serve: S) -> Self
    where
        S: Fn(Peer, usize) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let address = listener.local_addr().expect("bound");
        let accepted = Arc::new(AtomicUsize::new(0));
        let counter = accepted.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.expect("accepts");
                let number = counter.fetch_add(1, Ordering::SeqCst);
                connections.spawn(serve(Peer::new(stream), number));
            }
        });
        Self { address, accepted, tasks }
    }

    /// Answers every request with its head and body as text, and with its own name in `x-served-by`.
    pub(crate) async fn echo(name: &'static str) -> Self {
        Self::start(move |mut peer, _| async move {
            while let Some(request) = peer.try_message().await {
                let text = format!("{}{}", request.head, String::from_utf8_lossy(&request.body));
                let length = text.len();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nx-served-by: {name}\r\ncontent-length: {length}\r\n\r\n{text}"
                );
                peer.send(answer).await;
            }
        })
        .await
    }

    /// Answers every request with this status and no body.
    pub(crate) async fn status(status: u16) -> Self {
        Self::start(move |mut peer, _| async move {
            while peer.try_message().await.is_some() {
                peer.send(format!("HTTP/1.1 {status} Status\r\ncontent-length: 0\r\n\r\n")).await;
            }
        })
        .await
    }

    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Closes everything, as a killed process would.
    pub(crate) async fn kill(mut self) {
        self.tasks.shutdown().await;
    }
}

/// A message as it arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    /// With all line ends but the empty line.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// Trailer lines of a chunked body.
    pub(crate) trailers: String,
}

impl Message {
    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status line")
    }

    /// All values of a field, joined as a list.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let values: Vec<_> =
            lines.filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The `code` of an error in the house's shape.
    pub(crate) fn error_code(&self) -> String {
        let body: serde_json::Value = serde_json::from_slice(&self.body).expect("a JSON body");
        assert!(body["error"]["message"].is_string() && body["error"]["details"].is_object(), "{body}");
        assert_eq!(self.field("content-type").as_deref(), Some("application/json"));
        body["error"]["code"].as_str().expect("a code").to_owned()
    }
}

/// One end of a connection, used by clients and upstreams alike.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    received: Vec<u8>,
}

impl Peer {
    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("sets");
        Self { stream, received: Vec::new() }
    }

    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).await.expect("connects"))
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // A peer that is gone shows when the test reads.
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// Reads more; false at the end of the stream.
    pub(crate) async fn receive(&mut self) -> bool {
        let count = timeout(PATIENCE, self.stream.read_buf(&mut self.received)).await.expect("in time");
        count.is_ok_and(|count| count > 0)
    }

    /// Reads up to and with `end`.
    pub(crate) async fn until(&mut self, end: &str) -> String {
        self.try_until(end).await.unwrap_or_else(|| {
            panic!("closed before {end:?}, after {:?}", String::from_utf8_lossy(&self.received))
        })
    }

    pub(crate) async fn try_until(&mut self, end: &str) -> Option<String> {
        loop {
            let found = self.received.windows(end.len()).position(|window| window == end.as_bytes());
            if let Some(at) = found {
                let bytes: Vec<u8> = self.received.drain(..at + end.len()).collect();
                return Some(String::from_utf8(bytes).expect("text"));
            }
            if !self.receive().await {
                return None;
            }
        }
    }

    /// Has this arrived, among what was not read yet?
    pub(crate) fn has_received(&self, text: &str) -> bool {
        self.received.windows(text.len()).any(|window| window == text.as_bytes())
    }

    pub(crate) fn take_received(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.received)
    }

    pub(crate) async fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.received.len() < count {
            assert!(self.receive().await, "closed after {} of {count} bytes", self.received.len());
        }
        self.received.drain(..count).collect()
    }

    /// True when the other end closes without another byte.
    pub(crate) async fn is_closed(&mut self) -> bool {
        !self.receive().await && self.received.is_empty()
    }

    /// One whole message; for a response to HEAD use [`Self::until`].
    pub(crate) async fn message(&mut self) -> Message {
        self.try_message().await.expect("a message")
    }

    /// None when the other end closes before one begins.
    pub(crate) async fn try_message(&mut self) -> Option<Message> {
        let head = self.try_until("\r\n\r\n").await?;
        let mut message = Message { head, ..Message::default() };
        let is_response = message.head.starts_with("HTTP/");
        if is_response && (message.status() < 200 || [204, 304].contains(&message.status())) {
            return Some(message);
        }
        if let Some(length) = message.field("content-length") {
            message.body = self.exactly(length.parse().expect("a length")).await;
        } else if message.field("transfer-encoding").is_some() {
            loop {
                let chunk = self.chunk().await;
                if chunk.is_empty() {
                    break;
                }
                message.body.extend(chunk);
            }
            let mut line = self.until("\r\n").await;
            while line != "\r\n" {
                message.trailers.push_str(&line);
                line = self.until("\r\n").await;
            }
        } else if is_response {
            while self.receive().await {}
            message.body = std::mem::take(&mut self.received);
        }
        Some(message)
    }

    /// The payload of the next chunk; empty for the last one, whose trailers remain to be read.
    pub(crate) async fn chunk(&mut self) -> Vec<u8> {
        let line = self.until("\r\n").await;
        let size = usize::from_str_radix(line.trim(), 16).expect("a chunk size");
        if size == 0 {
            return Vec::new();
        }
        let chunk = self.exactly(size).await;
        assert_eq!(self.exactly(2).await, b"\r\n");
        chunk
    }
}

/// Sends one request on a new connection and returns the answer.
pub(crate) async fn ask(address: SocketAddr, request: &str) -> Message {
    let mut client = Peer::connect(address).await;
    client.send(request).await;
    client.message().await
}

pub(crate) async fn get(address: SocketAddr, path: &str) -> Message {
    ask(address, &format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n")).await
}

/// Waits until the condition holds, looking again every few milliseconds for at most [`PATIENCE`].
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let mut tick = tokio::time::interval(Duration::from_millis(2));
    let holds = async {
        while !condition() {
            tick.tick().await;
        }
    };
    timeout(PATIENCE, holds).await.unwrap_or_else(|_| panic!("never: {what}"));
}
