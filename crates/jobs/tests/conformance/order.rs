//! Which job comes first, and what the figures say meanwhile.

use std::time::Duration;

use plimsoll_jobs::NewJob;
use serde_json::json;

use crate::fixture::{Fixture, LEASE, START_MS, job, numbers};

pub(crate) async fn many_jobs_come_out_in_order_of_priority_then_age(f: Fixture) {
    let jobs: Vec<_> = (0..100).map(|n| job(n).priority(if n % 2 == 0 { 0 } else { -1 })).collect();
    f.add_many(&jobs).await;
    let expected: Vec<i64> = (0..100).filter(|n| n % 2 == 1).chain((0..100).filter(|n| n % 2 == 0)).collect();
    let mut order = numbers(&f.claim(30).await);
    order.extend(numbers(&f.claim(200).await));
    assert_eq!(order, expected);
    assert_eq!(f.stats().await.leased, 100);
}

pub(crate) async fn scheduled_job_of_high_priority_does_not_block_others(f: Fixture) {
    f.add(job(1).priority(-10).delay(Duration::from_secs(60))).await;
    f.add(job(2)).await;
    assert_eq!(numbers(&f.claim(10).await), [2]);
    f.after(59);
    assert!(!f.jobs.has_work("q").await.unwrap() || f.claim(10).await.iter().all(|c| c.id.0 != 1));
    f.add(job(3)).await;
    f.after(1);
    // Due now, and of higher priority than what was ready before.
    assert_eq!(numbers(&f.claim(1).await), [1]);
}

pub(crate) async fn oldest_age_is_that_of_the_oldest_over_all_priorities(f: Fixture) {
    f.add(job(1).priority(5)).await;
    f.after(1);
    f.add(job(2).lane("tenant")).await;
    f.after(2);
    f.add(job(3).priority(-5)).await;
    assert_eq!(f.stats().await.oldest_ready_age_ms, Some(3000));
    f.claim(3).await;
    assert_eq!(f.stats().await.oldest_ready_age_ms, None);
}

pub(crate) async fn counts_and_ages_include_what_no_claim_has_moved_yet(f: Fixture) {
    f.add_many(&(0..5).map(job).collect::<Vec<_>>()).await;
    f.add_many(&(0..3).map(|n| job(n).delay(Duration::from_secs(5))).collect::<Vec<_>>()).await;
    f.claim(2).await;
    let stats = f.stats().await;
    assert_eq!((stats.ready, stats.scheduled, stats.leased), (3, 3, 2));
    f.after(12);
    // Nobody claims: the leases of ten seconds are over, the delays of five too.
    let stats = f.stats().await;
    assert_eq!((stats.ready, stats.scheduled, stats.leased), (8, 0, 0));
    assert_eq!((stats.oldest_ready_age_ms, stats.at_ms), (Some(12_000), START_MS + 12_000));
    assert_eq!(f.claim(10).await.len(), 8);
    let stats = f.stats().await;
    assert_eq!((stats.ready, stats.scheduled, stats.leased, stats.enqueued_total), (0, 0, 8, 8));
}

pub(crate) async fn queues_do_not_mix(f: Fixture) {
    f.add(job(1)).await;
    f.add(NewJob::new("r", json!({ "n": 2 })).delay(Duration::from_secs(1))).await;
    f.after(1);
    assert_eq!(numbers(&f.claim(10).await), [1]);
    let other = f.jobs.claim("r", "w", LEASE, 10).await.unwrap();
    assert_eq!(numbers(&other), [2]);
    assert!(f.jobs.claim("absent", "w", LEASE, 10).await.unwrap().is_empty());
    f.complete(&other[0]).await.unwrap();
    let stats = f.jobs.stats(None).await.unwrap();
    let seen: Vec<_> = stats.iter().map(|s| (s.queue.as_str(), s.leased, s.completed_total)).collect();
    assert_eq!(seen, [("q", 1, 0), ("r", 0, 1)]);
}
