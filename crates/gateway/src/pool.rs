//! Idle keep-alive connections to one upstream.
//!
//! A connection belongs to the worker whose reactor it is registered with, so there is one stack per worker; only
//! closing crosses threads. The latest used is taken first and, when there are too many, the longest unused is closed:
//! a burst of old connections must not keep fresh ones out.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Idle connections kept per upstream and worker; more are closed.
const MAX_IDLE: usize = 100;

/// The idle connections of all workers to one upstream.
#[derive(Debug)]
pub(crate) struct IdlePool {
    workers: Box<[Mutex<VecDeque<Idle>>]>,
    is_closed: AtomicBool,
}

#[derive(Debug)]
struct Idle {
    stream: TcpStream,
    since: Instant,
}

// === impl IdlePool ===

impl IdlePool {
    pub(crate) fn new(workers: usize) -> Self {
        let workers = (0..workers).map(|_| Mutex::default()).collect();
        Self { workers, is_closed: AtomicBool::new(false) }
    }

    /// A connection that was open a moment ago and has been idle for no longer than `oldest`.
    pub(crate) fn take(&self, worker: usize, now: Instant, oldest: Duration) -> Option<TcpStream> {
        let mut idle = self.idle(worker);
        while let Some(mut candidate) = idle.pop_back() {
            if now.saturating_duration_since(candidate.since) > oldest {
                // All others are older.
                idle.push_back(candidate);
                return None;
            }
            if is_quiet(&mut candidate.stream) {
                return Some(candidate.stream);
            }
        }
        None
    }

    pub(crate) fn put(&self, worker: usize, stream: TcpStream, since: Instant) {
        let mut idle = self.idle(worker);
        if self.is_closed.load(Ordering::Acquire) {
            return;
        }
        if idle.len() == MAX_IDLE {
            idle.pop_front();
        }
        idle.push_back(Idle { stream, since });
    }

    /// Closes all idle connections and takes no more.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        for worker in 0..self.workers.len() {
            self.idle(worker).clear();
        }
    }

    pub(crate) fn close_idle(&self, worker: usize, deadline: Instant) {
        self.idle(worker).retain_mut(|idle| idle.since >= deadline && is_quiet(&mut idle.stream));
    }

    fn idle(&self, worker: usize) -> MutexGuard<'_, VecDeque<Idle>> {
        self.workers[worker].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nothing has arrived: neither the end of the stream nor bytes that nobody asked for. Costs no system call unless
/// the reactor has seen an event.
fn is_quiet(stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    let mut context = Context::from_waker(Waker::noop());
    matches!(Pin::new(stream).poll_read(&mut context, &mut ReadBuf::new(&mut byte)), Poll::Pending)
}

#[cfg(test)]
mod tests;
