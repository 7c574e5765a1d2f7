//! What a database of an earlier version goes through, and what the statements look at afterwards.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use sqlx::{AssertSqlSafe, Executor as _, PgPool, Row as _};

use super::open::{MIGRATIONS, migrate};
use super::{Heads, PgBell, PostgresDriver};
use crate::driver::{Claim, Driver as _};
use crate::job::{Enqueued, JobId, NewJob};
use crate::lanes::Turns;
use crate::{Jobs, JobsOptions, ManualClock};

const NOW_MS: i64 = 1_000_000;
const LEASE: Duration = Duration::from_secs(60);
/// The last version whose index held jobs with and without a lane.
const OLD: usize = 4;

fn job(n: usize) -> NewJob {
    NewJob::new("q", json!(n))
}

async fn added(driver: &PostgresDriver, jobs: &[NewJob]) -> Vec<JobId> {
    let mut conn = driver.pool.acquire().await.unwrap();
    driver.insert(&mut conn, jobs, NOW_MS).await.unwrap().into_iter().map(Enqueued::id).collect()
}

#[tokio::test]
async fn jobs_of_an_older_database_are_claimed_and_ended_after_many_open_it_at_once() {
    let Some(server) = plimsoll_test_postgres::server(false) else { return };
    let url = server.database().await;
    let pool = PgPool::connect(&url).await.unwrap();
    migrate(&pool, false, "jobs", &MIGRATIONS[..OLD]).await.unwrap();
    let bell = Arc::new(PgBell::new(pool.clone()));
    let old = PostgresDriver { pool, bell, pooler: false, turns: Turns::default(), heads: Heads::default() };
    let mut waiting = added(&old, &[job(0), job(1), job(2)]).await;
    let claim = Claim { queue: "q", worker: "old", limit: 1, now_ms: NOW_MS, until_ms: NOW_MS + 60_000 };
    let held = old.claim(&mut old.pool.acquire().await.unwrap(), claim).await.unwrap();
    assert_eq!(held[0].id, waiting.remove(0));
    waiting.extend(
        added(&old, &[job(3).lane("a"), job(4).delay(Duration::from_secs(5)), job(5).priority(-1)]).await,
    );

    let clock = Arc::new(ManualClock::at(NOW_MS));
    let open =
        || Jobs::open(&url, JobsOptions { clock: clock.clone(), readers: 1, ..JobsOptions::default() });
    let (jobs, ..) = futures::try_join!(open(), open(), open(), open()).unwrap();
    clock.advance(Duration::from_secs(6));
    let mut claimed: Vec<JobId> =
        jobs.claim("q", "new", LEASE, 10).await.unwrap().iter().map(|c| c.id).collect();
    claimed.sort_unstable();
    assert_eq!(claimed, waiting);
    let mut tx = jobs.begin().await.unwrap();
    jobs.complete(&mut tx, &held[0]).await.unwrap();
    tx.commit().await.unwrap();
    let stats = jobs.stats(Some("q")).await.unwrap().remove(0);
    assert_eq!((stats.ready, stats.leased, stats.completed_total), (0, 5, 1));
}

/// Where there is no other way than from end to end, that is what the server does, however little it likes to.
#[tokio::test]
async fn looks_at_a_queue_never_read_all_jobs() {
    let Some(server) = plimsoll_test_postgres::server(false) else { return };
    let url = format!("{}&options=-c%20enable_seqscan%3Doff", server.database().await);
    let pool = PgPool::connect(&url).await.unwrap();
    migrate(&pool, false, "jobs", MIGRATIONS).await.unwrap();
    let mut conn = pool.acquire().await.unwrap();
    let peek = (include_str!("sql/peek.sql"), "'q'", "5", "NULL");
    let lanes = (include_str!("sql/lanes.sql"), "'q'", "''", "16");
    let stats = (include_str!("sql/stats.sql"), "5", "'q'::text", "NULL");
    let mut looks = 0;
    for (sql, one, two, three) in [peek, lanes, stats] {
        let sql = sql.replace("$1", one).replace("$2", two).replace("$3", three);
        for row in conn.fetch_all(AssertSqlSafe(format!("EXPLAIN {sql}"))).await.unwrap() {
            let step: String = row.get(0);
            assert!(!step.contains("Seq Scan on plimsoll_job"), "{step}: {sql}");
            looks += usize::from(
                step.contains("using plimsoll_job_plain") || step.contains("using plimsoll_job_laned"),
            );
        }
    }
    assert!(looks >= 7, "only {looks}");
}
