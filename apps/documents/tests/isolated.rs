//! Extraction in a child process. This binary is parent and child: with an argument it plays the child that the
//! argument names, without one it runs the tests.

mod common;

use std::ffi::OsString;
use std::io::{Read, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use app_documents::{ExtractError, Extracted, Kind, Limits, extract_isolated, run_isolated_child};
use common::docx;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("extract-child") => return run_isolated_child(),
        Some("crash-child") => std::process::abort(),
        Some("silent-child") => return ExitCode::FAILURE,
        Some("nosy-child") if std::env::vars_os().next().is_some() => std::process::abort(),
        Some("nosy-child") => return ExitCode::FAILURE,
        Some("stuck-child") => stay(),
        Some("chatty-child") => return chatter(),
        // Anything else is a filter or a flag for a test harness, which this is not.
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    runtime.block_on(async {
        documents_are_read_and_refused_as_in_process().await;
        a_child_that_runs_out_of_memory_is_a_bomb().await;
        a_child_that_crashes_is_a_corrupt_document().await;
        a_child_that_ends_without_an_answer_is_not_the_documents_fault().await;
        a_stuck_child_is_killed_when_its_time_is_over().await;
        a_child_that_never_stops_talking_is_cut_off().await;
        a_child_gets_no_environment().await;
    });
    ExitCode::SUCCESS
}

fn stay() -> ! {
    loop {
        std::thread::park();
    }
}

fn chatter() -> ExitCode {
    let mut out = std::io::stdout().lock();
    while out.write_all(&[b'x'; 4096]).is_ok() {}
    ExitCode::FAILURE
}

async fn run(role: &str, kind: Kind, bytes: &[u8], limits: &Limits) -> Result<Extracted, ExtractError> {
    let program = std::env::current_exe().expect("own path");
    let command: [OsString; 2] = [program.into(), role.into()];
    extract_isolated(&command, kind, bytes, limits).await
}

fn sample(name: &str) -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../cv-evaluator/samples/").to_owned() + name;
    let mut bytes = Vec::new();
    std::fs::File::open(&path).and_then(|mut file| file.read_to_end(&mut bytes)).expect("sample");
    bytes
}

async fn documents_are_read_and_refused_as_in_process() {
    let limits = Limits::default();
    for (kind, name) in [
        (Kind::Pdf, "sample-cv.pdf"),
        (Kind::Docx, "sample-cv.docx"),
        (Kind::Txt, "sample-cv.txt"),
        (Kind::Pdf, "broken/encrypted.pdf"),
        (Kind::Pdf, "broken/scanned.pdf"),
        (Kind::Docx, "broken/corrupt.docx"),
        (Kind::Docx, "broken/empty.docx"),
    ] {
        let bytes = sample(name);
        let apart = run("extract-child", kind, &bytes, &limits).await;
        assert_eq!(apart, app_documents::extract(kind, &bytes, &limits), "{name}");
    }
}

async fn a_child_that_runs_out_of_memory_is_a_bomb() {
    let limits = Limits { memory_bytes: 24 << 20, max_text_bytes: 64 << 20, ..Limits::default() };
    let document = docx(&"<w:p><w:r><w:t>word</w:t></w:r></w:p>".repeat(1_000_000));
    let error = run("extract-child", Kind::Docx, &document, &limits).await.expect_err("no memory");
    assert_eq!(error.code(), "DOCUMENT_BOMB", "{error}");
}

async fn a_child_that_crashes_is_a_corrupt_document() {
    let error = run("crash-child", Kind::Txt, b"text", &Limits::default()).await.expect_err("crash");
    assert_eq!(error.code(), "DOCUMENT_CORRUPT", "{error}");
}

async fn a_child_that_ends_without_an_answer_is_not_the_documents_fault() {
    let error = run("silent-child", Kind::Txt, b"text", &Limits::default()).await.expect_err("silence");
    assert!(matches!(error, ExtractError::Isolation { .. }) && error.is_transient(), "{error}");
    let missing: [OsString; 1] = ["/nonexistent/program".into()];
    let limits = Limits::default();
    let error = extract_isolated(&missing, Kind::Txt, b"text", &limits).await.expect_err("no such program");
    assert!(matches!(error, ExtractError::Isolation { .. }), "{error}");
}

async fn a_stuck_child_is_killed_when_its_time_is_over() {
    let limits = Limits { time: Duration::from_millis(50), ..Limits::default() };
    let started = Instant::now();
    // More than a pipe holds, so that the parent is stuck on writing too.
    let error = run("stuck-child", Kind::Txt, &[b'a'; 1 << 20], &limits).await.expect_err("stuck");
    assert_eq!(error, ExtractError::Timeout { limit_ms: 50 });
    assert!(started.elapsed() < Duration::from_secs(10));
}

async fn a_child_that_never_stops_talking_is_cut_off() {
    let limits = Limits { max_text_bytes: 1000, ..Limits::default() };
    let error = run("chatty-child", Kind::Txt, b"text", &limits).await.expect_err("noise");
    assert!(matches!(error, ExtractError::Isolation { .. } | ExtractError::Corrupt { .. }), "{error}");
}

async fn a_child_gets_no_environment() {
    assert!(std::env::vars_os().next().is_some(), "the parent has one");
    let error = run("nosy-child", Kind::Txt, b"text", &Limits::default()).await;
    assert!(matches!(error, Err(ExtractError::Isolation { .. })), "{error:?}");
}
