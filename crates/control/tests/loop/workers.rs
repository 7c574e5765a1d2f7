//! Workers that hold jobs: who dies gives them up, who holds one is not sent away.

use std::time::Duration;

use plimsoll_control::Pacing;
use plimsoll_control::view::StackView;
use plimsoll_jobs::{Jobs, JobsOptions, NewJob};
use serde_json::json;

use crate::support::{BY_EVENT_ONLY, Live, queue, service, up, up_on};

/// Leases last an hour (see the example).
fn stack(replicas: u32) -> String {
    format!(
        "name: workers\nservices:\n  worker:\n    command: [HOST, work]\n    replicas: {replicas}\n    drain: 5s\n"
    )
}

/// Name and process of the worker that holds a job.
fn holder(view: &StackView) -> Option<(String, u32)> {
    let instances = service(view, "worker").instances;
    let instance = instances.into_iter().find(|instance| instance.jobs > 0)?;
    Some((instance.id, instance.pid?))
}

fn kill(pid: u32) {
    let status = std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status();
    assert!(status.expect("kill runs").success());
}

async fn is_held(live: &Live) -> (String, u32) {
    let view = live.until("somebody to hold the job", |view| holder(view).is_some()).await;
    holder(&view).expect("a holder")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn job_of_a_killed_worker_goes_to_another_without_waiting_for_the_lease() {
    let directory = tempfile::tempdir().expect("a directory");
    let live = up(&directory, &stack(2), Pacing::default()).await;
    live.enqueue(json!({ "hold": true }), 1).await;
    let (_, pid) = is_held(&live).await;
    kill(pid);
    let view = live.until("the job to be completed", |view| queue(view).completed == 1).await;
    assert_eq!((queue(&view).leases_lost, queue(&view).failed_attempts), (1, 1), "the attempt counts");
    live.until("the event", |view| {
        view.decisions
            .iter()
            .any(|one| one.summary.ends_with("ended with 1 job in its hands: others may take them at once"))
    })
    .await;
    live.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_that_starts_again_under_its_name_has_its_old_job_again() {
    let directory = tempfile::tempdir().expect("a directory");
    // The end of a process is an event: no look of the clock is needed.
    let live = up(&directory, &stack(1), BY_EVENT_ONLY).await;
    live.enqueue(json!({ "hold": true }), 1).await;
    let (id, pid) = is_held(&live).await;
    kill(pid);
    live.until("the process to be started again", |view| {
        service(view, "worker").instances.iter().any(|one| one.id == id && one.restarts == 1)
    })
    .await;
    let mut bell = live.jobs.bell();
    let completed = async || live.jobs.stats(Some("work")).await.expect("figures")[0].completed_total == 1;
    let wait = async {
        while !completed().await {
            // Completions ring no bell; the poll is bounded.
            let _ = tokio::time::timeout(Duration::from_millis(20), bell.changed()).await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, wait).await.expect("the job is completed");
    live.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_of_the_dead_are_told_from_those_of_a_namesake_elsewhere_in_a_shared_database() {
    let Some(server) = plimsoll_test_postgres::server(false) else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let url = server.database().await;
    let jobs = Jobs::open(&url, JobsOptions::default()).await.expect("a queue");
    // Somebody on another machine, whose fleet counts from one as well, and somebody who does not say where he is.
    let (lease, strangers) = (Duration::from_secs(3600), ["worker-1@elsewhere", "worker-2"]);
    for name in strangers {
        let mut transaction = jobs.begin().await.expect("a transaction");
        jobs.enqueue(&mut transaction, NewJob::new("work", json!({}))).await.expect("a job");
        transaction.commit().await.expect("a commit");
        assert_eq!(jobs.claim("work", name, lease, 1).await.expect("a claim").len(), 1);
    }

    let live = up_on(&directory, &stack(2), Pacing::default(), Some(url)).await;
    live.enqueue(json!({ "hold": true }), 1).await;
    let own = |view: &StackView| holder(view).filter(|_| queue(view).leased == 3);
    let view = live.until("one of ours to hold the job", |view| own(view).is_some()).await;
    let (_, pid) = own(&view).expect("a holder");
    kill(pid);
    let view = live.until("the job to be completed", |view| queue(view).completed == 1).await;
    assert_eq!((queue(&view).leased, queue(&view).leases_lost), (2, 1), "the strangers keep theirs");
    live.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lease_of_an_earlier_run_is_given_up_at_the_start() {
    let directory = tempfile::tempdir().expect("a directory");
    let live = up(&directory, &stack(1), Pacing::default()).await;
    live.enqueue(json!({ "hold": true }), 1).await;
    let (id, _) = is_held(&live).await;
    live.handle.shutdown().await;
    // As if it had been killed with everything it runs: nobody gave the job back.
    let lease = Duration::from_secs(3600);
    assert_eq!(live.jobs.claim("work", &id, lease, 9).await.expect("a claim").len(), 1);
    drop(live);

    let live = up(&directory, &stack(0), Pacing::default()).await;
    live.until("the lease to be given up", |view| (queue(view).ready, queue(view).leased) == (1, 0)).await;
    live.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scale_in_spares_the_worker_that_holds_a_job() {
    let directory = tempfile::tempdir().expect("a directory");
    let live = up(&directory, &stack(3), Pacing::default()).await;
    live.until("three workers", |view| service(view, "worker").ready == 3).await;
    live.enqueue(json!({ "hold": true }), 1).await;
    let (busy, _) = is_held(&live).await;
    let view = live.until("the view to say it", |view| {
        service(view, "worker").instances.iter().any(|one| one.jobs == 1)
    });
    view.await;
    // It waits for somebody else and uses no CPU at all; the youngest would go first.
    live.handle.scale("worker", 1).await.expect("scaled");
    let view = live.until("one worker", |view| service(view, "worker").instances.len() == 1).await;
    assert_eq!(service(&view, "worker").instances[0].id, busy);
    assert_eq!(queue(&view).leased, 1);
    live.handle.shutdown().await;
}
