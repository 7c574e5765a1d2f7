//! Limits with many claimers at once.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use plimsoll_jobs::Jobs;

use crate::fixture::{Fixture, LEASE, job};

/// More claimers than connections, and lanes that are full most of the time.
const CLAIMERS: usize = 8;
const LIMIT: usize = 3;
const JOBS: i64 = 80;

pub(crate) async fn limit_of_a_lane_holds_with_many_claimers_at_once(f: Fixture) {
    let mut tx = f.jobs.begin().await.unwrap();
    f.jobs.limit_lane(&mut tx, "q", "*", Some(LIMIT as u32)).await.unwrap();
    tx.commit().await.unwrap();
    let jobs: Vec<_> = (0..JOBS).map(|n| job(n).lane(if n % 2 == 0 { "a" } else { "b" })).collect();
    f.add_many(&jobs).await;
    let (done, held) = (AtomicUsize::new(0), Mutex::new(HashMap::<String, usize>::new()));
    let claimer = async |jobs: &Jobs, limit: u32| {
        while done.load(Ordering::SeqCst) < JOBS as usize {
            let claimed = jobs.claim("q", "w", LEASE, limit).await.unwrap();
            for c in &claimed {
                let mut held = held.lock().unwrap();
                let n = held.entry(c.lane.to_string()).or_default();
                *n += 1;
                assert!(*n <= LIMIT, "{n} jobs of lane {} at once", c.lane);
            }
            // Some time under the lease.
            jobs.stats(Some("q")).await.unwrap();
            for c in &claimed {
                *held.lock().unwrap().get_mut(&*c.lane).unwrap() -= 1;
            }
            let mut tx = jobs.begin().await.unwrap();
            let completed = jobs.complete_many(&mut tx, &claimed).await.unwrap().len();
            tx.commit().await.unwrap();
            done.fetch_add(completed, Ordering::SeqCst);
        }
    };
    futures::future::join_all((0..CLAIMERS).map(|i| {
        let jobs = if i % 2 == 0 { &f.jobs } else { &f.other };
        claimer(jobs, 1 + i as u32 % 4)
    }))
    .await;
    assert_eq!(f.stats().await.completed_total, JOBS.unsigned_abs());
}
