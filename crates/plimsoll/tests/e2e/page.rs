//! The page in headless Chromium against a real stack.

use std::{path::Path, process::Command};

use crate::{
    application::{evaluate, finished, upload},
    harness::{Settings, Stack},
};

#[tokio::test]
#[ignore = "needs Node.js, the page's packages and Chromium: `make page-test` sets them up and runs it"]
async fn the_page_shows_what_the_api_says_and_follows_a_change() {
    let stack = Stack::start(&Settings { worker: (1, 3), ..Settings::default() }).await;
    let upload = upload(&stack, "sample-cv.txt", "sample-project.txt").await;
    let id = evaluate(&stack, &upload, None).await;
    assert_eq!(finished(&stack, &id).await["status"], "completed");

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
}
