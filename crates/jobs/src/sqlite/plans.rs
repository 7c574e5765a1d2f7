//! What the statements of every batch look at: never more of a table than they take.

use super::open::MIGRATIONS;
use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};

/// A claim deletes all up to the last job it took. Of bounds that have an affinity SQLite uses the first only, and then every
/// claim reads the whole backlog of its priority.
#[tokio::test]
async fn claims_and_ends_read_no_more_of_the_queue_than_they_take() {
    let mut conn = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    for step in MIGRATIONS {
        sqlx::raw_sql(step.sql).execute(&mut conn).await.unwrap();
    }
    let batches = [
        include_str!("sql/look.sql"),
        include_str!("sql/runs.sql"),
        include_str!("sql/claim.sql"),
        include_str!("sql/complete_run.sql"),
        include_str!("sql/complete_runs.sql"),
        include_str!("sql/extend_leases.sql"),
    ];
    // With a bare parameter as its limit SQLite makes the plan anew each time that another value is bound.
    let bare = |sql: &&str| sql.split("LIMIT ?").skip(1).any(|rest| !rest[1..].starts_with(" + 0"));
    assert_eq!(batches.iter().find(|sql| bare(sql)), None);
    let mut looks = 0;
    for statement in batches.iter().flat_map(|sql| sql.split_inclusive(";\n")) {
        let plan = format!("EXPLAIN QUERY PLAN {statement}");
        for row in sqlx::query(AssertSqlSafe(plan)).fetch_all(&mut conn).await.unwrap() {
            let step: String = row.get("detail");
            let whole = step.contains("SCAN plimsoll_");
            // All three columns, in brackets, are what it should say.
            let part = step.contains("AND priority<");
            assert!(!whole && !part, "{step}: {statement}");
            looks += usize::from(step.contains("SEARCH"));
        }
    }
    assert!(looks >= 8, "only {looks}");
}
