//! How the database is read.

use sqlx::Row as _;

use crate::support::Stack;

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
