//! A stack whose queue is in Postgres.

use crate::application::{evaluate, finished, upload};
use crate::harness::{Settings, Stack, text};

#[tokio::test]
async fn a_stack_on_postgres_does_its_work_and_sees_its_queue() {
    let Some(server) = plimsoll_test_postgres::server(false) else { return };
    let settings = Settings { queue_url: Some(server.database().await), ..Settings::default() };
    let mut stack = Stack::start(&settings).await;
    let files = upload(&stack, "sample-cv.txt", "sample-project.txt").await;
    for number in 0..6 {
        let id = evaluate(&stack, &files, Some(&format!("key-{number}"))).await;
        let answer = finished(&stack, &id).await;
        assert_eq!(text(&answer, "status"), "completed", "{answer}");
    }
    // Plimsoll itself reads the same queue.
    let view =
        stack.wait("the queue's figures", |view| view.queues.iter().any(|queue| queue.completed >= 6)).await;
    assert!(view.queues.iter().all(|queue| queue.name == "evaluate"), "{view:?}");
    assert!(!stack.path().join("state/queue.db").exists(), "nothing was kept in a file");
    stack.stop("TERM");
}
