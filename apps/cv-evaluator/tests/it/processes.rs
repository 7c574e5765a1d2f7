//! The program as users start it: processes, signals, exit statuses.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Output, Stdio};

use serde_json::json;

use super::support::{PROGRAM, Stack, eventually};

/// A worker process, killed when dropped.
struct Process(Child);

// === impl Process ===

impl Process {
    /// Starts a worker and waits until it says that it works.
    fn worker(stack: &Stack, variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(PROGRAM)
            .arg("work")
            .env_clear()
            .env("PORT", "0")
            .env("PLIMSOLL_QUEUE_URL", &stack.url)
            .envs(variables.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("working")), "the worker ended");
        // Read on, or the worker blocks when the pipe is full.
        std::thread::spawn(move || lines.for_each(drop));
        Self(child)
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end off the async threads; answers the exit status.
    async fn ended(mut self) -> std::process::ExitStatus {
        tokio::task::spawn_blocking(move || self.0.wait().unwrap()).await.unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(arguments: &[&str], variables: &[(&str, &str)], input: &[u8]) -> Output {
    let mut child = Command::new(PROGRAM)
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

#[tokio::test]
async fn w23_a_worker_told_to_stop_finishes_what_it_has_and_ends_well() {
    let stack = Stack::start().await;
    let worker = Process::worker(&stack, &[("PLIMSOLL_DRAIN_S", "10")]);
    let body = stack.upload_texts().await;
    let mut ids = Vec::new();
    for _ in 0..6 {
        ids.push(stack.evaluate(&body).await);
    }
    eventually(async || (stack.store.totals().await.unwrap().completed >= 1.0).then_some(())).await;
    worker.signal("TERM");
    assert!(worker.ended().await.success());
    // Nothing is held any more, nothing was tried in vain.
    let stats = stack.store.jobs().stats(Some("evaluate")).await.unwrap().remove(0);
    assert_eq!((stats.leased, stats.failed_attempts_total, stats.leases_lost_total), (0, 0, 0));
    let next = Process::worker(&stack, &[]);
    for id in &ids {
        assert_eq!(stack.finished(id).await["status"], "completed");
    }
    drop(next);
    stack.stop().await;
}

#[tokio::test]
async fn worker_that_is_recycled_ends_well_and_a_fresh_one_does_the_rest() {
    let stack = Stack::start().await;
    let body = stack.upload_texts().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(stack.evaluate(&body).await);
    }
    // With requests from elsewhere beside: they must not keep it alive.
    let short = [("WORKER_RECYCLE_AFTER", "2"), ("REQUESTS_QUEUE", "evaluate-requests")];
    for done in [2, 4] {
        assert!(Process::worker(&stack, &short).ended().await.success());
        let stats = stack.store.jobs().stats(Some("evaluate")).await.unwrap().remove(0);
        assert_eq!((stats.completed_total, stats.leased, stats.failed_attempts_total), (done, 0, 0));
    }
    let last = Process::worker(&stack, &short);
    for id in &ids {
        assert_eq!(stack.finished(id).await["status"], "completed");
    }
    drop(last);
    stack.stop().await;
}

#[tokio::test]
async fn killed_workers_lose_nothing_and_double_nothing() {
    let stack = Stack::start().await;
    let body = stack.upload_texts().await;
    let mut ids = Vec::new();
    for _ in 0..12 {
        ids.push(stack.evaluate(&body).await);
    }
    let short = [("WORKER_LEASE_S", "1"), ("WORKER_CONCURRENCY", "4")];
    for done in [2.0, 5.0] {
        let worker = Process::worker(&stack, &short);
        eventually(async || (stack.store.totals().await.unwrap().completed >= done).then_some(())).await;
        worker.signal("KILL");
        assert!(!worker.ended().await.success());
    }
    let worker = Process::worker(&stack, &short);
    for id in &ids {
        assert_eq!(stack.finished(id).await["status"], "completed");
    }
    let totals = stack.store.totals().await.unwrap();
    assert_eq!((totals.completed, totals.failed), (12.0, 0.0));
    let stats = stack.store.jobs().stats(Some("evaluate")).await.unwrap().remove(0);
    assert_eq!(stats.completed_total, 12);
    drop(worker);
    stack.stop().await;
}

#[test]
fn wrong_settings_are_all_told_and_the_status_is_2() {
    let output = run(&["serve"], &[("PORT", "x"), ("MAX_UPLOAD_MB", "-1"), ("API_KEYS", "nocolon")], b"");
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    for name in ["PORT: ", "MAX_UPLOAD_MB: ", "API_KEYS: "] {
        assert!(told.contains(name), "{told}");
    }
    assert!(output.stdout.is_empty());
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_and_the_status_is_1() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let directory = tempfile::tempdir().unwrap();
    let url = super::support::database(&directory).await;
    let output = run(&["serve"], &[("PORT", &port), ("DATABASE_URL", &url)], b"");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stderr).unwrap().contains(&format!("cannot listen on 127.0.0.1:{port}"))
    );
}

#[test]
fn a_hashed_password_can_be_configured() {
    let output = run(&["hash-password"], &[], b"correct horse\n");
    let hash = String::from_utf8(output.stdout).unwrap();
    assert!(cv_evaluator::admin::PasswordHash::parse(hash.trim()).unwrap().verify(b"correct horse"));
    assert_eq!(run(&["hash-password"], &[], b"\n").status.code(), Some(2));
}

#[test]
fn the_document_is_printed_as_it_is_served() {
    let output = run(&["openapi"], &[], b"");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["openapi"], json!("3.1.0"));
}
