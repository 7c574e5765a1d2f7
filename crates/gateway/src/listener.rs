//! Accepts connections and runs the worker threads.
//!
//! One task accepts and gives each connection to the worker with the fewest. Listening sockets of the workers' own
//! (`SO_REUSEPORT`) would spread by hash, unevenly with few long connections, and lose those in the backlog of a socket
//! that is closed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::connection::Connection;
use crate::problem;
use crate::worker::Worker;

/// Accepted connections on their way to a worker.
const HANDOVER: usize = 1024;
/// How often idle upstream connections are looked over.
const HOUSEKEEPING: Duration = Duration::from_secs(5);
/// Pause after an accept that failed for want of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The sending end to one worker.
#[derive(Clone)]
pub(crate) struct Handover {
    pub(crate) worker: Arc<Worker>,
    pub(crate) sender: mpsc::Sender<Accepted>,
}

/// A connection that belongs to no runtime yet.
pub(crate) struct Accepted {
    stream: std::net::TcpStream,
    peer: SocketAddr,
    place: Place,
}

/// A connection counted for its worker and for the gateway, from the moment it is given to the worker: the next one
/// of a burst must see it.
struct Place(Arc<Worker>);

/// Makes the channel to a worker.
pub(crate) fn handover(worker: Arc<Worker>) -> (Handover, mpsc::Receiver<Accepted>) {
    let (sender, receiver) = mpsc::channel(HANDOVER);
    (Handover { worker, sender }, receiver)
}

/// Serves what is handed over until the senders are gone and, after that, until `deadline` says so or all connections
/// have ended. Runs as the main task of the worker's own runtime.
pub(crate) async fn run_worker(
    worker: Arc<Worker>,
    mut receiver: mpsc::Receiver<Accepted>,
    mut deadline: watch::Receiver<Option<Instant>>,
) {
    let connections = TaskTracker::new();
    let mut housekeeping = tokio::time::interval(HOUSEKEEPING);
    loop {
        tokio::select! {
            accepted = receiver.recv() => match accepted {
                Some(accepted) => {
                    if let Ok(stream) = TcpStream::from_std(accepted.stream) {
                        connections.spawn(serve(accepted.place, stream, accepted.peer));
                    }
                }
                None => break,
            },
            now = housekeeping.tick() => worker.close_idle_upstream_connections(now),
        }
    }
    connections.close();
    let cut = async {
        let at = match deadline.wait_for(Option::is_some).await {
            Ok(at) => at.unwrap_or_else(Instant::now),
            // The gateway was dropped without a shutdown: nobody waits for the connections.
            Err(_) => return,
        };
        tokio::time::sleep_until(at).await;
    };
    tokio::select! {
        () = connections.wait() => {}
        () = cut => tracing::warn!(worker = worker.index, left = connections.len(), "connections cut at the drain deadline"),
    }
}

async fn serve(place: Place, stream: TcpStream, peer: SocketAddr) {
    // Without it small writes would wait for acknowledgements; a kernel that refuses it is only slower.
    let _ = stream.set_nodelay(true);
    Connection::new(place.0.clone(), stream, peer.ip()).serve().await;
}

/// Says that there are too many connections, without waiting for anything.
fn refuse(worker: &Worker, stream: &TcpStream) {
    let mut date = Vec::new();
    worker.append_date(&mut date, Instant::now());
    let mut out = Vec::new();
    let context = problem::Context { request_id: &[], date: &date, is_head: false, closes: true };
    problem::TOO_MANY_CONNECTIONS.write(context, &mut out);
    let _ = stream.try_write(&out);
}

/// Accepts until `stop` fires or its sender is gone.
pub(crate) async fn accept(listener: TcpListener, workers: Vec<Handover>, mut stop: oneshot::Receiver<()>) {
    loop {
        let accepted = tokio::select! {
            biased;
            _ = &mut stop => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let least = workers.iter().min_by_key(|handover| handover.worker.connections.load(Ordering::Relaxed));
        let Some(least) = least else { return };
        let Some(place) = Place::take(least.worker.clone()) else {
            refuse(&least.worker, &stream);
            continue;
        };
        let Ok(stream) = stream.into_std() else { continue };
        // A full channel means a worker that has not run for a while: wait, the backlog is the kernel's.
        let _ = least.sender.send(Accepted { stream, peer, place }).await;
    }
}

// === impl Place ===

impl Place {
    /// None when the gateway has as many connections as it may.
    fn take(worker: Arc<Worker>) -> Option<Self> {
        let shared = &worker.shared;
        if shared.connections.load(Ordering::Relaxed) >= shared.snapshot.load().max_connections {
            shared.refused_connections.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        shared.connections.fetch_add(1, Ordering::Relaxed);
        worker.connections.fetch_add(1, Ordering::Relaxed);
        Some(Self(worker))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.shared.connections.fetch_sub(1, Ordering::Relaxed);
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
