//! What an operator does to a running stack, and what is said when nothing runs.

use std::process::Command;

use crate::{
    application::{evaluate, finished, upload},
    harness::{Settings, Stack},
};

#[tokio::test]
async fn scale_drain_restart_and_reload_do_what_they_say() {
    let stack = Stack::start(&Settings { worker: (1, 3), ..Settings::default() }).await;

    let said = stack.cli_text(&["scale", "worker", "2"]);
    assert!(said.starts_with("worker: 1 -> 2"), "{said}");
    stack.wait("two ready workers", |view| service(view, "worker").ready == 2).await;

    let outside = stack.cli(&["scale", "worker", "9"]);
    assert_eq!(outside.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&outside.stderr).contains("between 1 and 3"));

    let before = ids(&stack, "api").await;
    stack.cli_text(&["drain", &before[0]]);
    stack
        .wait("the drained instance to be replaced", |view| {
            let api = service(view, "api");
            api.ready == 1 && api.instances.iter().all(|instance| instance.id != before[0])
        })
        .await;

    let before = ids(&stack, "api").await;
    stack.cli_text(&["restart", "api"]);
    stack
        .wait("every instance of the service to be a new one", |view| {
            let api = service(view, "api");
            api.ready == api.desired && api.instances.iter().all(|instance| !before.contains(&instance.id))
        })
        .await;

    let file = stack.path().join("stack.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("WORKER_CONCURRENCY: \"1\"", "WORKER_CONCURRENCY: \"2\"")).unwrap();
    let before = ids(&stack, "worker").await;
    let said = stack.cli_text(&["reload"]);
    assert!(said.contains("worker: changed"), "{said}");
    stack
        .wait("the workers to be replaced", |view| {
            let worker = service(view, "worker");
            worker.ready == worker.desired
                && worker.instances.iter().all(|instance| !before.contains(&instance.id))
        })
        .await;

    std::fs::write(&file, text.replace("least-conn", "fastest")).unwrap();
    let refused = stack.cli(&["reload"]);
    assert_eq!(refused.status.code(), Some(2));
    let refused = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.contains("stack.yaml:") && refused.contains("fastest"), "{refused}");

    // After all of that it still works.
    let upload = upload(&stack, "sample-cv.txt", "sample-project.txt").await;
    let id = evaluate(&stack, &upload, None).await;
    assert_eq!(finished(&stack, &id).await["status"], "completed");
}

#[test]
fn every_command_says_clearly_that_nothing_runs() {
    for arguments in [
        &["status"][..],
        &["events"],
        &["why", "1"],
        &["why", "worker"],
        &["why"],
        &["scale", "worker", "2"],
        &["drain", "worker-1"],
        &["restart", "worker"],
        &["reload"],
        &["down"],
        &["report"],
        &["queue"],
        &["queue", "dead"],
        &["queue", "show", "1"],
        &["queue", "requeue", "1"],
        &["queue", "discard", "--all", "--yes"],
        &["queue", "cancel", "1"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_plimsoll"))
            .args(arguments)
            .env("PLIMSOLL_ADMIN", "http://127.0.0.1:1")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains("nothing runs at http://127.0.0.1:1"), "{arguments:?}: {stderr}");
        assert!(stderr.contains("plimsoll up FILE"), "{arguments:?}: {stderr}");
    }
}

fn service<'a>(
    view: &'a plimsoll_control::view::StackView,
    name: &str,
) -> &'a plimsoll_control::view::ServiceView {
    view.services.iter().find(|service| service.name == name).expect("the service")
}

async fn ids(stack: &Stack, name: &str) -> Vec<String> {
    let view = stack.view().await.expect("a view");
    service(&view, name).instances.iter().map(|instance| instance.id.clone()).collect()
}
