//! The listener: hyper under the router, with a header timeout, a connection limit and an orderly end.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;

use crate::{api, guard::Guard, operator::Operator, secret::Secret, stream::Feed};

/// Connections at one time; further ones wait in the kernel's backlog.
const MAX_CONNECTIONS: usize = 256;
/// How long a client may take for the head of a request, and how long a kept connection may stay idle.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Largest head of a request.
const MAX_HEAD_BYTES: usize = 32 * 1024;
/// Shortest token for a listener that others can reach: 16 characters of base64 are 96 bits.
const MIN_TOKEN_BYTES: usize = 16;
/// Pause when the process has no file descriptor left to accept with.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// A running console.
#[derive(Debug)]
pub struct Console {
    local_addr: SocketAddr,
    closing: CancellationToken,
    /// `None` only after [`Console::shutdown`] took it.
    accepting: Option<JoinHandle<Open>>,
}

/// Why the console did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Others could reach it and nothing would hold them back.
    #[error(
        "admin listener {listen} is not a loopback address and has no token: set admin.token_env, or listen on 127.0.0.1"
    )]
    TokenNeeded {
        /// Where it was to listen.
        listen: SocketAddr,
    },
    /// A token that can be guessed.
    #[error(
        "the admin token is {bytes} bytes long, at least {min} are needed for a listener on {listen}: use a longer one, for instance from `openssl rand -base64 24`"
    )]
    TokenTooShort {
        /// Where it was to listen.
        listen: SocketAddr,
        /// Length of the token given.
        bytes: usize,
        /// Least length there.
        min: usize,
    },
    /// The address is taken or not ours.
    #[error("cannot listen on {listen} for the admin API: {source}")]
    Bind {
        /// Where it was to listen.
        listen: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Connections that were open when accepting ended; dropping it cuts them.
#[derive(Debug, Default)]
struct Open {
    connections: JoinSet<()>,
    graceful: GracefulShutdown,
}

// === impl Console ===

impl Console {
    /// Listens on `listen` (port 0 takes a free one) and serves until [`Console::shutdown`].
    ///
    /// # Errors
    /// When the address cannot be bound, or when it is not loopback and there is no token, or a short one.
    pub async fn start(
        listen: SocketAddr,
        token: Option<Secret>,
        operator: Arc<dyn Operator>,
    ) -> Result<Self, StartError> {
        check_token(listen, token.as_ref())?;
        let bind = |source| StartError::Bind { listen, source };
        let listener = TcpListener::bind(listen).await.map_err(bind)?;
        let local_addr = listener.local_addr().map_err(bind)?;

        let closing = CancellationToken::new();
        let feed = Arc::new(Feed::new(Arc::clone(&operator), closing.clone()));
        tokio::spawn(Arc::clone(&feed).run());
        let guard = Arc::new(Guard { listen: local_addr, token });
        let router = api::router(api::Shared { operator, feed, closing: closing.clone() }, guard);
        let accepting = Some(tokio::spawn(accept(listener, router, closing.clone())));
        Ok(Self { local_addr, closing, accepting })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Stops accepting, ends the streams, lets requests in flight finish until `deadline` has passed, then cuts them.
    /// Returns whether all finished.
    pub async fn shutdown(mut self, deadline: Duration) -> bool {
        self.closing.cancel();
        let Some(accepting) = self.accepting.take() else { return true };
        let Ok(Open { mut connections, graceful }) = accepting.await else { return false };
        let finish = async {
            graceful.shutdown().await;
            while connections.join_next().await.is_some() {}
        };
        tokio::time::timeout(deadline, finish).await.is_ok()
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

fn check_token(listen: SocketAddr, token: Option<&Secret>) -> Result<(), StartError> {
    let loopback = listen.ip().is_loopback();
    let min = if loopback { 1 } else { MIN_TOKEN_BYTES };
    match token {
        None if !loopback => Err(StartError::TokenNeeded { listen }),
        Some(token) if token.expose().len() < min => {
            Err(StartError::TokenTooShort { listen, bytes: token.expose().len(), min })
        }
        _ => Ok(()),
    }
}

async fn accept(listener: TcpListener, router: Router, closing: CancellationToken) -> Open {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut open = Open::default();
    loop {
        tokio::select! {
            () = closing.cancelled() => return open,
            Some(_) = open.connections.join_next() => {}
            (stream, slot) = next_connection(&listener, &slots) => {
                let watcher = open.graceful.watcher();
                let service = TowerToHyperService::new(router.clone());
                open.connections.spawn(async move {
                    let connection = http1::Builder::new()
                        .timer(TokioTimer::new())
                        .header_read_timeout(HEADER_READ_TIMEOUT)
                        .max_buf_size(MAX_HEAD_BYTES)
                        .serve_connection(TokioIo::new(stream), service);
                    if let Err(error) = watcher.watch(connection).await {
                        tracing::debug!(%error, "admin connection ended early");
                    }
                    drop(slot);
                });
            }
        }
    }
}

/// The next connection once there is room for one. Cancelling it loses no connection: a slot is taken first.
async fn next_connection(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed; without a permit the connection would only not be counted.
    let slot = Arc::clone(slots).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true); // only latency is lost without it
                return (stream, slot);
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept an admin connection");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}
