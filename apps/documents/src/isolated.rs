//! Extraction in a child process, so that no document can take its worker down.
//!
//! The parent starts `command` (normally this same program with a hidden subcommand), writes one line of JSON (what
//! to do and the limits) and the document to its standard input, and reads one JSON answer from its standard
//! output. The child lowers its own limits before it looks at the document: memory (`RLIMIT_DATA`), CPU seconds,
//! no new files, no core dump. It gets no environment, so no secret of the worker is in reach of a parser bug.

use std::ffi::OsString;
use std::io::{BufRead, Read, Write};
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use crate::{ExtractError, Extracted, Kind, Limits, extract};

/// First line of the child's standard input.
#[derive(Serialize, Deserialize)]
struct Request {
    kind: Kind,
    limits: Limits,
    input_bytes: usize,
}

/// What the child says on its standard output.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Text(Extracted),
    Refused(ExtractError),
}

/// Longest request line the child reads.
const MAX_REQUEST_BYTES: u64 = 4096;
/// Most of the child's standard error that is kept, to tell a lack of memory from another crash.
const MAX_STDERR_BYTES: u64 = 4096;
/// How long after [`Limits::time`] the parent kills a child that has not ended by itself.
const GRACE: Duration = Duration::from_secs(2);
/// JSON can write one byte of text as six (`\u001f`); the cleaned text holds nearly none of those.
const ANSWER_BYTES_PER_TEXT_BYTE: u64 = 2;

// === the parent's side ===

/// Extracts like [`extract`], in a child process started as `command` (program, then arguments), which must end up
/// in [`run_isolated_child`].
///
/// The child is killed when it overruns its time and when the returned future is dropped. A child that runs out of
/// memory is reported as [`ExtractError::Bomb`], one that dies any other way as [`ExtractError::Corrupt`].
///
/// # Errors
/// Those of [`extract`], and [`ExtractError::Isolation`] when the child cannot be started or spoken to.
pub async fn extract_isolated(
    command: &[OsString],
    kind: Kind,
    bytes: &[u8],
    limits: &Limits,
) -> Result<Extracted, ExtractError> {
    if bytes.len() > limits.max_input_bytes {
        return Err(ExtractError::TooLarge { what: "file".into(), limit: limits.max_input_bytes as u64 });
    }
    let mut child = spawn(command)?;
    let conversation = converse(&mut child, kind, bytes, limits);
    match tokio::time::timeout(limits.time + GRACE, conversation).await {
        Ok(answer) => answer,
        // `kill_on_drop` ends the child; tokio reaps it in the background.
        Err(_elapsed) => Err(ExtractError::timeout(limits.time)),
    }
}

fn spawn(command: &[OsString]) -> Result<Child, ExtractError> {
    let (program, arguments) =
        command.split_first().ok_or_else(|| ExtractError::isolation("no command was given"))?;
    Command::new(program)
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| ExtractError::isolation(format!("could not start the child: {error}")))
}

async fn converse(
    child: &mut Child,
    kind: Kind,
    bytes: &[u8],
    limits: &Limits,
) -> Result<Extracted, ExtractError> {
    let lost = || ExtractError::isolation("the child has no pipes");
    let mut stdin = child.stdin.take().ok_or_else(lost)?;
    let stdout = child.stdout.take().ok_or_else(lost)?;
    let stderr = child.stderr.take().ok_or_else(lost)?;

    let mut request = serde_json::to_vec(&Request { kind, limits: limits.clone(), input_bytes: bytes.len() })
        .map_err(|error| ExtractError::isolation(error.to_string()))?;
    request.push(b'\n');
    let send = async {
        // A child that refuses early stops reading; what it said on standard output tells why.
        let _ = stdin.write_all(&request).await;
        let _ = stdin.write_all(bytes).await;
        drop(stdin);
    };
    let max_answer_bytes = (limits.max_text_bytes as u64).saturating_mul(ANSWER_BYTES_PER_TEXT_BYTE) + 65_536;
    // Each pipe is closed as soon as its share is read: a child with more to say ends on a broken pipe, instead of
    // blocking on a full one for ever.
    let ((), answer, complaint) =
        tokio::join!(send, read_bounded(stdout, max_answer_bytes), read_bounded(stderr, MAX_STDERR_BYTES));
    let answer =
        answer.map_err(|error| ExtractError::isolation(format!("could not read from the child: {error}")))?;
    let complaint = complaint.unwrap_or_default();
    let status =
        child.wait().await.map_err(|error| ExtractError::isolation(format!("lost the child: {error}")))?;
    if status.success()
        && let Ok(answer) = serde_json::from_slice::<Answer>(&answer)
    {
        return match answer {
            Answer::Text(extracted) => Ok(extracted),
            Answer::Refused(error) => Err(error),
        };
    }
    Err(explain_death(status, &complaint, limits))
}

async fn read_bounded(pipe: impl AsyncRead + Unpin, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    pipe.take(limit).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

/// What a child that ended without an answer died of.
fn explain_death(status: ExitStatus, complaint: &[u8], limits: &Limits) -> ExtractError {
    use std::os::unix::process::ExitStatusExt;
    let complaint = String::from_utf8_lossy(complaint);
    // Printed by the standard library just before it aborts.
    if complaint.contains("memory allocation of") {
        return ExtractError::bomb(format!(
            "reading it takes more than {} bytes of memory",
            limits.memory_bytes
        ));
    }
    match status.signal() {
        Some(signal) if signal == rustix::process::Signal::XCPU.as_raw() => {
            ExtractError::timeout(limits.time)
        }
        // Sent by the kernel when the machine or the instance's control group has no memory left.
        Some(signal) if signal == rustix::process::Signal::KILL.as_raw() => {
            ExtractError::bomb("the process reading it was killed, as happens when memory runs out")
        }
        Some(signal) => ExtractError::corrupt(format!("the parser crashed on it (signal {signal})")),
        None if status.code() == Some(PANICKED) => ExtractError::corrupt("the parser gave up on it"),
        None => ExtractError::isolation(format!("the child ended without an answer ({status})")),
    }
}

// === the child's side ===

/// Exit status of a program whose main thread panicked (set by the standard library).
const PANICKED: i32 = 101;

/// What the hidden subcommand runs: lowers this process's limits, reads the request and the document from standard
/// input, writes the answer to standard output. Call it first thing in `main`, before threads or a runtime start.
pub fn run_isolated_child() -> ExitCode {
    match serve_one(&mut std::io::stdin().lock(), &mut std::io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve_one(input: &mut impl BufRead, output: &mut impl Write) -> std::io::Result<()> {
    let mut line = Vec::new();
    input.take(MAX_REQUEST_BYTES).read_until(b'\n', &mut line)?;
    let request: Request = serde_json::from_slice(&line)?;
    confine(&request.limits)?;

    let mut bytes = Vec::new();
    input.take(request.limits.max_input_bytes as u64 + 1).read_to_end(&mut bytes)?;
    let answer = if bytes.len() == request.input_bytes {
        // A panic is a bug in a parser; here it is only this document's misfortune.
        let work = || extract(request.kind, &bytes, &request.limits);
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)) {
            Ok(Ok(extracted)) => Answer::Text(extracted),
            Ok(Err(error)) => Answer::Refused(error),
            Err(_panic) => Answer::Refused(ExtractError::corrupt("the parser gave up on it")),
        }
    } else {
        Answer::Refused(ExtractError::isolation("the document did not arrive whole"))
    };
    serde_json::to_writer(&mut *output, &answer)?;
    output.flush()
}

/// Takes from this process what reading a document does not need.
fn confine(limits: &Limits) -> std::io::Result<()> {
    let cap = |resource, amount: u64| -> std::io::Result<()> {
        // A hard limit below ours (set by whoever started the worker) stays in force.
        let hard = rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX);
        let amount = Some(amount.min(hard));
        Ok(setrlimit(resource, Rlimit { current: amount, maximum: amount })?)
    };
    cap(Resource::Data, limits.memory_bytes)?;
    cap(Resource::Cpu, limits.time.as_secs().saturating_add(1))?;
    cap(Resource::Fsize, 0)?;
    cap(Resource::Core, 0)
}
