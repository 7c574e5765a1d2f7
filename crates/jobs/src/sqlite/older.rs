//! What an older version of this program left in the file goes on where it was.

use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use super::open::MIGRATIONS;
use crate::job::Token;
use crate::migrate::hash;
use crate::{Claimed, FailureClass, JobState, Jobs, JobsOptions, ManualClock};

const NOW_MS: i64 = 100_000;
const LEASE: Duration = Duration::from_secs(10);

/// A file at version 2, with jobs in all states.
async fn file_of_version_2(path: &std::path::Path) {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut conn: SqliteConnection = options.connect().await.unwrap();
    sqlx::query(include_str!("sql/schema_table.sql")).execute(&mut conn).await.unwrap();
    for step in &MIGRATIONS[..2] {
        sqlx::raw_sql(step.sql).execute(&mut conn).await.unwrap();
        sqlx::query(include_str!("sql/schema_write.sql"))
            .bind("jobs")
            .bind(step.version)
            .bind(step.name)
            .bind(hash(step.sql))
            .execute(&mut conn)
            .await
            .unwrap();
    }
    sqlx::raw_sql(include_str!("older.sql")).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
}

#[tokio::test]
async fn jobs_of_version_2_are_claimed_and_completed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("queue.db");
    file_of_version_2(&path).await;
    let clock = Arc::new(ManualClock::at(NOW_MS));
    let options = JobsOptions { clock: clock.clone(), ..JobsOptions::default() };
    let jobs = Jobs::open(&format!("sqlite://{}", path.display()), options).await.unwrap();

    let stats = jobs.stats(Some("q")).await.unwrap().remove(0);
    assert_eq!((stats.ready, stats.scheduled, stats.leased, stats.dead), (3, 1, 2, 1));
    let holders = jobs.holders(Some("q")).await.unwrap();
    assert_eq!((holders.len(), holders[0].worker.as_str(), holders[0].jobs), (1, "old", 2));
    let held = jobs.find(crate::JobId(4)).await.unwrap().unwrap();
    assert_eq!(
        (held.state, held.attempts, held.progress.map(|p| p.permille)),
        (JobState::Leased, 2, Some(250))
    );

    // Two that were ready, and one whose lease had run out.
    let claimed = jobs.claim("q", "new", LEASE, 10).await.unwrap();
    let told: Vec<_> = claimed.iter().map(|c| (c.id.0, c.attempt, c.payload.as_str())).collect();
    assert_eq!(told, [(2, 1, "2"), (1, 2, "1"), (6, 4, "6")]);
    assert!(claimed[0].token > Token(40), "a token that was used before");

    // Their holders are still alive.
    let theirs = |id: i64, token: i64| Claimed {
        id: crate::JobId(id),
        token: Token(token),
        attempt: 2,
        ..claimed[0].clone()
    };
    let mut tx = jobs.begin().await.unwrap();
    assert_eq!(jobs.complete_many(&mut tx, &[theirs(4, 31)]).await.unwrap().len(), 1);
    assert_eq!(jobs.complete_many(&mut tx, &claimed).await.unwrap().len(), 3);
    assert!(jobs.complete_many(&mut tx, &[theirs(6, 33)]).await.unwrap().is_empty());
    tx.commit().await.unwrap();
    jobs.fail(&theirs(5, 32), FailureClass::Never, "x").await.unwrap();

    clock.advance(LEASE);
    let claimed = jobs.claim("q", "new", LEASE, 10).await.unwrap();
    assert_eq!(claimed.iter().map(|c| c.id.0).collect::<Vec<_>>(), [3]);
    let stats = jobs.stats(Some("q")).await.unwrap().remove(0);
    assert_eq!((stats.ready, stats.scheduled, stats.leased, stats.dead), (0, 0, 1, 2));
}
