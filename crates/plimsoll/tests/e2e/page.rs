//! The page in headless Chromium against a real stack.

use std::{path::Path, process::Command, time::Duration};

use crate::{
    application::{evaluate, finished, upload},
    harness::{Settings, Stack},
    model::Model,
};

#[tokio::test]
#[ignore = "needs Node.js, the page's packages and Chromium: `make page-test` sets them up and runs it"]
async fn the_page_shows_what_the_api_says_and_follows_a_change() {
    let model = Model::start(Duration::from_millis(50));
    let settings = Settings { env: model.env(), worker: (1, 3), ..Settings::default() };
    let stack = Stack::start(&settings).await;
    let upload = upload(&stack, "sample-cv.txt", "sample-project.txt").await;
    let id = evaluate(&stack, &upload, None).await;
    assert_eq!(finished(&stack, &id).await["status"], "completed");
    // Three dead letters: one is requeued on the page, one is discarded there, one stays.
    model.refuse(true);
    for _ in 0..3 {
        let id = evaluate(&stack, &upload, None).await;
        assert_eq!(finished(&stack, &id).await["status"], "failed");
    }
    model.refuse(false);
    let before = stack.wait("three dead letters", |view| view.queues.iter().any(|it| it.dead == 3)).await;
    let completed = before.queues[0].completed;

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../console/web/e2e/page.mjs");
    let output = Command::new("node")
        .arg(script)
        .arg(format!("http://{}/", stack.admin))
        .args(["--scale", "worker=2"])
        .output()
        .expect("node runs");
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    for held in ["requeued is dead no longer", "the second press discards"] {
        assert!(said.contains(held), "{said}");
    }
    stack
        .wait("the requeued job to complete and one letter to be left", |view| {
            view.queues[0].dead == 1 && view.queues[0].completed == completed + 1
        })
        .await;
}
