//! When the loop looks: at once when a bell rings, but never more often than a look is worth; and now and then without.
//!
//! Wanted properties, each a test below:
//! - the first ring after a quiet time is answered at once;
//! - however often it rings, looks are [`Pacing::apart`] apart, and the last ring is answered too;
//! - without any ring there is a look every [`Pacing::every`]: a bell may be silent (no inotify, a pooler without LISTEN),
//!   and some changes ring none (a job becomes due, a job is done).

use std::time::{Duration, Instant};

use plimsoll_gateway::Changes;
use plimsoll_jobs::Jobs;
use tokio::{sync::mpsc, task::JoinSet};

/// How often the loop looks at queues and edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pacing {
    /// The longest time between two looks, when no bell rings.
    pub every: Duration,
    /// The shortest time between two looks, however often bells ring; so also between two decisions on a service.
    pub apart: Duration,
}

/// Who rang.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bell {
    Queue,
    Edge,
}

/// The earliest ring of each bell that was not answered yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rung {
    pub(crate) queue: Option<Instant>,
    pub(crate) edge: Option<Instant>,
}

/// The looks.
#[derive(Debug)]
pub(crate) struct Looks {
    pacing: Pacing,
    latest: Option<Instant>,
    rung: Rung,
}

/// Bells of other tasks and threads, on one line.
pub(crate) struct Bells {
    rings: mpsc::Receiver<(Bell, Instant)>,
    edge: Option<Changes>,
    /// Ends with this.
    _listeners: JoinSet<()>,
}

// === impl Pacing ===

impl Default for Pacing {
    fn default() -> Self {
        Self { every: Duration::from_millis(250), apart: Duration::from_millis(200) }
    }
}

// === impl Rung ===

impl Rung {
    /// When this bell began to ring.
    pub(crate) fn since(&self, bell: Bell) -> Option<Instant> {
        match bell {
            Bell::Queue => self.queue,
            Bell::Edge => self.edge,
        }
    }
}

// === impl Looks ===

impl Looks {
    pub(crate) fn new(pacing: Pacing) -> Self {
        Self { pacing, latest: None, rung: Rung::default() }
    }

    /// A bell rang.
    pub(crate) fn ring(&mut self, bell: Bell, at: Instant) {
        let rung = match bell {
            Bell::Queue => &mut self.rung.queue,
            Bell::Edge => &mut self.rung.edge,
        };
        rung.get_or_insert(at);
    }

    /// When to look next; what is past is now.
    pub(crate) fn next(&self, now: Instant) -> Instant {
        let wait = if self.rung == Rung::default() { self.pacing.every } else { self.pacing.apart };
        self.latest.map_or(now, |latest| latest + wait)
    }

    /// Begins a look, which answers all rings until now.
    pub(crate) fn begin(&mut self, now: Instant) -> Rung {
        self.latest = Some(now);
        std::mem::take(&mut self.rung)
    }
}

// === impl Bells ===

impl Bells {
    /// Listens to the queue and, where there is one, to the edge.
    pub(crate) fn listen(jobs: &Jobs, edge: Option<Changes>) -> Self {
        // One place for each bell: a ring that finds it taken says nothing new.
        let (ring, rings) = mpsc::channel(2);
        let mut listeners = JoinSet::new();
        let (mut queue, queue_rings) = (jobs.bell(), ring.clone());
        listeners.spawn(async move {
            while queue.changed().await.is_ok() {
                // A full line holds a ring that is not answered yet; none is lost by dropping this one.
                let _ = queue_rings.try_send((Bell::Queue, Instant::now()));
            }
        });
        if let Some(changes) = edge.clone() {
            listeners.spawn(async move {
                loop {
                    let at = changes.rung().await.into_std();
                    if ring.send((Bell::Edge, at)).await.is_err() {
                        return;
                    }
                }
            });
        }
        Self { rings, edge, _listeners: listeners }
    }

    /// The next ring.
    pub(crate) async fn rung(&mut self) -> (Bell, Instant) {
        match self.rings.recv().await {
            Some(ring) => ring,
            // The queue's handle is kept by the loop, so this is not reached; looks go on without bells.
            None => std::future::pending().await,
        }
    }

    /// To be called before a look: what happens from now on rings again.
    pub(crate) fn arm(&self) {
        if let Some(edge) = &self.edge {
            edge.arm();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PACING: Pacing = Pacing { every: Duration::from_millis(1000), apart: Duration::from_millis(200) };

    #[test]
    fn first_ring_after_a_quiet_time_is_answered_at_once() {
        let start = Instant::now();
        let mut looks = Looks::new(PACING);
        assert_eq!(looks.next(start), start);
        assert_eq!(looks.begin(start), Rung::default());
        let ring = start + Duration::from_millis(700);
        assert_eq!(looks.next(ring), start + PACING.every);
        looks.ring(Bell::Queue, ring);
        assert!(looks.next(ring) <= ring);
        assert_eq!(looks.begin(ring).since(Bell::Queue), Some(ring));
    }

    proptest! {
        /// Milliseconds between rings, carried out as the loop does it.
        #[test]
        fn looks_are_apart_and_every_ring_is_answered_in_time(gaps in proptest::collection::vec(0u64..1500, 1..60)) {
            let start = Instant::now();
            let mut looks = Looks::new(PACING);
            looks.begin(start);
            let (mut latest, mut at) = (start, start);
            let mut look = |looks: &mut Looks, due: Instant| {
                assert!(due.duration_since(latest) >= PACING.apart && due.duration_since(latest) <= PACING.every);
                let rung = looks.begin(due);
                for since in [rung.queue, rung.edge].into_iter().flatten() {
                    assert!(due.saturating_duration_since(since) <= PACING.apart);
                }
                latest = due;
            };
            for (index, gap) in gaps.into_iter().enumerate() {
                at += Duration::from_millis(gap);
                while looks.next(at) <= at {
                    let due = looks.next(at);
                    look(&mut looks, due);
                }
                looks.ring(if index % 3 == 0 { Bell::Edge } else { Bell::Queue }, at);
                if looks.next(at) < at {
                    look(&mut looks, at);
                }
            }
            let due = looks.next(at);
            look(&mut looks, due);
            prop_assert_eq!(looks.begin(due), Rung::default());
        }
    }
}
