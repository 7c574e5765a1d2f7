//! plimsoll itself goes away with jobs in the queue, politely and not.

use std::time::Duration;

use crate::{
    application::{Upload, evaluate, finished, upload},
    harness::{PATIENCE, Settings, Stack},
    model::Model,
};

/// Slow enough that most jobs still wait when plimsoll goes away.
const THINKING: Duration = Duration::from_millis(150);
const JOBS: usize = 12;

#[tokio::test]
async fn jobs_in_the_queue_are_finished_after_sigterm_and_after_sigkill() {
    let model = Model::start(THINKING);
    let mut stack = Stack::start(&Settings { env: model.env(), worker: (1, 1), ..Settings::default() }).await;
    let upload = upload(&stack, "sample-cv.txt", "sample-project.txt").await;
    for signal in ["TERM", "KILL"] {
        let jobs = enqueue(&stack, &upload).await;
        stack.stop(signal);
        nothing_is_left(&stack);
        stack.up().await;
        for id in &jobs {
            let answer = finished(&stack, id).await;
            assert_eq!(answer["status"], "completed", "after SIG{signal}: {answer}");
        }
    }
}

async fn enqueue(stack: &Stack, upload: &Upload) -> Vec<String> {
    let mut jobs = Vec::new();
    for _ in 0..JOBS {
        jobs.push(evaluate(stack, upload, None).await);
    }
    jobs
}

/// The guard ends everything that plimsoll leaves behind; it needs a moment after SIGKILL.
fn nothing_is_left(stack: &Stack) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while !stack.processes().is_empty() {
        assert!(std::time::Instant::now() < deadline, "orphans: {:?}", stack.processes());
        std::thread::yield_now();
    }
}
