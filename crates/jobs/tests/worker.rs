//! The worker runtime on a SQLite file with the real clock and short leases.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use plimsoll_jobs::{Failure, Jobs, JobsOptions, NewJob, QueueStats, Worker, WorkerOptions, WorkerReport};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const LONG: Duration = Duration::from_secs(30);

fn options() -> WorkerOptions {
    WorkerOptions {
        name: "w".into(),
        concurrency: 4,
        lease: LONG,
        poll: Duration::from_millis(20),
        drain: LONG,
        ..WorkerOptions::default()
    }
}

struct Fixture {
    url: String,
    jobs: Jobs,
    stop: CancellationToken,
    _dir: tempfile::TempDir,
}

async fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", dir.path().join("queue.db").display());
    let backoff = plimsoll_jobs::Backoff { base: Duration::from_millis(5), ..Default::default() };
    let jobs = Jobs::open(&url, JobsOptions { backoff, ..JobsOptions::default() }).await.unwrap();
    Fixture { url, jobs, stop: CancellationToken::new(), _dir: dir }
}

impl Fixture {
    fn start<H, F>(&self, options: WorkerOptions, handler: H) -> JoinHandle<WorkerReport>
    where
        H: Fn(plimsoll_jobs::JobContext) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        tokio::spawn(Worker::new(self.jobs.clone(), "q", options).run(handler, self.stop.clone()))
    }

    async fn add(&self, n: usize) {
        add(&self.jobs, n).await;
    }

    async fn stats(&self) -> QueueStats {
        self.jobs.stats(Some("q")).await.unwrap().remove(0)
    }

    /// Waits until the figures satisfy `wanted`.
    async fn until(&self, wanted: impl Fn(&QueueStats) -> bool) -> QueueStats {
        let deadline = Instant::now() + LONG;
        loop {
            let stats = self.stats().await;
            if wanted(&stats) {
                return stats;
            }
            assert!(Instant::now() < deadline, "never came: {stats:?}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

async fn add(jobs: &Jobs, n: usize) {
    let new: Vec<_> = (0..n).map(|n| NewJob::new("q", json!(n)).max_attempts(3)).collect();
    let mut tx = jobs.begin().await.unwrap();
    jobs.enqueue_many(&mut tx, &new).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn every_job_runs_once_within_the_concurrency() {
    let f = fixture().await;
    f.add(300).await;
    let (running, peak) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (r, p) = (running.clone(), peak.clone());
    let worker = f.start(options(), move |_| {
        let (r, p) = (r.clone(), p.clone());
        async move {
            p.fetch_max(r.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            r.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        }
    });
    f.until(|s| s.completed_total == 300).await;
    f.stop.cancel();
    assert_eq!(worker.await.unwrap(), WorkerReport { completed: 300, ..Default::default() });
    assert!(peak.load(Ordering::SeqCst) <= 4);
}

#[tokio::test]
async fn job_of_ten_times_its_lease_runs_once() {
    let f = fixture().await;
    f.add(1).await;
    let lease = Duration::from_millis(500);
    let starts = Arc::new(AtomicUsize::new(0));
    let workers: Vec<_> = (0..2)
        .map(|_| {
            let starts = starts.clone();
            f.start(WorkerOptions { lease, ..options() }, move |_| {
                starts.fetch_add(1, Ordering::SeqCst);
                async move {
                    tokio::time::sleep(lease * 10).await;
                    Ok(())
                }
            })
        })
        .collect();
    let stats = f.until(|s| s.completed_total == 1).await;
    f.stop.cancel();
    for w in workers {
        w.await.unwrap();
    }
    assert_eq!((starts.load(Ordering::SeqCst), stats.leases_lost_total), (1, 0));
}

#[tokio::test]
async fn handler_is_dropped_when_its_lease_is_lost() {
    let f = fixture().await;
    f.add(1).await;
    let (started, mut starts) = mpsc::channel(1);
    let (dropped, mut drops) = mpsc::channel::<()>(1);
    let worker = f.start(WorkerOptions { lease: Duration::from_millis(300), ..options() }, move |c| {
        let (started, dropped) = (started.clone(), dropped.clone());
        async move {
            let _dropped = dropped;
            started.send(c.job().clone()).await.unwrap();
            std::future::pending().await
        }
    });
    let job = starts.recv().await.unwrap();
    // Somebody else finishes the job behind the worker's back.
    let mut tx = f.jobs.begin().await.unwrap();
    f.jobs.complete(&mut tx, &job).await.unwrap();
    tx.commit().await.unwrap();
    f.stop.cancel();
    // The channel ends when the last sender, the one in the handler, is gone.
    let report = worker.await.unwrap();
    assert!(drops.recv().await.is_none());
    assert_eq!(report, WorkerReport { lost: 1, ..Default::default() });
}

#[tokio::test]
async fn failing_and_panicking_handlers_are_retried_until_dead() {
    let f = fixture().await;
    f.add(2).await;
    let worker = f.start(options(), |c| async move {
        assert_ne!(c.job().payload.as_str(), "0", "zero");
        Err(std::io::Error::other("no").into())
    });
    let stats = f.until(|s| s.dead == 2).await;
    f.stop.cancel();
    assert_eq!(worker.await.unwrap().failed, 6);
    assert_eq!(stats.failed_attempts_total, 6);
}

#[tokio::test]
async fn stop_lets_running_jobs_finish_and_starts_no_other() {
    let f = fixture().await;
    f.add(10).await;
    let (started, mut starts) = mpsc::channel(10);
    let (go, _) = tokio::sync::broadcast::channel::<()>(1);
    let open = go.clone();
    let worker = f.start(WorkerOptions { concurrency: 2, ..options() }, move |_| {
        let (started, mut open) = (started.clone(), open.subscribe());
        async move {
            started.send(()).await.unwrap();
            open.recv().await.unwrap();
            Ok(())
        }
    });
    starts.recv().await.unwrap();
    starts.recv().await.unwrap();
    f.stop.cancel();
    go.send(()).unwrap();
    assert_eq!(worker.await.unwrap(), WorkerReport { completed: 2, ..Default::default() });
    let stats = f.stats().await;
    assert_eq!((stats.ready, stats.leased, stats.completed_total), (8, 0, 2));
}

#[tokio::test]
async fn unfinished_jobs_are_released_soon_after_the_drain_and_lose_no_attempt() {
    let f = fixture().await;
    f.add(3).await;
    let (started, mut starts) = mpsc::channel(3);
    let drain = Duration::from_millis(50);
    let worker = f.start(WorkerOptions { drain, ..options() }, move |_| {
        let started = started.clone();
        async move {
            started.send(()).await.unwrap();
            std::future::pending().await
        }
    });
    for _ in 0..3 {
        starts.recv().await.unwrap();
    }
    let stopped = Instant::now();
    f.stop.cancel();
    f.until(|s| s.ready == 3 && s.leased == 0).await;
    let took = stopped.elapsed();
    assert!(took >= drain && took < drain + Duration::from_millis(500), "{took:?}");
    assert_eq!(worker.await.unwrap(), WorkerReport { released: 3, ..Default::default() });
    assert!(f.jobs.claim("q", "w", LONG, 10).await.unwrap().iter().all(|j| j.attempt == 1));
}

#[tokio::test]
async fn result_and_completion_share_the_handlers_transaction() {
    let f = fixture().await;
    f.jobs
        .migrate(
            "test",
            &[plimsoll_jobs::Migration {
                version: 1,
                name: "result",
                sql: "CREATE TABLE result (n INTEGER PRIMARY KEY)",
            }],
        )
        .await
        .unwrap();
    f.add(20).await;
    let worker = f.start(options(), |c| async move {
        let mut tx = c.jobs().begin().await?;
        let n: i64 = c.job().payload.parse()?;
        sqlx::query("INSERT INTO result VALUES (?)").bind(n).execute(tx.sqlite()?).await?;
        c.complete(&mut tx).await?;
        if c.job().attempt == 1 && n % 2 == 0 {
            return Err(Failure::retry("the transaction is dropped with both"));
        }
        Ok(tx.commit().await?)
    });
    f.until(|s| s.completed_total == 20).await;
    f.stop.cancel();
    assert_eq!(worker.await.unwrap(), WorkerReport { completed: 20, failed: 10, ..Default::default() });
    let results: i64 =
        sqlx::query_scalar("SELECT count(*) FROM result").fetch_one(f.jobs.sqlite().unwrap()).await.unwrap();
    assert_eq!(results, 20);
}

#[tokio::test]
async fn commit_of_another_handle_wakes_an_idle_worker_at_once() {
    let f = fixture().await;
    // A second handle shares nothing with the worker's but the file: it stands for another process.
    let other = Jobs::open(&f.url, JobsOptions::default()).await.unwrap();
    let (started, mut starts) = mpsc::channel(1);
    let slow_poll = WorkerOptions { poll: Duration::from_secs(3600), ..options() };
    let worker = f.start(slow_poll, move |_| {
        let started = started.clone();
        async move { Ok(started.send(()).await?) }
    });
    for _ in 0..20 {
        add(&other, 1).await;
        tokio::time::timeout(LONG, starts.recv()).await.unwrap().unwrap();
    }
    f.stop.cancel();
    worker.await.unwrap();
}

#[tokio::test]
async fn running_job_is_stopped_at_its_deadline() {
    let f = fixture().await;
    let mut tx = f.jobs.begin().await.unwrap();
    let deadline = f.jobs.now_ms() + 500;
    f.jobs.enqueue(&mut tx, NewJob::new("q", json!(1)).deadline_ms(deadline)).await.unwrap();
    tx.commit().await.unwrap();
    let worker = f.start(options(), |_| std::future::pending());
    let stats = f.until(|s| s.dead == 1).await;
    assert!(stats.at_ms >= deadline);
    f.stop.cancel();
    worker.await.unwrap();
}

#[tokio::test]
async fn worker_is_done_after_as_many_jobs_as_asked() {
    let f = fixture().await;
    f.add(20).await;
    let worker = f.start(WorkerOptions { recycle_after: Some(7), ..options() }, |_| async { Ok(()) });
    assert_eq!(worker.await.unwrap(), WorkerReport { completed: 7, ..Default::default() });
    let stats = f.stats().await;
    assert_eq!((stats.ready, stats.leased), (13, 0));
}

#[tokio::test]
async fn cancelled_job_is_dropped_by_the_worker_that_holds_it() {
    let f = fixture().await;
    f.add(1).await;
    let (started, mut starts) = mpsc::channel(1);
    let lease = Duration::from_millis(150);
    let worker = f.start(WorkerOptions { lease, ..options() }, move |c| {
        let started = started.clone();
        async move {
            started.send(c.job().id).await?;
            std::future::pending().await
        }
    });
    let id = starts.recv().await.unwrap();
    let mut tx = f.jobs.begin().await.unwrap();
    assert_eq!(f.jobs.cancel(&mut tx, id).await.unwrap(), plimsoll_jobs::Cancelled::Requested);
    tx.commit().await.unwrap();
    f.until(|s| s.leased == 0).await;
    f.stop.cancel();
    assert_eq!(worker.await.unwrap(), WorkerReport { cancelled: 1, ..Default::default() });
}

#[tokio::test]
async fn full_pool_of_one_class_does_not_hold_up_another() {
    // FEATURES Q5: long CPU jobs fill their pool; the other pool's jobs do not wait for them.
    let f = fixture().await;
    f.add(50).await;
    let cpu = f.start(options(), |_| std::future::pending());
    f.until(|s| s.leased == 4).await;
    let io =
        tokio::spawn(Worker::new(f.jobs.clone(), "io", options()).run(|_| async { Ok(()) }, f.stop.clone()));
    let new: Vec<_> = (0..20).map(|n| NewJob::new("io", json!(n))).collect();
    let mut tx = f.jobs.begin().await.unwrap();
    f.jobs.enqueue_many(&mut tx, &new).await.unwrap();
    tx.commit().await.unwrap();
    let deadline = Instant::now() + LONG;
    while f.jobs.stats(Some("io")).await.unwrap()[0].completed_total < 20 {
        assert!(Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
    f.stop.cancel();
    assert_eq!(io.await.unwrap().completed, 20);
    cpu.abort();
}

#[tokio::test]
async fn wait_and_run_times_are_measured() {
    let f = fixture().await;
    f.add(3).await;
    let worker = Worker::new(f.jobs.clone(), "q", options());
    let metrics = worker.metrics();
    let running = tokio::spawn(worker.run(|_| async { Ok(()) }, f.stop.clone()));
    f.until(|s| s.completed_total == 3).await;
    f.stop.cancel();
    running.await.unwrap();
    assert_eq!((metrics.wait.snapshot().count, metrics.run.snapshot().count), (3, 3));
}

#[tokio::test]
async fn recurring_job_is_enqueued_by_running_workers_once_each_time() {
    let f = fixture().await;
    f.jobs.set_cron("tick", &"every 200ms".parse().unwrap(), &NewJob::new("q", json!(0))).await.unwrap();
    let (started, mut starts) = mpsc::channel(100);
    let workers: Vec<_> = (0..3)
        .map(|_| {
            let started = started.clone();
            f.start(options(), move |c| {
                let started = started.clone();
                async move { Ok(started.send(c.job().id).await?) }
            })
        })
        .collect();
    for _ in 0..3 {
        starts.recv().await.unwrap();
    }
    f.stop.cancel();
    let mut completed = 0;
    for w in workers {
        completed += w.await.unwrap().completed;
    }
    assert_eq!(completed, f.stats().await.completed_total);
}
