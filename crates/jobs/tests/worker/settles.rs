//! How attempts end, and what is durable with them.

use plimsoll_jobs::{Failure, JobContext, JobState, JobsError, Migration, Tx, WorkerReport};

use crate::fixture::{Fixture, options};

const TABLES: &[Migration] =
    &[Migration { version: 1, name: "account", sql: "CREATE TABLE account (n bigint, what text)" }];

/// Writes a row of the application's own into the transaction.
async fn note(tx: &mut Tx, n: i64, what: &'static str) -> Result<(), JobsError> {
    let sql = "INSERT INTO account (n, what) VALUES ($1, $2)";
    if tx.sqlite().is_ok() {
        sqlx::query(sql).bind(n).bind(what).execute(tx.sqlite()?).await?;
    } else {
        sqlx::query(sql).bind(n).bind(what).execute(tx.postgres()?).await?;
    }
    Ok(())
}

async fn notes(f: &Fixture, what: &'static str) -> i64 {
    let sql = "SELECT count(*) FROM account WHERE what = $1";
    match f.jobs.sqlite() {
        Ok(db) => sqlx::query_scalar(sql).bind(what).fetch_one(db).await.unwrap(),
        Err(_) => sqlx::query_scalar(sql).bind(what).fetch_one(f.jobs.postgres().unwrap()).await.unwrap(),
    }
}

fn number(c: &JobContext) -> Result<i64, JobsError> {
    c.job().payload.parse()
}

pub(crate) async fn panics_and_errors_are_told_apart_counted_and_retried_until_dead(f: Fixture) {
    f.add(2).await;
    let worker = f.start(options(), |c| async move {
        assert_ne!(number(&c)?, 0, "zero");
        Err(std::io::Error::other("no").into())
    });
    let stats = f.until(|s| s.dead == 2).await;
    f.stop.cancel();
    let report = worker.await.unwrap();
    assert_eq!(report, WorkerReport { failed: 6, panicked: 3, ..Default::default() });
    assert_eq!(stats.failed_attempts_total, 6);
    for letter in f.jobs.dead_letters("q", None, 2).await.unwrap() {
        let panics = letter.payload.as_str() == "0";
        let failures = f.jobs.failures(letter.id).await.unwrap();
        assert_eq!(failures.iter().map(|x| x.attempt).collect::<Vec<_>>(), [1, 2, 3]);
        for failure in failures {
            assert_eq!(failure.message.starts_with("handler panicked: "), panics, "{}", failure.message);
            assert_eq!(failure.message.contains("zero"), panics);
        }
    }
}

pub(crate) async fn result_and_completion_share_the_handlers_transaction(f: Fixture) {
    f.jobs.migrate("test", TABLES).await.unwrap();
    f.add(20).await;
    let worker = f.start(options(), |c| async move {
        let mut tx = c.jobs().begin().await?;
        let n = number(&c)?;
        note(&mut tx, n, "done").await?;
        c.complete(&mut tx).await?;
        match n % 4 {
            0 if c.job().attempt == 1 => Err(Failure::retry("the transaction is dropped with both")),
            1 if c.job().attempt == 1 => panic!("so it is by a panic"),
            _ => Ok(tx.commit().await?),
        }
    });
    f.until(|s| s.completed_total == 20).await;
    f.stop.cancel();
    let report = worker.await.unwrap();
    assert_eq!(report, WorkerReport { completed: 20, failed: 10, panicked: 5, ..Default::default() });
    assert_eq!(notes(&f, "done").await, 20);
}

pub(crate) async fn account_and_failure_share_the_handlers_transaction(f: Fixture) {
    f.jobs.migrate("test", TABLES).await.unwrap();
    f.add(8).await;
    let worker = f.start(options(), |c| async move {
        let mut tx = c.jobs().begin().await?;
        let n = number(&c)?;
        note(&mut tx, n, "failed").await?;
        c.fail(&mut tx, &Failure::never("as told")).await?;
        if n % 2 == 0 && c.job().attempt == 1 {
            return Err(Failure::retry("the transaction is dropped with both"));
        }
        Ok(tx.commit().await?)
    });
    f.until(|s| s.dead == 8).await;
    f.stop.cancel();
    let report = worker.await.unwrap();
    assert_eq!(report, WorkerReport { failed: 12, ..Default::default() });
    assert_eq!(notes(&f, "failed").await, 8);
    for letter in f.jobs.dead_letters("q", None, 8).await.unwrap() {
        assert_eq!(letter.reason, "as told");
        assert_eq!(f.jobs.find(letter.id).await.unwrap().unwrap().state, JobState::Dead);
    }
}
