//! Sharing between lanes (tenants, projects): whose jobs a claim takes.
//!
//! The lane that was served least among the last [`HISTORY`] jobs of the queue comes first, and all that have jobs share a
//! claim equally; what one cannot use goes to the others. To serve lanes in turn would not do: one that always has jobs
//! would have as many turns as all that seldom have one together, and these would wait for each other. The history is
//! short, so that a lane that has been quiet for long may not save up and then shut out the others. The tests beside this
//! file measure it: one lane with a hundred times the load of nine others raises their 99th percentile by less than a third.
//!
//! Each process keeps its own history. With more than [`WINDOW`] lanes, claims look at one window of them after the other.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::driver::Result;
use crate::job::Claimed;

/// Lanes that are looked at together.
pub(crate) const WINDOW: u32 = 64;
/// Jobs of a queue, the last ones, by which it is told who was served most.
const HISTORY: usize = 64;

/// The lanes of one queue, in the hands of one claim.
pub(crate) trait Lanes {
    /// Up to [`WINDOW`] lanes that have ready jobs, from the name `from` on, in the order of their names.
    fn open(&mut self, from: &str) -> impl Future<Output = Result<Vec<Lane>>> + Send;

    /// Claims up to `limit` jobs of a lane.
    fn take(&mut self, lane: &str, limit: u32) -> impl Future<Output = Result<Vec<Claimed>>> + Send;
}

/// A lane that has ready jobs.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) name: String,
    /// How many of its jobs may still be leased.
    pub(crate) room: u32,
}

/// What one process remembers of the lanes that it has served, per queue.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turns(Arc<Mutex<HashMap<String, Served>>>);

#[derive(Debug, Default)]
struct Served {
    /// Where the next claim begins to look.
    start: String,
    last: VecDeque<Arc<str>>,
    counts: HashMap<Arc<str>, usize>,
}

/// Claims up to `limit` jobs from the lanes of `queue`.
pub(crate) async fn claim(
    lanes: &mut impl Lanes,
    queue: &str,
    limit: u32,
    turns: &Turns,
) -> Result<Vec<Claimed>> {
    let mut claimed = Vec::new();
    // Once around: from where the last claim ended to the last lane, then from the first to where it began.
    let start = turns.start(queue);
    let (mut from, mut wrapped) = (start.clone(), start.is_empty());
    loop {
        let mut window = lanes.open(&from).await?;
        let mut more = window.len() == WINDOW as usize;
        if wrapped {
            more &= before(&mut window, &start);
        } else if !more {
            let mut first = lanes.open("").await?;
            more = first.len() == WINDOW as usize;
            more &= before(&mut first, &start);
            window.extend(first);
            wrapped = true;
        }
        // No name holds a control character, so nothing lies between a name and this.
        from = window.last().filter(|_| more).map_or_else(String::new, |lane| format!("{}\u{1}", lane.name));
        serve(lanes, queue, limit, turns, window, &mut claimed).await?;
        if !more || claimed.len() >= limit as usize {
            turns.start_at(queue, from);
            return Ok(claimed);
        }
    }
}

/// Drops the lanes from `start` on; answers whether there were none.
fn before(lanes: &mut Vec<Lane>, start: &str) -> bool {
    let all = lanes.len();
    lanes.retain(|lane| start.is_empty() || lane.name.as_str() < start);
    lanes.len() == all
}

async fn serve(
    lanes: &mut impl Lanes,
    queue: &str,
    limit: u32,
    turns: &Turns,
    mut window: Vec<Lane>,
    claimed: &mut Vec<Claimed>,
) -> Result<()> {
    let left = |claimed: &[Claimed]| limit - u32::try_from(claimed.len()).unwrap_or(limit);
    turns.order(queue, &mut window);
    loop {
        window.retain(|lane| lane.room > 0);
        if window.is_empty() {
            return Ok(());
        }
        let share = share(left(claimed), window.len());
        for lane in &mut window {
            let take = share.min(lane.room).min(left(claimed));
            if take == 0 {
                return Ok(());
            }
            let got = lanes.take(&lane.name, take).await?;
            turns.served(queue, &lane.name, got.len());
            // Fewer than asked for: the lane is empty, or others are taking from it.
            lane.room = if got.len() < take as usize { 0 } else { lane.room - take };
            claimed.extend(got);
        }
    }
}

/// How many jobs each of `lanes` lanes may give to a claim of `limit`, at first.
fn share(limit: u32, lanes: usize) -> u32 {
    (limit / u32::try_from(lanes).unwrap_or(u32::MAX).max(1)).max(1)
}

// === impl Turns ===

impl Turns {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Served>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self, queue: &str) -> String {
        self.all().get(queue).map_or_else(String::new, |served| served.start.clone())
    }

    fn start_at(&self, queue: &str, start: String) {
        self.all().entry(queue.to_owned()).or_default().start = start;
    }

    /// Those served least come first; among equals, in the order of their names.
    fn order(&self, queue: &str, window: &mut [Lane]) {
        if let Some(served) = self.all().get(queue) {
            window.sort_by_key(|lane| served.counts.get(lane.name.as_str()).copied().unwrap_or(0));
        }
    }

    /// Remembers that `jobs` jobs of a lane were claimed.
    pub(crate) fn served(&self, queue: &str, lane: &str, jobs: usize) {
        if jobs == 0 {
            return;
        }
        let mut all = self.all();
        if !all.contains_key(queue) {
            all.insert(queue.to_owned(), Served::default());
        }
        if let Some(served) = all.get_mut(queue) {
            served.add(lane, jobs.min(HISTORY));
        }
    }
}

// === impl Served ===

impl Served {
    fn add(&mut self, lane: &str, jobs: usize) {
        let lane: Arc<str> = lane.into();
        *self.counts.entry(Arc::clone(&lane)).or_default() += jobs;
        self.last.extend(std::iter::repeat_n(lane, jobs));
        while self.last.len() > HISTORY {
            let Some(gone) = self.last.pop_front() else { return };
            if let Some(count) = self.counts.get_mut(&gone) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(&gone);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
