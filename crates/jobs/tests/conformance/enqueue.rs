//! What gets in, and what does not.

use std::time::Duration;

use plimsoll_jobs::{Enqueued, FailureClass, JobsError, NewJob};
use serde_json::json;

use crate::fixture::{Fixture, START_MS, job, numbers};

pub(crate) async fn payloads_come_back_as_they_were(f: Fixture) {
    let payloads = [
        json!(null),
        json!("it's \"quoted\", \\ \u{1F6A2}\n\t\u{0} end"),
        json!({ "z": 1, "a": [1.5, -7, 9_007_199_254_740_993_i64, true], "": {} }),
        json!("x".repeat(100_000)),
    ];
    let new: Vec<_> = payloads.iter().map(|p| NewJob::new("q", p.clone()).owner("o'Neil")).collect();
    f.add_many(&new).await;
    let claimed = f.claim(10).await;
    let got: Vec<serde_json::Value> = claimed.iter().map(|c| c.payload.parse().unwrap()).collect();
    assert_eq!(got, payloads);
    // Byte for byte: the order of keys too.
    assert!(claimed[2].payload.as_str().starts_with("{\"z\":1,"));
    assert!(claimed.iter().all(|c| c.owner.as_deref() == Some("o'Neil")));
}

pub(crate) async fn job_of_a_rolled_back_transaction_is_absent(f: Fixture) {
    let mut tx = f.jobs.begin().await.unwrap();
    f.jobs.enqueue(&mut tx, job(1)).await.unwrap();
    tx.rollback().await.unwrap();
    let mut tx = f.jobs.begin().await.unwrap();
    f.jobs.enqueue(&mut tx, job(2)).await.unwrap();
    drop(tx);
    assert!(f.claim(10).await.is_empty());
    assert!(f.jobs.stats(None).await.unwrap().is_empty());
}

pub(crate) async fn jobs_enqueued_by_themselves_are_there_at_once_and_ring(f: Fixture) {
    let mut bell = f.jobs.bell();
    bell.mark_unchanged();
    let many: Vec<NewJob> = (0..1500).map(job).collect();
    let first = f.jobs.enqueue_now(&many[..600]).await.unwrap();
    assert!(bell.has_changed().unwrap());
    let second = f.jobs.enqueue_now(&many[600..]).await.unwrap();
    let ids: Vec<_> = first.iter().chain(&second).map(|added| added.id()).collect();
    assert!(ids.is_sorted() && first.iter().all(|added| matches!(added, Enqueued::New(_))));
    let claimed = f.claim(2000).await;
    assert_eq!(claimed.iter().map(|c| c.id).collect::<Vec<_>>(), ids);
    assert_eq!(numbers(&claimed), (0..1500).collect::<Vec<_>>());
    // With keys, too, and all or none.
    let mixed = [job(7).unique_key("k"), job(8), job(9).lane("a"), job(10).unique_key("k")];
    let added = f.jobs.enqueue_now(&mixed).await.unwrap();
    assert_eq!(added[3], Enqueued::Duplicate(added[0].id()));
    let mut wrong = job(11);
    wrong.queue = String::new();
    assert!(matches!(f.jobs.enqueue_now(&[job(12), wrong]).await, Err(JobsError::InvalidJob(_))));
    assert!(f.jobs.enqueue_now(&[]).await.unwrap().is_empty());
    assert_eq!(f.stats().await.ready, 3);
}

pub(crate) async fn unique_key_admits_one_live_job(f: Fixture) {
    let first = f.add(job(1).unique_key("k")).await;
    assert!(matches!(first, Enqueued::New(_)));
    assert_eq!(f.add(job(2).unique_key("k")).await, Enqueued::Duplicate(first.id()));
    // Elsewhere the key is free.
    assert!(matches!(f.add(NewJob::new("r", json!(1)).unique_key("k")).await, Enqueued::New(_)));
    let mut tx = f.jobs.begin().await.unwrap();
    let twins = [job(7), job(8).unique_key("k"), job(9).unique_key("l"), job(10).unique_key("l")];
    let added = f.jobs.enqueue_many(&mut tx, &twins).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(added[1], Enqueued::Duplicate(first.id()));
    assert_eq!(added[3], Enqueued::Duplicate(added[2].id()));
    let claimed = f.claim(10).await;
    assert_eq!(numbers(&claimed), [1, 7, 9]);
    // Held while leased, free when done or dead.
    assert!(matches!(f.add(job(3).unique_key("k")).await, Enqueued::Duplicate(_)));
    f.complete(&claimed[0]).await.unwrap();
    assert!(matches!(f.add(job(3).unique_key("k")).await, Enqueued::New(_)));
    let third = f.claim_one().await;
    f.jobs.fail(&third, FailureClass::Never, "no").await.unwrap();
    assert!(matches!(f.add(job(4).unique_key("k")).await, Enqueued::New(_)));
}

/// What becomes of these, enqueued at the same moment through both handles.
async fn at_once(f: &Fixture, jobs: impl Iterator<Item = NewJob>) -> Vec<Result<Enqueued, JobsError>> {
    let adds = jobs.enumerate().map(|(i, job)| async move {
        let jobs = if i % 2 == 0 { &f.jobs } else { &f.other };
        let mut tx = jobs.begin().await?;
        let added = jobs.enqueue(&mut tx, job).await?;
        tx.commit().await?;
        Ok(added)
    });
    futures::future::join_all(adds).await
}

pub(crate) async fn of_many_at_once_one_gets_the_unique_key(f: Fixture) {
    for round in 0..5 {
        let added = at_once(&f, (0..8).map(|n| job(n).unique_key(format!("k{round}")))).await;
        let new: Vec<_> = added.iter().filter(|a| matches!(a, Ok(Enqueued::New(_)))).collect();
        let [Ok(first)] = new[..] else { panic!("{added:?}") };
        assert!(added.iter().all(|a| a.as_ref().is_ok_and(|a| a.id() == first.id())), "{added:?}");
        assert_eq!(f.claim(10).await.len(), 1);
    }
}

pub(crate) async fn of_many_requests_at_once_one_makes_the_job(f: Fixture) {
    let keep = Duration::from_secs(60);
    for round in 0..5 {
        let request = |n: i64| job(n).owner("ann").idempotent(format!("k{round}"), &[n as u8 % 2], keep);
        let added = at_once(&f, (0..8).map(request)).await;
        let count =
            |wanted: fn(&Result<Enqueued, JobsError>) -> bool| added.iter().filter(|a| wanted(a)).count();
        let new = count(|a| matches!(a, Ok(Enqueued::New(_))));
        let (same, other) = (
            count(|a| matches!(a, Ok(Enqueued::Duplicate(_)))),
            count(|a| matches!(a, Err(JobsError::KeyReused { .. }))),
        );
        assert_eq!((new, same, other), (1, 3, 4), "{added:?}");
        assert_eq!(f.claim(10).await.len(), 1);
    }
}

pub(crate) async fn same_request_makes_one_job_and_another_body_is_refused(f: Fixture) {
    let keep = Duration::from_secs(3600);
    let request = |n: i64, owner: &str, body: &[u8]| job(n).owner(owner).idempotent("key-1", body, keep);
    let first = f.add(request(1, "ann", b"body")).await;
    assert_eq!(f.add(request(2, "ann", b"body")).await, Enqueued::Duplicate(first.id()));
    match f.try_add(request(3, "ann", b"other body")).await {
        Err(JobsError::KeyReused { job }) => assert_eq!(job, first.id()),
        other => panic!("{other:?}"),
    }
    // Another owner's key is another key (W11).
    assert!(matches!(f.add(request(4, "bob", b"other body")).await, Enqueued::New(_)));
    // The finished job is still the answer; its result is the application's.
    f.complete(&f.claim_one().await).await.unwrap();
    assert_eq!(f.add(request(5, "ann", b"body")).await, Enqueued::Duplicate(first.id()));
    f.clock.advance(keep);
    assert!(matches!(f.add(request(6, "ann", b"other body")).await, Enqueued::New(_)));
    assert_eq!(numbers(&f.claim(10).await), [4, 6]);
}

pub(crate) async fn invalid_jobs_are_refused_and_nothing_is_added(f: Fixture) {
    for bad in [
        NewJob::new("", json!(1)),
        NewJob::new("q\n", json!(1)),
        NewJob::new("q".repeat(256), json!(1)),
        job(1).max_attempts(0),
        job(1).owner(""),
        job(1).lane("*"),
        job(1).lane("a\u{1}"),
        job(1).unique_key(""),
        NewJob::new("q", json!("x".repeat(2 << 20))),
    ] {
        let mut tx = f.jobs.begin().await.unwrap();
        let both = [job(1), bad];
        assert!(matches!(f.jobs.enqueue_many(&mut tx, &both).await, Err(JobsError::InvalidJob(_))));
        tx.commit().await.unwrap();
    }
    assert!(f.claim(1).await.is_empty());
}

pub(crate) async fn large_batch_keeps_its_order(f: Fixture) {
    let jobs: Vec<_> = (0..2500).map(|n| job(n).run_at_ms(START_MS - 5)).collect();
    let ids = f.add_many(&jobs).await;
    assert!(ids.windows(2).all(|w| w[0] < w[1]));
    let claimed = f.claim(5000).await;
    assert_eq!(claimed.iter().map(|c| c.id).collect::<Vec<_>>(), ids);
    assert_eq!(numbers(&claimed), (0..2500).collect::<Vec<_>>());
    // A time in the past does not make a job look as if it had waited.
    assert!(claimed.iter().all(|c| c.ready_at_ms == START_MS));
}
