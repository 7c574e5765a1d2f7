//! What died is looked at, mended and tried again: by number, all of it, and while the stack is down.

use std::time::Duration;

use plimsoll_control::view::QueueView;
use serde_json::Value;

use crate::{
    application::{evaluate, result, upload},
    harness::{PATIENCE, Settings, Stack, text},
    model::Model,
};

const THINKING: Duration = Duration::from_millis(150);

#[tokio::test]
async fn dead_letters_are_inspected_requeued_and_discarded() {
    let model = Model::start(THINKING);
    let settings = Settings { env: model.env(), worker: (1, 1), ..Settings::default() };
    let mut stack = Stack::start(&settings).await;
    assert!(stack.cli_text(&["queue", "dead"]).is_empty());

    model.refuse(true);
    let upload = upload(&stack, "sample-cv.txt", "sample-project.txt").await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(evaluate(&stack, &upload, None).await);
    }
    stack.wait("four dead letters", |view| queue(&view.queues).dead == 4).await;

    // Look at them.
    let table = stack.cli_text(&["queue"]);
    assert!(table.starts_with("QUEUE") && table.contains("evaluate"), "{table}");
    let letters = json(&stack, &["queue", "dead", "--json", "--kind", "evaluate", "--limit", "3"]);
    let letters = letters.as_array().expect("a list");
    assert_eq!(letters.len(), 3);
    let numbers: Vec<String> = letters.iter().map(|letter| letter["id"].to_string()).collect();
    let listed = stack.cli_text(&["queue", "dead"]);
    assert_eq!(listed.lines().count(), 5, "a heading and four letters:\n{listed}");
    let shown = stack.cli_text(&["queue", "show", &numbers[0]]);
    assert!(shown.contains(&format!("job {} of evaluate: dead since", numbers[0])), "{shown}");
    assert!(shown.contains("401") && shown.contains("not shown"), "why, and how large: {shown}");
    assert!(!shown.contains(&upload.cv_id) && !shown.contains(&ids[0]), "the payload stays inside: {shown}");
    assert_eq!(stack.cli(&["queue", "show", "999999"]).status.code(), Some(1));
    let unknown = stack.cli(&["queue", "dead", "--kind", "evalaute"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("there are: evaluate"));

    // One by number, then again: it is no longer dead.
    model.refuse(false);
    let said = stack.cli_text(&["queue", "requeue", &numbers[0]]);
    assert_eq!(said.trim(), format!("requeued 1 dead letter: {}", numbers[0]));
    completed(&stack, &ids[0]).await;
    assert_eq!(stack.cli(&["queue", "requeue", &numbers[0]]).status.code(), Some(1));

    // Deleting wants a yes that nobody here can give.
    let unasked = stack.cli(&["queue", "discard", &numbers[1]]);
    assert_eq!(unasked.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unasked.stderr).contains("--yes"));
    stack.cli_text(&["queue", "discard", "--yes", &numbers[1]]);
    let events = stack.cli_text(&["events"]);
    assert!(events.contains("(command line) requeued 1 dead letter"), "{events}");
    assert!(events.contains("(command line) discarded 1 dead letter"), "{events}");

    // While a stack runs its queue is not changed behind its back.
    let url = format!("sqlite://{}", stack.path().join("state/queue.db").display());
    let behind = stack.cli(&["queue", "requeue", "--all", "--queue-url", &url]);
    assert_eq!(behind.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&behind.stderr).contains("leave --queue-url out"));

    // While it is down it can be, and its events tell of it.
    stack.stop("TERM");
    let table = stack.cli_text(&["queue", "--queue-url", &url]);
    assert!(table.contains("evaluate"), "{table}");
    let report =
        json(&stack, &["queue", "requeue", "--all", "--kind", "evaluate", "--json", "--queue-url", &url]);
    assert_eq!(report["done"], 2, "{report}");
    stack.up().await;
    completed(&stack, &ids[2]).await;
    completed(&stack, &ids[3]).await;
    let events = stack.cli_text(&["events", "-n", "50"]);
    assert!(events.contains("requeued 2 dead letters of evaluate"), "{events}");
    let left = stack.view().await.expect("a view");
    assert_eq!(queue(&left.queues).dead, 0);
}

#[tokio::test]
async fn a_waiting_job_is_cancelled_and_a_wrong_address_makes_no_queue() {
    let model = Model::start(THINKING);
    let settings = Settings { env: model.env(), worker: (1, 1), ..Settings::default() };
    let stack = Stack::start(&settings).await;
    let upload = upload(&stack, "sample-cv.txt", "sample-project.txt").await;
    for _ in 0..6 {
        evaluate(&stack, &upload, None).await;
    }
    // Numbers rise from 1; the sixth waits behind five that take half a second each.
    let waiting = json(&stack, &["queue", "show", "6", "--json"]);
    assert_eq!(text(&waiting, "state"), "ready", "{waiting}");
    assert_eq!(stack.cli_text(&["queue", "cancel", "6"]).trim(), "cancelled 1 job: 6");
    let gone = stack.cli(&["queue", "cancel", "6"]);
    assert_eq!(gone.status.code(), Some(1));
    let view = stack.wait("the others to end", |view| queue(&view.queues).completed == 5).await;
    assert_eq!((queue(&view.queues).ready, queue(&view.queues).dead), (0, 0));

    let nowhere = stack.path().join("nowhere.db");
    let url = format!("sqlite://{}", nowhere.display());
    let absent = stack.cli(&["queue", "--queue-url", &url]);
    assert_eq!(absent.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&absent.stderr).contains("there is no queue at"));
    assert!(!nowhere.exists(), "looking made nothing");
}

/// A failed evaluation stays failed until its job runs again, so the end alone says nothing.
async fn completed(stack: &Stack, id: &str) {
    let deadline = std::time::Instant::now() + PATIENCE;
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    loop {
        ticks.tick().await;
        let answer = result(stack, id).await.expect("an answer");
        if answer["status"] == "completed" {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "{answer}\n{}", stack.log());
    }
}

fn queue(queues: &[QueueView]) -> QueueView {
    queues.iter().find(|queue| queue.name == "evaluate").cloned().unwrap_or_default()
}

fn json(stack: &Stack, arguments: &[&str]) -> Value {
    serde_json::from_str(&stack.cli_text(arguments)).expect("JSON")
}
