//! How a process ended, in words.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use crate::MemoryEnforcement;

/// What is known about memory when a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MemoryFacts {
    pub(crate) limit_bytes: Option<u64>,
    pub(crate) enforcement: MemoryEnforcement,
    /// The kernel killed it for its memory, or the fleet did.
    pub(crate) over_limit: bool,
}

/// `exited with status 1`, `killed by signal 9 (out of memory limit)`.
pub(crate) fn describe(status: ExitStatus, memory: MemoryFacts) -> String {
    let (Some(signal), limit) = (status.signal(), memory.limit_bytes) else {
        return format!("exited with status {}", status.code().unwrap_or(-1));
    };
    let reason = match (memory.over_limit, limit, memory.enforcement) {
        (true, Some(bytes), _) => format!("out of memory limit, {} MiB", bytes >> 20),
        // A refused allocation makes most programs abort: say what may have refused it.
        (false, Some(bytes), MemoryEnforcement::Rlimit) if signal == ABORT => {
            format!("aborted under a memory limit of {} MiB", bytes >> 20)
        }
        _ => name(signal).to_owned(),
    };
    format!("killed by signal {signal} ({reason})")
}

const ABORT: i32 = 6;

fn name(signal: i32) -> &'static str {
    match signal {
        1 => "hang-up",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        ABORT => "aborted",
        7 => "bus error",
        8 => "arithmetic error",
        9 => "SIGKILL",
        11 => "segmentation fault",
        13 => "broken pipe",
        14 => "alarm",
        15 => "SIGTERM",
        24 => "CPU time limit",
        25 => "file size limit",
        31 => "forbidden system call",
        _ => "see signal(7)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(enforcement: MemoryEnforcement, over_limit: bool) -> MemoryFacts {
        MemoryFacts { limit_bytes: Some(64 << 20), enforcement, over_limit }
    }

    #[test]
    fn endings_are_told_in_words() {
        let none = MemoryFacts { limit_bytes: None, enforcement: MemoryEnforcement::None, over_limit: false };
        let exited = |code: i32| ExitStatus::from_raw(code << 8);
        let killed = ExitStatus::from_raw;
        assert_eq!(describe(exited(1), none), "exited with status 1");
        assert_eq!(describe(exited(0), none), "exited with status 0");
        assert_eq!(describe(killed(9), none), "killed by signal 9 (SIGKILL)");
        assert_eq!(describe(killed(11), none), "killed by signal 11 (segmentation fault)");
        assert_eq!(
            describe(killed(9), facts(MemoryEnforcement::Cgroup, true)),
            "killed by signal 9 (out of memory limit, 64 MiB)"
        );
        assert_eq!(
            describe(killed(6), facts(MemoryEnforcement::Rlimit, false)),
            "killed by signal 6 (aborted under a memory limit of 64 MiB)"
        );
    }
}
