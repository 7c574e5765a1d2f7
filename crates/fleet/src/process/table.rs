//! The kernel's process table, as far as a fleet needs it.

use std::collections::{BTreeMap, BTreeSet};

use procfs::process::{Process, all_processes};

/// One process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    pub(crate) group: i32,
    /// Clock ticks after boot at which it started; with the pid it names a process for good.
    pub(crate) start_ticks: u64,
    /// CPU time of the process and of its children that ended and were waited for.
    pub(crate) cpu_ticks: u64,
    pub(crate) resident_bytes: u64,
    /// Ended; only its entry is left.
    pub(crate) dead: bool,
}

/// A process group, named so that a later group with the same number is not taken for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Group {
    /// Number of the group, which is the pid of its leader.
    pub(crate) id: i32,
    /// When the leader started.
    pub(crate) start_ticks: u64,
}

// === impl Row ===

impl Row {
    /// Reads one process; `None` when it is gone.
    pub(crate) fn read(process: &Process) -> Option<Self> {
        let stat = process.stat().ok()?;
        let waited_for = u64::try_from(stat.cutime.saturating_add(stat.cstime)).unwrap_or(0);
        Some(Self {
            pid: stat.pid,
            parent: stat.ppid,
            group: stat.pgrp,
            start_ticks: stat.starttime,
            cpu_ticks: stat.utime.saturating_add(stat.stime).saturating_add(waited_for),
            resident_bytes: stat.rss.saturating_mul(rustix::param::page_size() as u64),
            dead: matches!(stat.state, 'Z' | 'X' | 'x'),
        })
    }
}

// === impl Group ===

impl Group {
    /// The group that `leader` leads.
    pub(crate) fn led_by(leader: i32) -> Option<Self> {
        let row = Row::read(&Process::new(leader).ok()?)?;
        Some(Self { id: leader, start_ticks: row.start_ticks })
    }

    /// Does the process belong to this group, not to a later one of the same number?
    pub(crate) fn holds(&self, row: &Row) -> bool {
        row.group == self.id
            && row.start_ticks >= self.start_ticks
            && (row.pid != self.id || row.start_ticks == self.start_ticks)
    }
}

/// All processes that can be seen now.
pub(crate) fn rows() -> Vec<Row> {
    let Ok(processes) = all_processes() else { return Vec::new() };
    processes.filter_map(|process| Row::read(&process.ok()?)).collect()
}

/// The living members of a group together with all their descendants, whichever group those are in.
pub(crate) fn tree<'a>(rows: &'a [Row], group: &Group) -> Vec<&'a Row> {
    let mut children: BTreeMap<i32, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        children.entry(row.parent).or_default().push(row);
    }
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    let mut open: Vec<&Row> = rows.iter().filter(|row| group.holds(row)).collect();
    while let Some(row) = open.pop() {
        if seen.insert(row.pid) {
            open.extend(children.get(&row.pid).into_iter().flatten().copied());
            found.push(row);
        }
    }
    found.retain(|row| !row.dead);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(pid: i32, parent: i32, group: i32, start_ticks: u64) -> Row {
        Row { pid, parent, group, start_ticks, cpu_ticks: 0, resident_bytes: 0, dead: false }
    }

    #[test]
    fn tree_follows_children_into_other_groups() {
        let rows = [row(10, 1, 10, 5), row(11, 10, 10, 6), row(12, 11, 12, 7), row(13, 1, 13, 7)];
        let mut pids: Vec<i32> =
            tree(&rows, &Group { id: 10, start_ticks: 5 }).iter().map(|row| row.pid).collect();
        pids.sort_unstable();
        assert_eq!(pids, [10, 11, 12]);
    }

    #[test]
    fn reused_group_number_is_not_the_same_group() {
        let group = Group { id: 10, start_ticks: 5 };
        assert!(group.holds(&row(10, 1, 10, 5)));
        assert!(group.holds(&row(11, 10, 10, 9)));
        assert!(!group.holds(&row(10, 1, 10, 9)), "another leader with the same pid");
        assert!(!group.holds(&row(11, 10, 10, 4)), "older than the group");
    }

    #[test]
    fn own_process_is_in_the_table() {
        let own = i32::try_from(std::process::id()).expect("a pid");
        assert!(rows().iter().any(|row| row.pid == own && !row.dead && row.resident_bytes > 0));
    }
}
