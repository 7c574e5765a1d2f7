//! Recurring jobs.

use crate::fixture::{Fixture, START_MS, job, numbers};

pub(crate) async fn due_time_makes_one_job_across_instances(f: Fixture) {
    f.jobs.set_cron("tick", &"every 10s".parse().unwrap(), &job(1)).await.unwrap();
    assert_eq!(f.jobs.enqueue_due().await.unwrap(), 0);
    for round in 0..5 {
        f.after(10);
        let looks = futures::future::join_all((0..6).map(|i| {
            let jobs = if i % 2 == 0 { f.jobs.clone() } else { f.other.clone() };
            async move { jobs.enqueue_due().await.unwrap() }
        }));
        assert_eq!(looks.await.iter().sum::<usize>(), 1, "round {round}");
        let claimed = f.claim(10).await;
        assert_eq!(numbers(&claimed), [1]);
        f.complete(&claimed[0]).await.unwrap();
    }
    assert!(f.jobs.remove_cron("tick").await.unwrap());
    assert!(!f.jobs.remove_cron("tick").await.unwrap());
    f.after(10);
    assert_eq!(f.jobs.enqueue_due().await.unwrap(), 0);
}

pub(crate) async fn missed_times_are_made_up_for_once(f: Fixture) {
    f.jobs.set_cron("tick", &"* * * * *".parse().unwrap(), &job(1)).await.unwrap();
    f.after(3600);
    assert_eq!(f.jobs.enqueue_due().await.unwrap(), 1);
    assert_eq!(f.jobs.enqueue_due().await.unwrap(), 0);
    let next_ms = f.jobs.crons().await.unwrap()[0].next_at_ms;
    assert!(next_ms > f.jobs.now_ms() && next_ms <= f.jobs.now_ms() + 60_000);
}

pub(crate) async fn unchanged_schedule_keeps_its_next_time(f: Fixture) {
    let schedule = "every 1h".parse().unwrap();
    f.jobs.set_cron("c", &schedule, &job(1)).await.unwrap();
    let first = f.jobs.crons().await.unwrap()[0].next_at_ms;
    assert_eq!(first, START_MS.div_euclid(3_600_000) * 3_600_000 + 3_600_000);
    f.after(7200);
    // A restart does not swallow the time that is due.
    f.jobs.set_cron("c", &schedule, &job(2)).await.unwrap();
    assert_eq!(f.jobs.crons().await.unwrap()[0].next_at_ms, first);
    f.jobs.set_cron("c", &"every 2h".parse().unwrap(), &job(3)).await.unwrap();
    assert!(f.jobs.crons().await.unwrap()[0].next_at_ms > f.jobs.now_ms());
}
