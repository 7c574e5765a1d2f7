//! Ending every process of an instance or of a whole fleet, whatever it did to hide.
//!
//! A process belongs to the target when it is in a registered process group **or** carries the marker in
//! its environment **or** descends from one that does. Each kind covers what another misses: a daemon that
//! called `setsid` is found by its marker, a server that overwrote its environment (as some do to set their
//! title) by its group or its parent. Who changes group, loses its parent and wipes its environment is not
//! found; that takes intent.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use procfs::process::{Process, all_processes};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::marker::Marker;
use super::table::{Group, Row};

/// Whom to end.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) markers: Vec<Marker>,
    pub(crate) groups: Vec<Group>,
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Swept {
    /// Processes that were sent SIGKILL.
    pub(crate) killed: usize,
    /// Processes that were still there at the deadline.
    pub(crate) left: usize,
}

/// More than any environment the kernel lets a process start with on a usual stack limit.
const ENVIRON_BYTES: u64 = 8 << 20;
/// How long to wait for killed processes before looking again.
const ROUND: Duration = Duration::from_millis(500);

// === impl Target ===

impl Target {
    fn holds(&self, process: &Process, row: &Row) -> bool {
        self.groups.iter().any(|group| group.holds(row)) || self.marks(process)
    }

    fn marks(&self, process: &Process) -> bool {
        if self.markers.is_empty() {
            return false;
        }
        let Ok(file) = process.open_relative("environ") else { return false };
        let mut environ = Vec::new();
        // A process that ends meanwhile reads as empty or fails: either way it is no longer ours to kill.
        let _ = file.take(ENVIRON_BYTES).read_to_end(&mut environ);
        self.markers.iter().any(|marker| marker.is_in(&environ))
    }

    /// The living processes of this target, without the caller itself.
    pub(crate) fn find(&self) -> Vec<Row> {
        let own = i32::try_from(std::process::id()).unwrap_or(0);
        let Ok(processes) = all_processes() else { return Vec::new() };
        let mut ours = BTreeMap::new();
        let mut others = Vec::new();
        for process in processes.filter_map(Result::ok) {
            let Some(row) = Row::read(&process).filter(|row| !row.dead && row.pid != own) else { continue };
            if self.holds(&process, &row) {
                ours.insert(row.pid, row);
            } else {
                others.push(row);
            }
        }
        // Parents may come after their children in the listing: repeat until nobody is added.
        loop {
            let before = ours.len();
            for row in &others {
                if ours.contains_key(&row.parent) {
                    ours.insert(row.pid, *row);
                }
            }
            if ours.len() == before {
                return ours.into_values().collect();
            }
        }
    }

    /// Sends SIGTERM to those that are not in `group`.
    pub(crate) fn terminate_outside(&self, group: Group) {
        for row in self.find().iter().filter(|row| !group.holds(row)) {
            signal(row, Signal::TERM);
        }
    }

    /// Kills until none is left or the deadline has passed. Blocks.
    ///
    /// Looking again after each round catches what was forked between the look and the kill.
    pub(crate) fn kill_all(&self, deadline: Instant) -> Swept {
        let mut swept = Swept::default();
        let mut hit = BTreeSet::new();
        loop {
            let found = self.find();
            if found.is_empty() {
                return Swept { left: 0, ..swept };
            }
            let victims: Vec<OwnedFd> = found.iter().filter_map(|row| signal(row, Signal::KILL)).collect();
            hit.extend(found.iter().map(|row| row.pid));
            swept = Swept { killed: hit.len(), left: found.len() };
            let now = Instant::now();
            if now >= deadline {
                return swept;
            }
            wait_for(&victims, ROUND.min(deadline - now));
        }
    }
}

/// Sends a signal and returns the process' pidfd. The pidfd pins the process, and the start time is compared
/// after it was opened: a stranger who got the pid since the look is never hit.
fn signal(row: &Row, signal: Signal) -> Option<OwnedFd> {
    let pidfd = pidfd_open(Pid::from_raw(row.pid)?, PidfdFlags::empty()).ok()?;
    let now = Row::read(&Process::new(row.pid).ok()?)?;
    if now.start_ticks != row.start_ticks {
        return None;
    }
    // EPERM (another user's process) and ESRCH (already gone) leave nothing to do.
    pidfd_send_signal(&pidfd, signal).ok()?;
    Some(pidfd)
}

/// Waits until all of them have ended, or the time is up.
fn wait_for(victims: &[OwnedFd], patience: Duration) {
    let deadline = Instant::now() + patience;
    for victim in victims {
        let rest = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(rest.subsec_nanos()) };
        let _ = poll(&mut [PollFd::new(victim, PollFlags::IN)], Some(&timeout));
    }
    if victims.is_empty() {
        // Nobody could be signalled (all gone, or not ours to kill): do not spin.
        let timeout = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
        let _ = poll(&mut [], Some(&timeout));
    }
}
