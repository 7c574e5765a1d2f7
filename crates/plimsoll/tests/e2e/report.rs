//! What a real stack did is in its report, while it runs and after it has stopped; what was not measured is not.

use std::time::Duration;

use serde_json::Value;

use crate::{
    application::{evaluate, finished, upload},
    harness::{PATIENCE, Settings, Stack, send_signal},
};

#[tokio::test]
async fn the_report_tells_what_was_carried_of_a_running_and_of_a_stopped_stack() {
    let mut stack = Stack::start(&Settings { worker: (2, 3), ..Settings::default() }).await;
    let upload = upload(&stack, "sample-cv.txt", "sample-project.txt").await;
    for _ in 0..3 {
        let id = evaluate(&stack, &upload, None).await;
        assert_eq!(finished(&stack, &id).await["status"], "completed");
    }
    stack.cli_text(&["scale", "worker", "2"]);
    let view = stack.view().await.expect("a view");
    let pid = view.services[1].instances[0].pid.expect("it runs");
    send_signal(pid, "KILL");
    stack.wait("the crash to be noticed", |view| view.decisions.iter().any(|it| it.kind == "crash")).await;

    // The logbook is written once a second: wait until it has seen all of it.
    let report = eventually(&stack, |report| {
        report["queues"][0]["completed"] == 3 && report["services"][1]["most_running"] == 2
    })
    .await;
    let api = &report["services"][0];
    assert_eq!((&report["stack"], &api["name"]), (&"e2e".into(), &"api".into()));
    assert!(api["http"]["requests"].as_u64().is_some_and(|requests| requests >= 7), "{api}");
    assert_eq!(api["http"]["errors"], 0, "{api}");
    assert!(api["http"]["p95"]["above"].is_number(), "{api}");
    let worker = &report["services"][1];
    assert_eq!(worker["scaling"]["crashes"], 1, "{worker}");
    assert!(worker["instance_hours"].as_f64().is_some_and(|hours| hours > 0.0 && hours < 1.0), "{worker}");
    let orders = report["orders"].to_string();
    assert!(orders.contains("an operator asked for 2"), "{orders}");
    let measured_s = report["coverage"]["measured_s"].as_f64().expect("a number");
    let ran_s = stack.view().await.expect("a view").uptime_s as f64;
    assert!(measured_s > 0.0 && measured_s <= ran_s + 2.0, "{measured_s} of {ran_s}");
    assert_eq!(report["coverage"]["asked_s"], 86_400);

    let text = stack.cli_text(&["report", "--since", "1h", "--price", "worker=0.08"]);
    assert!(text.contains("measured for ") && text.contains(" of 1h0m, from "), "{text}");
    assert!(text.contains("COST") && text.contains("killed by signal 9"), "{text}");

    // Stopped: the same from its files, to the last second.
    stack.stop("TERM");
    let file = stack.path().join("stack.yaml");
    let file = file.to_str().expect("a plain path");
    let after = json(&stack.cli_text(&["report", file, "--json"]));
    assert_eq!(after["queues"][0]["completed"], 3, "{after}");
    assert!(after["coverage"]["measured_s"].as_f64() >= Some(measured_s), "{after}");
    let page = stack.path().join("report.html");
    stack.cli_text(&["report", file, "--html", page.to_str().expect("a plain path")]);
    let page = std::fs::read_to_string(page).expect("the page");
    assert!(page.contains("<h1>e2e</h1>") && page.contains("killed by signal 9"), "{page}");

    let nothing = stack.cli(&["report"]);
    assert_eq!(nothing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("nothing runs"));
    let wrong = stack.cli(&["report", "--since", "yesterday"]);
    assert_eq!(wrong.status.code(), Some(2));
}

async fn eventually(stack: &Stack, holds: impl Fn(&Value) -> bool) -> Value {
    let deadline = std::time::Instant::now() + PATIENCE;
    let mut ticks = tokio::time::interval(Duration::from_millis(200));
    loop {
        ticks.tick().await;
        let report = json(&stack.cli_text(&["report", "--json"]));
        if holds(&report) {
            return report;
        }
        assert!(std::time::Instant::now() < deadline, "{report}\n{}", stack.log());
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}
