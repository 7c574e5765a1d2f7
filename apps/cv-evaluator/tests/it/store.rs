//! How the database is read.

use std::time::Duration;

use sqlx::Row as _;

use crate::support::{Stack, text};

/// The plan of a query, one step a line.
async fn plan(stack: &Stack, sql: &str, binds: usize) -> String {
    let explained = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
    let mut query = sqlx::query(explained);
    for _ in 0..binds {
        query = query.bind("x");
    }
    let rows = query.fetch_all(stack.store.jobs().sqlite().unwrap()).await.unwrap();
    rows.iter().map(|row| row.get::<String, _>("detail") + "\n").collect()
}

#[tokio::test]
async fn w38_no_page_reads_or_sorts_a_whole_table() {
    let stack = Stack::start().await;
    for (name, sql, binds) in [
        ("list", include_str!("../../src/store/sql/list_evaluations.sql"), 3),
        ("list by status", include_str!("../../src/store/sql/list_evaluations_by_status.sql"), 4),
        ("read", include_str!("../../src/store/sql/read_evaluation.sql"), 1),
        ("result", include_str!("../../src/store/sql/read_result.sql"), 1),
        ("repeat", include_str!("../../src/store/sql/find_idempotent.sql"), 2),
        ("expired", include_str!("../../src/store/sql/find_expired.sql"), 3),
        ("unused", include_str!("../../src/store/sql/find_unused_uploads.sql"), 2),
        ("stale", include_str!("../../src/store/sql/find_stale_pending.sql"), 1),
        ("erase evaluations", include_str!("../../src/store/sql/erase_evaluations.sql"), 1),
        ("erase uploads", include_str!("../../src/store/sql/erase_uploads.sql"), 1),
        ("upload", include_str!("../../src/store/sql/upload_kind.sql"), 2),
    ] {
        let plan = plan(&stack, sql, binds).await;
        assert!(plan.contains("USING INDEX") || plan.contains("USING COVERING INDEX"), "{name}: {plan}");
        assert!(!plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{name}: {plan}");
    }
    let search = plan(&stack, include_str!("../../src/store/sql/search_evaluations.sql"), 6).await;
    assert!(!search.contains("SCAN cv_evaluation"), "{search}");
    stack.stop().await;
}

#[tokio::test]
async fn w37_only_what_is_finished_is_past_its_time_and_shared_files_go_last() {
    let stack = Stack::start().await;
    let body = stack.upload_texts().await;
    let done = stack.evaluate(&body).await;
    let worker = stack.worker(&[]).await;
    stack.finished(&done).await;
    worker.stop().await;
    // Refers to the same files.
    let waiting = stack.evaluate(&body).await;

    let day = Duration::from_secs(86_400);
    assert_eq!(stack.store.expire(day).await.unwrap(), 0);
    let mut tx = stack.store.jobs().begin().await.unwrap();
    for sql in ["UPDATE cv_evaluation SET created_at_ms = 1", "UPDATE cv_upload SET created_at_ms = 1"] {
        sqlx::query(sql).execute(tx.sqlite().unwrap()).await.unwrap();
    }
    tx.commit().await.unwrap();
    assert_eq!(stack.store.expire(day).await.unwrap(), 1);
    assert!(stack.store.read_result(&done).await.unwrap().is_none());
    assert_eq!(stack.store.expire(day).await.unwrap(), 0);

    let worker = stack.worker(&[("DATA_RETENTION_DAYS", "0")]).await;
    assert_eq!(stack.finished(&waiting).await["status"], "completed");
    worker.stop().await;
    // The evaluation, then both files.
    assert_eq!(stack.store.expire(day).await.unwrap(), 3);
    assert!(stack.store.read_upload(&text(&body, "cv_id")).await.unwrap().is_none());
    let pool = stack.store.jobs().sqlite().unwrap();
    let left: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM cv_upload_chunk").fetch_one(pool).await.unwrap();
    let results: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM cv_result").fetch_one(pool).await.unwrap();
    assert_eq!((left, results), (0, 0));
    stack.stop().await;
}
