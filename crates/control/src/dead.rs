//! Jobs in the hands of the dead: the fleet knows for certain that an instance has ended, so nobody waits for its leases.
//!
//! Wanted properties, each a test below:
//! - leases that an instance took before its present process began are those of a dead process;
//! - an instance that is gone, or that waits for its next start after a crash, holds nothing;
//! - of one that is being started nobody can tell yet;
//! - workers that the fleet never launched are not its business;
//! - a living process keeps what it took.

use plimsoll_fleet::{Instance, InstanceId, State};
use plimsoll_jobs::{Holder, Millis};

/// Leases to be given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    /// The name under which they were taken.
    pub(crate) worker: String,
    /// The instance of that name.
    pub(crate) id: InstanceId,
    /// Those taken before this, in milliseconds since the Unix epoch.
    pub(crate) claimed_before_ms: Millis,
}

/// What the fleet knows of the process of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Process {
    /// There is none.
    Ended,
    /// It was started so many milliseconds ago.
    Runs { for_ms: u64 },
    /// It is being started: it may run already before the fleet has noted it.
    Starts,
}

/// Who holds jobs and is dead. `process` is asked after `holders` were read; `own` says which workers the fleet launched.
pub(crate) fn lost(
    holders: &[Holder],
    own: impl Fn(&str) -> Option<InstanceId>,
    process: impl Fn(&InstanceId) -> Process,
    now_ms: Millis,
) -> Vec<Lost> {
    let mut lost: Vec<Lost> = Vec::new();
    for holder in holders {
        let Some(id) = own(&holder.worker) else { continue };
        let claimed_before_ms = match process(&id) {
            Process::Runs { for_ms } => now_ms.saturating_sub(i64::try_from(for_ms).unwrap_or(i64::MAX)),
            // What it took, it took before now; the millisecond of now included.
            Process::Ended => now_ms.saturating_add(1),
            Process::Starts => continue,
        };
        if holder.oldest_claim_ms < claimed_before_ms && !lost.iter().any(|one| one.worker == holder.worker) {
            lost.push(Lost { worker: holder.worker.clone(), id, claimed_before_ms });
        }
    }
    lost
}

/// The instance that a worker's name means. `worker-7@home` is that of the fleet whose state directory is called so; a plain
/// `worker-7` is ours where nobody else uses the database.
pub(crate) fn instance_of(worker: &str, home: &str, is_private: bool) -> Option<InstanceId> {
    match worker.split_once('@') {
        Some((instance, of)) => InstanceId::parse(instance).filter(|_| of == home),
        None => InstanceId::parse(worker).filter(|_| is_private),
    }
}

/// The process of an instance; of one that the fleet does not list, none.
pub(crate) fn process(instances: &[Instance], id: &InstanceId) -> Process {
    let Some(instance) = instances.iter().find(|instance| instance.id == *id) else { return Process::Ended };
    match (instance.started_at.filter(|_| instance.pid.is_some()), instance.state) {
        (Some(started_at), _) => {
            Process::Runs { for_ms: u64::try_from(started_at.elapsed().as_millis()).unwrap_or(u64::MAX) }
        }
        (None, State::CrashLoop { .. } | State::Stopped) => Process::Ended,
        (None, _) => Process::Starts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: Millis = 1_000_000;

    fn holder(worker: &str, claimed_ago_ms: Millis) -> Holder {
        let oldest_claim_ms = NOW_MS - claimed_ago_ms;
        Holder { queue: "q".to_owned(), worker: worker.to_owned(), jobs: 1, oldest_claim_ms }
    }

    /// `w-1` has run for ten seconds, `w-2` and `w-3` have ended, `w-4` starts; `w-5` was never launched.
    fn lost_of(holders: &[Holder]) -> Vec<(String, Millis)> {
        let process = |id: &InstanceId| match id.number() {
            1 => Process::Runs { for_ms: 10_000 },
            4 => Process::Starts,
            _ => Process::Ended,
        };
        let own = |worker: &str| {
            instance_of(worker, "here", true).filter(|id| id.service() == "w" && id.number() < 5)
        };
        let lost = lost(holders, own, process, NOW_MS);
        lost.into_iter().map(|one| (one.id.to_string(), one.claimed_before_ms)).collect()
    }

    #[test]
    fn process_before_the_present_one_is_dead_and_the_present_one_is_not() {
        assert_eq!(lost_of(&[holder("w-1", 9_999)]), []);
        assert_eq!(lost_of(&[holder("w-1", 10_000)]), []);
        assert_eq!(lost_of(&[holder("w-1", 10_001)]), [("w-1".to_owned(), NOW_MS - 10_000)]);
    }

    #[test]
    fn who_has_no_process_holds_nothing() {
        let found = lost_of(&[holder("w-2", 0), holder("w-3", 500), holder("w-3", 900)]);
        assert_eq!(found, [("w-2".to_owned(), NOW_MS + 1), ("w-3".to_owned(), NOW_MS + 1)]);
    }

    #[test]
    fn who_is_being_started_is_asked_again_later() {
        assert_eq!(lost_of(&[holder("w-4", 99_999)]), []);
    }

    #[test]
    fn name_with_a_home_is_ours_if_the_home_is_and_a_plain_one_if_nobody_else_is_there() {
        let of = |worker, is_private| instance_of(worker, "here", is_private).map(|id| id.to_string());
        for is_private in [true, false] {
            assert_eq!(of("w-7@here", is_private).as_deref(), Some("w-7"));
            assert_eq!(of("w-7@there", is_private), None);
        }
        assert_eq!((of("w-7", true).as_deref(), of("w-7", false)), (Some("w-7"), None));
    }

    #[test]
    fn strangers_keep_what_they_hold() {
        let strangers =
            ["w-5", "other-1", "w-2@there", "pid:77", "somebody", "w"].map(|name| holder(name, 99_999));
        assert_eq!(lost_of(&strangers), []);
    }
}
