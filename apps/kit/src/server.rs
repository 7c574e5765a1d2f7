//! The house's HTTP server: HTTP/1.1 with a limit on connections, a limit on the time a request's head may take,
//! and a drain that lets requests in flight finish.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::client::PeerAddr;

/// Bounds of the server.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// Connections open at once; further ones wait in the kernel's backlog.
    pub max_connections: usize,
    /// From an accepted connection to its first whole request head. Later ones have [`ServerOptions::idle_timeout`]: a slow head
    /// costs no more than an idle connection, which is allowed.
    pub header_read_timeout: Duration,
    /// How long a connection may lie idle. Longer than whoever stands in front keeps one in its pool (plimsoll's gateway: the
    /// stack's `timeouts.idle`, 60 s unless set): the side that sends must be the one that closes, or a request may meet a
    /// connection that is just being closed.
    pub idle_timeout: Duration,
    /// Time for requests in flight to finish once shutdown was asked for; what is left is cut.
    pub drain: Duration,
}

/// How the drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Every request in flight was answered.
    Clean,
    /// The time was up with this many connections still open.
    Cut(usize),
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            header_read_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(600),
            drain: Duration::from_secs(25),
        }
    }
}

/// Serves until `shutdown` is cancelled and the drain is over. Each request carries [`PeerAddr`].
pub async fn serve(
    listener: TcpListener,
    router: Router,
    options: ServerOptions,
    shutdown: CancellationToken,
) -> Drained {
    let slots = Arc::new(Semaphore::new(options.max_connections));
    let connections = TaskTracker::new();
    let cut = CancellationToken::new();

    loop {
        let slot = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            slot = Arc::clone(&slots).acquire_owned() => slot,
        };
        let Ok(slot) = slot else { break };
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let connection =
                    connection(stream, PeerAddr(peer), router.clone(), options.clone(), shutdown.clone());
                let cut = cut.clone();
                connections.spawn(async move {
                    cut.run_until_cancelled(connection).await;
                    drop(slot);
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely: give open connections a moment to end.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::select! {
                    () = shutdown.cancelled() => break,
                    () = tokio::time::sleep(Duration::from_millis(50)) => {}
                }
            }
        }
    }

    drop(listener);
    connections.close();
    if tokio::time::timeout(options.drain, connections.wait()).await.is_ok() {
        return Drained::Clean;
    }
    let left = connections.len();
    cut.cancel();
    connections.wait().await;
    Drained::Cut(left)
}

/// Cancelled at SIGTERM or SIGINT.
///
/// # Errors
/// When the signal handlers cannot be installed.
pub fn shutdown_signal() -> std::io::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        cancelled.cancel();
    });
    Ok(token)
}

async fn connection(
    stream: TcpStream,
    peer: PeerAddr,
    router: Router,
    options: ServerOptions,
    shutdown: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot switch Nagle's algorithm off");
    }
    let begun = CancellationToken::new();
    let begins = begun.clone();
    let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        begins.cancel();
        request.extensions_mut().insert(peer);
        router.clone().oneshot(request.map(axum::body::Body::new) as Request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // Runs from the last response on, so it is the clock of idle connections as well.
        .header_read_timeout(options.idle_timeout)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let stalled = async {
        if tokio::time::timeout(options.header_read_timeout, begun.cancelled()).await.is_ok() {
            std::future::pending::<()>().await;
        }
    };
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stalled => return tracing::debug!("no request came in time"),
        () = shutdown.cancelled() => {
            // Idle: closes now. Busy: the response in flight says `Connection: close` and is the last.
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "connection ended early");
    }
}
