//! Measures all instances at regular times, and holds the memory limit of whole process trees where the
//! kernel only limits single processes.

use std::sync::{Arc, Weak};
use std::time::Instant;

use procfs::process::Process;
use tokio::time::{MissedTickBehavior, interval};

use crate::MemoryEnforcement;
use crate::entry::Entry;
use crate::fleet::Shared;
use crate::process::table::{Group, Row, rows, tree};
use crate::usage::Sample;

/// Runs until the fleet is closed or gone.
pub(crate) async fn run(fleet: Weak<Shared>, period: std::time::Duration) {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(entries) = fleet.upgrade().filter(|fleet| !fleet.is_closed()).map(|fleet| fleet.entries())
        else {
            return;
        };
        // One reading of the process table serves all instances.
        if tokio::task::spawn_blocking(move || measure(&entries)).await.is_err() {
            return;
        }
    }
}

fn measure(entries: &[Arc<Entry>]) {
    if entries.iter().all(|entry| entry.with(|live| live.group.is_none())) {
        return;
    }
    let rows = rows();
    let at = Instant::now();
    for entry in entries {
        let Some(group) = entry.with(|live| live.group) else { continue };
        let Some(sample) = Sample::take(&rows, group, at) else { continue };
        note(entry, sample, group);
        enforce(entry, &rows, group);
    }
}

fn note(entry: &Entry, sample: Sample, group: Group) {
    entry.with(|live| {
        if live.group != Some(group) {
            return;
        }
        let earlier = live.sample.replace(sample);
        live.seen.cpu_milli = earlier
            .and_then(|earlier| sample.cpu_milli_since(&earlier, rustix::param::clock_ticks_per_second()));
        let counted = live.memory_group.as_ref().and_then(|group| group.used_bytes());
        live.seen.memory_bytes = Some(counted.unwrap_or(sample.resident_bytes));
    });
}

/// `RLIMIT_DATA` is per process: a tree of them could use many times the limit.
fn enforce(entry: &Entry, rows: &[Row], group: Group) {
    let (limit, used) = entry.with(|live| {
        let held_by_us = live.seen.memory_enforcement == MemoryEnforcement::Rlimit;
        (live.seen.memory_limit_bytes.filter(|_| held_by_us), live.seen.memory_bytes.unwrap_or(0))
    });
    let Some(limit) = limit.filter(|limit| used > *limit) else { return };
    // The cheap figure counts shared pages once per process; kill on the exact one only.
    let exact = tree(rows, &group).into_iter().map(proportional_bytes).fold(0, u64::saturating_add);
    if exact <= limit {
        return;
    }
    tracing::warn!(instance = %entry.id, used_bytes = exact, limit_bytes = limit, "over its memory limit");
    let still_the_same = entry.with(|live| {
        live.over_limit = live.group == Some(group);
        live.over_limit
    });
    if still_the_same {
        entry.over_limit.notify_one();
    }
}

/// Memory of a process with each shared page divided by the number of its users (PSS).
fn proportional_bytes(row: &Row) -> u64 {
    let rollup = Process::new(row.pid).and_then(|process| process.smaps_rollup());
    let Ok(rollup) = rollup else { return 0 };
    rollup.memory_map_rollup.0.iter().filter_map(|map| map.extension.map.get("Pss")).sum()
}
