//! The waiting line and the slots: where requests are.

use std::collections::VecDeque;

use crate::tally::Tally;
use crate::workload::{Request, Workload};

/// One place where a request can be served.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    /// When it becomes, or became, free.
    pub(crate) free_s: f64,
    /// Index of its instance.
    pub(crate) place: u32,
    /// It has served somebody, so that reaching `free_s` is a completion.
    pub(crate) used: bool,
}

/// A central first-in-first-out queue in front of all slots of the ready instances.
///
/// The line is lazy: between two moments of control the capacity is fixed, so who starts when follows from the times at
/// which slots become free, and a request costs one look at a heap instead of two events.
#[derive(Debug)]
pub(crate) struct Station {
    /// Binary heap, the slot that is free first on top.
    slots: Vec<Slot>,
    pub(crate) waiting: VecDeque<Request>,
    queue_limit: usize,
    /// Seconds of service started per instance, by its place.
    pub(crate) started_s: Vec<f64>,
    /// Requests on instances that are leaving, by when they will be done.
    leaving: Vec<f64>,
    /// When the last request was started.
    pub(crate) last_start_s: f64,
    pub(crate) counts: Counts,
}

/// Counts over the whole run, each counted where it happens.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Counts {
    pub(crate) arrivals: u64,
    /// Arrivals with what each stands for.
    pub(crate) weighted_arrivals: u64,
    pub(crate) dropped: u64,
    pub(crate) started: u64,
    pub(crate) completed: u64,
    /// Sums over started requests, for measured service times.
    pub(crate) service_s: f64,
    pub(crate) service_squared: f64,
}

// === impl Station ===

impl Station {
    pub(crate) fn new(queue_limit: Option<usize>) -> Self {
        Self {
            slots: Vec::new(),
            waiting: VecDeque::new(),
            queue_limit: queue_limit.unwrap_or(usize::MAX),
            started_s: Vec::new(),
            leaving: Vec::new(),
            last_start_s: 0.0,
            counts: Counts::default(),
        }
    }

    /// Takes in what arrives before `until_s` and starts whatever can start by then.
    pub(crate) fn advance<W: Workload>(&mut self, source: &mut Source<W>, tally: &mut Tally, until_s: f64) {
        while let Some(request) = source.next_before(until_s) {
            self.counts.arrivals += 1;
            self.counts.weighted_arrivals += tally.weight;
            self.serve_waiting(tally, request.arrival_s);
            if self.waiting.is_empty()
                && self.slots.first().is_some_and(|slot| slot.free_s <= request.arrival_s)
            {
                self.start(request, request.arrival_s, tally);
            } else if self.waiting.len() < self.queue_limit {
                self.waiting.push_back(request);
            } else {
                self.counts.dropped += 1;
                tally.dropped(request);
            }
        }
        self.serve_waiting(tally, until_s);
    }

    fn serve_waiting(&mut self, tally: &mut Tally, until_s: f64) {
        while let (Some(&first), Some(slot)) = (self.waiting.front(), self.slots.first()) {
            if slot.free_s > until_s {
                return;
            }
            self.waiting.pop_front();
            self.start(first, slot.free_s.max(first.arrival_s), tally);
        }
    }

    /// Starts a request on the slot on top of the heap.
    #[inline]
    fn start(&mut self, request: Request, at_s: f64, tally: &mut Tally) {
        tally.started(request, at_s);
        self.last_start_s = at_s;
        let counts = &mut self.counts;
        counts.started += 1;
        counts.service_s += request.service_s;
        counts.service_squared += request.service_s * request.service_s;
        let slot = self.slots[0];
        counts.completed += u64::from(slot.used);
        self.started_s[slot.place as usize] += request.service_s;
        self.sink(Slot { free_s: at_s + request.service_s, used: true, ..slot });
    }

    /// Puts a slot in place of the top one and restores the heap.
    #[inline]
    fn sink(&mut self, slot: Slot) {
        let slots = self.slots.as_mut_slice();
        let mut hole = 0;
        loop {
            let mut child = 2 * hole + 1;
            if child >= slots.len() {
                break;
            }
            if child + 1 < slots.len() && slots[child + 1].free_s < slots[child].free_s {
                child += 1;
            }
            if slots[child].free_s >= slot.free_s {
                break;
            }
            slots[hole] = slots[child];
            hole = child;
        }
        slots[hole] = slot;
    }

    /// Lets time pass in which the line stays as it is and every slot is busy for this share of it.
    pub(crate) fn shift(&mut self, now_s: f64, by_s: f64, utilization: f64) {
        for slot in &mut self.slots {
            // Whoever is in service has as long to go afterwards as before. The order of the heap does not change.
            slot.free_s = if slot.free_s > now_s { slot.free_s + by_s } else { slot.free_s };
            self.started_s[slot.place as usize] += utilization * by_s;
        }
    }

    /// An instance becomes ready.
    pub(crate) fn add(&mut self, place: u32, slots: u32, at_s: f64) {
        if self.started_s.len() <= place as usize {
            self.started_s.resize(place as usize + 1, 0.0);
        }
        self.started_s[place as usize] = 0.0;
        for _ in 0..slots {
            self.slots.push(Slot { free_s: at_s, place, used: false });
            let mut child = self.slots.len() - 1;
            while child > 0 && self.slots[(child - 1) / 2].free_s > self.slots[child].free_s {
                self.slots.swap(child, (child - 1) / 2);
                child = (child - 1) / 2;
            }
        }
    }

    /// An instance gets no further requests; returns when the last one it has is done.
    pub(crate) fn remove(&mut self, place: u32, at_s: f64) -> f64 {
        let mut gone_s = at_s;
        let (leaving, counts) = (&mut self.leaving, &mut self.counts);
        self.slots.retain(|slot| {
            let stays = slot.place != place;
            if !stays && slot.free_s > at_s {
                gone_s = gone_s.max(slot.free_s);
                leaving.push(slot.free_s);
            } else if !stays {
                counts.completed += u64::from(slot.used);
            }
            stays
        });
        // Rare, and a sorted list is a heap.
        self.slots.sort_by(|a, b| a.free_s.total_cmp(&b.free_s));
        gone_s
    }

    /// Requests on leaving instances are done one after the other.
    pub(crate) fn finish_leaving(&mut self, at_s: f64) {
        let before = self.leaving.len();
        self.leaving.retain(|&free_s| free_s > at_s);
        self.counts.completed += (before - self.leaving.len()) as u64;
    }

    /// Requests in service, on leaving instances too.
    pub(crate) fn in_service(&self, at_s: f64) -> u64 {
        let busy = self.slots.iter().filter(|slot| slot.free_s > at_s).count();
        (busy + self.leaving.iter().filter(|&&free_s| free_s > at_s).count()) as u64
    }

    /// Every slot, in no order.
    pub(crate) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Seconds of service done until now, per place.
    pub(crate) fn done_s(&self, at_s: f64, into: &mut Vec<f64>) {
        into.clear();
        into.extend_from_slice(&self.started_s);
        for slot in &self.slots {
            into[slot.place as usize] -= (slot.free_s - at_s).max(0.0);
        }
    }

    /// How long the first in line has waited.
    pub(crate) fn oldest_wait_s(&self, at_s: f64) -> f64 {
        self.waiting.front().map_or(0.0, |first| (at_s - first.arrival_s).max(0.0))
    }

    /// Counts what completed since its slot was last looked at, and everything that is still here.
    pub(crate) fn close(&mut self, at_s: f64) -> u64 {
        self.finish_leaving(at_s);
        for slot in &mut self.slots {
            if slot.used && slot.free_s <= at_s {
                slot.used = false;
                self.counts.completed += 1;
            }
        }
        self.in_service(at_s)
    }
}

/// A workload and the one request that was looked at already.
#[derive(Debug)]
pub(crate) struct Source<W> {
    pub(crate) workload: W,
    next: Option<Request>,
    /// Arrival of the last request that was handed out.
    pub(crate) last_s: f64,
}

// === impl Source ===

impl<W: Workload> Source<W> {
    pub(crate) fn new(mut workload: W) -> Self {
        let next = workload.next_request();
        Self { workload, next, last_s: 0.0 }
    }

    #[inline]
    fn next_before(&mut self, until_s: f64) -> Option<Request> {
        let request = self.next.filter(|request| request.arrival_s < until_s)?;
        self.last_s = request.arrival_s;
        self.next = self.workload.next_request();
        Some(request)
    }

    /// The next request, and with it all later ones, comes later.
    pub(crate) fn shift(&mut self, by_s: f64) {
        if let Some(next) = &mut self.next {
            next.arrival_s += by_s;
        }
        self.workload.shift(by_s);
    }

    /// When the next request arrives.
    pub(crate) fn peek_s(&self) -> Option<f64> {
        self.next.map(|request| request.arrival_s)
    }
}
