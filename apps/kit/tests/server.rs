//! The server over real sockets: its limits hold, and its drain loses nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use app_kit::server::{Drained, ServerOptions, serve};
use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

struct Running {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<Drained>,
    /// Told when the slow handler has begun.
    begun: Arc<Notify>,
    /// Lets the slow handler end.
    finish: Arc<Notify>,
}

async fn start(options: ServerOptions) -> Running {
    let (begun, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (told, wait) = (Arc::clone(&begun), Arc::clone(&finish));
    let slow = move || {
        let (told, wait) = (Arc::clone(&told), Arc::clone(&wait));
        async move {
            told.notify_one();
            wait.notified().await;
            "slow"
        }
    };
    let router = Router::new().route("/", get(async || "fast")).route("/slow", get(slow));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(serve(listener, router, options, shutdown.clone()));
    Running { address, shutdown, task, begun, finish }
}

async fn send(address: SocketAddr, text: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(text.as_bytes()).await.unwrap();
    socket
}

/// Everything until the other side closes.
async fn rest(mut socket: TcpStream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), socket.read_to_end(&mut answer)).await;
    let _ = read.expect("the server closes in time");
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_head_that_does_not_end_is_cut_off() {
    let options =
        ServerOptions { header_read_timeout: Duration::from_millis(200), ..ServerOptions::default() };
    let server = start(options).await;
    let socket = send(server.address, "GET / HTTP/1.1\r\nhost: x\r\n").await;
    assert!(!rest(socket).await.contains("200 OK"));
    server.shutdown.cancel();
    assert_eq!(server.task.await.unwrap(), Drained::Clean);
}

#[tokio::test]
async fn an_idle_connection_has_a_clock_of_its_own() {
    let options = ServerOptions {
        header_read_timeout: Duration::from_millis(100),
        idle_timeout: Duration::from_millis(600),
        ..ServerOptions::default()
    };
    let server = start(options).await;
    let idle = Instant::now();
    let socket = send(server.address, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(rest(socket).await.ends_with("fast"));
    // Far longer than a first head may take.
    assert!(idle.elapsed() >= Duration::from_millis(500), "{:?}", idle.elapsed());
    server.shutdown.cancel();
    assert_eq!(server.task.await.unwrap(), Drained::Clean);
}

#[tokio::test]
async fn one_connection_too_many_waits_for_a_place() {
    let options = ServerOptions { max_connections: 2, ..ServerOptions::default() };
    let server = start(options).await;
    let first = send(server.address, "GET /slow HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    server.begun.notified().await;
    let second = send(server.address, "GET /slow HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    server.begun.notified().await;
    let mut third = send(server.address, "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    let mut byte = [0];
    let early = tokio::time::timeout(Duration::from_millis(300), third.read(&mut byte)).await;
    assert!(early.is_err(), "the third was served while both places were taken");
    server.finish.notify_one();
    assert!(rest(third).await.ends_with("fast"));
    server.finish.notify_one();
    assert!(rest(first).await.ends_with("slow"));
    assert!(rest(second).await.ends_with("slow"));
    server.shutdown.cancel();
    assert_eq!(server.task.await.unwrap(), Drained::Clean);
}

#[tokio::test]
async fn drain_closes_idle_connections_and_lets_requests_finish() {
    let server = start(ServerOptions::default()).await;
    let mut idle = send(server.address, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut seen = [0; 15];
    idle.read_exact(&mut seen).await.unwrap();
    let busy = send(server.address, "GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    server.begun.notified().await;
    server.shutdown.cancel();
    assert!(rest(idle).await.ends_with("fast"));
    assert!(!server.task.is_finished());
    server.finish.notify_one();
    let answer = rest(busy).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("slow"), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
    assert_eq!(server.task.await.unwrap(), Drained::Clean);
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn drain_cuts_what_does_not_finish_in_time() {
    let options = ServerOptions { drain: Duration::from_millis(200), ..ServerOptions::default() };
    let server = start(options).await;
    let stuck = send(server.address, "GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    server.begun.notified().await;
    server.shutdown.cancel();
    assert_eq!(server.task.await.unwrap(), Drained::Cut(1));
    assert!(rest(stuck).await.is_empty());
}
