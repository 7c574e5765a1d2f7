//! A checker that cannot fail proves nothing: histories that are wrong in one way each, and a worker without a fence.

use std::time::Duration;

use crate::checker::{Violation, check, may_die};
use crate::database::Database;
use crate::history::{self, Failed, Plan};
use crate::record::{Cancelled, Event, Outcome, Record, Request, What};

/// Histories until the worker without a fence must have been caught.
const TRIES: u64 = 10;

/// Three requests: job 1 lost its lease once and was done, job 2 died, job 3 was cancelled before it ran.
fn sound() -> Record {
    let event = |what, job, token, attempt| Event { what, job, token, attempt };
    let request = |n, job, cancelled| Request { n, job, cancelled };
    Record {
        accepted: [1, 3].into(),
        requests: vec![
            request(1, 1, Cancelled::No),
            request(3, 2, Cancelled::No),
            request(4, 3, Cancelled::Waiting),
        ],
        results: vec![Outcome { job: 1, token: 8 }],
        dead: [2].into(),
        events: vec![
            event(What::New, 1, 0, 0),
            event(What::New, 2, 0, 0),
            event(What::New, 3, 0, 0),
            event(What::Leased, 1, 5, 1),
            event(What::Leased, 2, 6, 1),
            event(What::LeaseEnded, 1, 5, 1),
            event(What::Leased, 1, 8, 2),
            event(What::Dead, 2, 0, 1),
            event(What::LeaseEnded, 2, 6, 1),
            event(What::Gone, 3, 0, 0),
            event(What::LeaseEnded, 1, 8, 2),
            event(What::Gone, 1, 0, 0),
        ],
        astray: Vec::new(),
        stats: Some(plimsoll_jobs::QueueStats {
            queue: "q".into(),
            ready: 0,
            scheduled: 0,
            leased: 0,
            dead: 1,
            enqueued_total: 3,
            completed_total: 1,
            failed_attempts_total: 2,
            leases_lost_total: 1,
            dead_total: 1,
            oldest_ready_age_ms: None,
            at_ms: 0,
        }),
    }
}

/// What the checker says after a change to the sound record.
fn said<T>(doctor: impl FnOnce(&mut Record) -> T) -> Violation {
    let mut record = sound();
    doctor(&mut record);
    check(&record).expect_err("the checker saw nothing")
}

fn illegal(job: i64, what: What, why: &'static str) -> Violation {
    Violation::IllegalMove { job, what, why }
}

#[test]
fn sound_history_passes() {
    let sums = check(&sound()).unwrap();
    assert_eq!((sums.done, sums.dead, sums.cancelled, sums.leases_lost), (1, 1, 1, 1));
}

#[test]
fn lost_and_unfinished_jobs_are_noticed() {
    assert_eq!(said(|r| r.accepted.insert(99)), Violation::Lost { n: 99 });
    assert_eq!(said(|r| r.results.clear()), Violation::Unfinished { job: 1 });
    assert_eq!(said(|r| r.requests.truncate(2)), Violation::Stranger { job: 3 });
    // A row that vanished without any trace.
    assert_eq!(said(|r| r.events.retain(|e| e.job != 1)), Violation::WrongEnd { job: 1 });
}

#[test]
fn jobs_finished_twice_are_noticed() {
    let twice = |results, dead| Violation::FinishedTwice { job: 1, results, dead };
    assert_eq!(said(|r| r.results.push(Outcome { job: 1, token: 5 })), twice(2, false));
    assert_eq!(said(|r| r.dead.insert(1)), twice(1, true));
    let ran = said(|r| r.results.push(Outcome { job: 3, token: 9 }));
    assert_eq!(ran, Violation::RanThoughCancelled { job: 3 });
}

#[test]
fn result_of_a_lost_lease_is_noticed() {
    let late = said(|r| r.results[0].token = 5);
    assert_eq!(late, Violation::FinishedByAnotherLease { job: 1, token: 5, last: 8 });
}

#[test]
fn death_without_reason_is_noticed() {
    assert!(!may_die(1));
    let dead = said(|r| r.requests[1].n = 1_000_001);
    assert_eq!(dead, Violation::Lost { n: 3 });
    let dead = said(|r| {
        r.requests[1].n = 1_000_001;
        r.accepted = [1].into();
    });
    assert_eq!(dead, Violation::DeadWithoutReason { job: 2 });
}

#[test]
fn illegal_moves_are_noticed() {
    use What::{Gone, LeaseEnded, Leased, New};
    assert_eq!(said(|r| r.events[1].job = 1), illegal(1, New, "twice"));
    assert_eq!(said(|r| r.events.remove(0)), illegal(1, Leased, "before it was new"));
    assert_eq!(said(|r| r.events.remove(5)), illegal(1, Leased, "while leased"));
    assert_eq!(said(|r| r.events[6].token = 5), illegal(1, Leased, "with a token that did not rise"));
    assert_eq!(said(|r| r.events[6].attempt = 3), illegal(1, Leased, "with an attempt that was skipped"));
    assert_eq!(said(|r| r.events[5].token = 4), illegal(1, LeaseEnded, "that was not held"));
    let again = said(|r| r.events.push(r.events[11]));
    assert_eq!(again, illegal(1, Gone, "after the job had ended"));
    // It ended, but somebody still holds it.
    assert_eq!(said(|r| r.events.remove(10)), Violation::WrongEnd { job: 1 });
    assert_eq!(said(|r| r.events.pop()), Violation::WrongEnd { job: 1 });
}

#[test]
fn rows_astray_and_wrong_counts_are_noticed() {
    assert_eq!(said(|r| r.astray.push(7)), Violation::Astray { jobs: vec![7] });
    let counted = |count, counted, rows| Violation::Miscounted { count, counted, rows };
    let stats = |change: fn(&mut plimsoll_jobs::QueueStats)| said(|r| change(r.stats.as_mut().unwrap()));
    assert_eq!(stats(|s| s.ready = 1), counted("ready", 1, 0));
    assert_eq!(stats(|s| s.leased = u64::MAX), counted("leased", u64::MAX, 0));
    assert_eq!(stats(|s| s.enqueued_total = 2), counted("ever enqueued", 2, 3));
    assert_eq!(stats(|s| s.completed_total = 2), counted("ever completed", 2, 1));
}

/// The same processes, the same faults, but results are written before the lease is looked at.
#[test]
fn worker_without_a_fence_is_caught() {
    let dir = tempfile::tempdir().unwrap();
    let caught = tokio::runtime::Runtime::new().unwrap().block_on(async {
        for n in 0..TRIES {
            let database = Database::sqlite(dir.path(), n);
            let plan = Plan { seed: n, hurting: Duration::from_millis(1200), unfenced: true };
            match history::run(&database, plan).await {
                Err(Failed::Violation(violation)) => return Some(violation),
                Err(Failed::Unknown(e)) => panic!("{e}"),
                Ok(_) => {}
            }
        }
        None
    });
    let caught = caught.expect("no history of a worker without a fence was found wrong");
    assert!(
        matches!(
            caught,
            Violation::FinishedTwice { .. }
                | Violation::FinishedByAnotherLease { .. }
                | Violation::RanThoughCancelled { .. }
        ),
        "{caught}"
    );
}
