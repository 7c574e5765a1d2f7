//! What instances do to each other: start at the same moment, sleep past a lease.

use std::time::Instant;

use plimsoll_jobs::Claimed;
use rustix::process::Signal;
use serde_json::json;

use crate::child::{self, LEASE, QUEUE};
use crate::talk::Talk;

const INSTANCES: usize = 12;
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// An address on each kind of database, nothing there yet.
async fn on_each(test: impl AsyncFn(&str)) {
    let dir = tempfile::tempdir().unwrap();
    test(&format!("sqlite://{}", dir.path().join("queue.db").display())).await;
    if let Some(server) = plimsoll_test_postgres::server(true) {
        test(&server.database().await).await;
        assert_eq!(server.misunderstood(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn many_instances_start_at_once_on_an_empty_database() {
    on_each(async |url| {
        let mut instances: Vec<Talk> = (0..INSTANCES).map(|_| Talk::start("start", url)).collect();
        instances.iter_mut().for_each(|i| drop(i.hear("ready")));
        instances.iter_mut().for_each(Talk::tell);
        for instance in &mut instances {
            assert_eq!(instance.hear("started:"), "well");
        }
        let jobs = child::open(url, 1).await.unwrap();
        let stats = jobs.stats(Some(QUEUE)).await.unwrap().remove(0);
        assert_eq!((stats.ready, stats.enqueued_total), (INSTANCES as u64, INSTANCES as u64));
    })
    .await;
}

#[tokio::test]
async fn worker_that_sleeps_past_its_lease_wakes_up_fenced() {
    on_each(async |url| {
        let jobs = child::open(url, 1).await.unwrap();
        let mut tx = jobs.begin().await.unwrap();
        let id = jobs.enqueue(&mut tx, plimsoll_jobs::NewJob::new(QUEUE, json!(1))).await.unwrap().id();
        tx.commit().await.unwrap();
        let mut sleeper = Talk::start("hold", url);
        sleeper.hear("holding");
        sleeper.signal(Signal::STOP);
        let mine = claimed(&jobs).await;
        assert_eq!((mine.id, mine.attempt), (id, 2));
        sleeper.tell();
        sleeper.signal(Signal::CONT);
        // While another has the job, and after that one has finished it.
        assert_eq!(sleeper.hear("outcome:"), "all lost");
        let mut tx = jobs.begin().await.unwrap();
        jobs.complete(&mut tx, &mine).await.unwrap();
        tx.commit().await.unwrap();
        sleeper.tell();
        assert_eq!(sleeper.hear("outcome:"), "all lost");
        let stats = jobs.stats(Some(QUEUE)).await.unwrap().remove(0);
        assert_eq!((stats.completed_total, stats.leases_lost_total), (1, 1));
        let record = crate::record::Record::read(&jobs, [].into()).await.unwrap();
        assert!(record.results.is_empty(), "the sleeper's result was kept");
    })
    .await;
}

/// The job, as soon as its lease has run out.
async fn claimed(jobs: &plimsoll_jobs::Jobs) -> Claimed {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(job) = jobs.claim(QUEUE, "healthy", PATIENCE, 1).await.unwrap().pop() {
            return job;
        }
        assert!(Instant::now() < until, "the lease never ends");
        tokio::time::sleep(LEASE / 10).await;
    }
}
