//! How long it takes from a change of a signal to the call that asks for another number of instances, seen from outside: a
//! stack with a hundred services that scale from zero, and as many changes, one for each, at random moments.
//!
//! Two signals of plimsoll's own: a job is committed (to SQLite, to Postgres), a request comes to the edge. Each is measured
//! with nothing else going on, and while something else of the kind happens two hundred times a second, so that every
//! change has to wait for the next look.
//!
//! `cargo bench -p plimsoll-control --bench signal`; `bench/control/run` keeps the result.
#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]

#[path = "../../examples/instance_host/serve.rs"]
mod serve;
mod stack;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use plimsoll_control::Handle;
use plimsoll_jobs::{Jobs, NewJob};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use stack::{CHANGES, Live, up};

/// Between two changes there is a random pause up to this, longer than the loop's own rhythm.
const LONGEST_PAUSE: Duration = Duration::from_millis(400);
/// Of the other things that happen meanwhile.
const NOISE_EVERY: Duration = Duration::from_millis(5);
/// Longer than this is broken.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    // The fleet's helper programs are this program.
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next().as_deref().and_then(|word| word.to_str()) {
        Some("__guard") => {
            return plimsoll_fleet::run_guard(std::io::stdin().lock(), std::io::stdout().lock());
        }
        Some("__exec") => return plimsoll_fleet::run_exec(arguments),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    if std::env::args().nth(1).as_deref() == Some("serve") {
        runtime.block_on(serve::run());
    } else {
        runtime.block_on(measure());
    }
    ExitCode::SUCCESS
}

async fn measure() {
    println!(
        "{:<34} {:>8} {:>8} {:>8} {:>8}   of {CHANGES} changes, in ms",
        "signal", "p50", "p90", "p99", "slowest"
    );
    for noisy in [false, true] {
        let live = up(None).await;
        report("job committed, SQLite", noisy, jobs(&live, noisy).await);
        live.handle.shutdown().await;
    }
    match plimsoll_test_postgres::server(true) {
        Some(server) => {
            for noisy in [false, true] {
                let live = up(Some(server.database().await)).await;
                report("job committed, Postgres", noisy, jobs(&live, noisy).await);
                live.handle.shutdown().await;
            }
        }
        None => println!("Postgres is left out, as PLIMSOLL_SKIP_POSTGRES asks"),
    }
    for noisy in [false, true] {
        let live = up(None).await;
        report("request at the edge", noisy, requests(&live, noisy).await);
        live.handle.shutdown().await;
    }
}

fn report(signal: &str, noisy: bool, mut delays: Vec<Duration>) {
    delays.sort_unstable();
    let at = |share: f64| delays[((delays.len() - 1) as f64 * share).round() as usize].as_secs_f64() * 1e3;
    let name = format!("{signal}{}", if noisy { ", 200 others/s" } else { "" });
    println!("{name:<34} {:>8.1} {:>8.1} {:>8.1} {:>8.1}", at(0.5), at(0.9), at(0.99), at(1.0));
}

/// From the end of the commit to the call, for one job in each queue.
async fn jobs(live: &Live, noisy: bool) -> Vec<Duration> {
    let noise = live.jobs.clone();
    let noise = noisy.then(|| {
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(NOISE_EVERY);
            loop {
                ticks.tick().await;
                commit(&noise, "noise").await;
            }
        })
    });
    let mut delays = Vec::with_capacity(CHANGES);
    for index in 0..CHANGES {
        pause().await;
        commit(&live.jobs, &format!("queue-{index}")).await;
        delays.push(asked_for(&live.handle, &format!("worker-of-{index}"), Instant::now()).await);
    }
    noise.inspect(tokio::task::JoinHandle::abort);
    delays
}

async fn commit(jobs: &Jobs, queue: &str) {
    let mut transaction = jobs.begin().await.expect("a transaction");
    jobs.enqueue(&mut transaction, NewJob::new(queue, serde_json::json!({}))).await.expect("a job");
    transaction.commit().await.expect("a commit");
}

/// From the request to the call, for one request to each service.
async fn requests(live: &Live, noisy: bool) -> Vec<Duration> {
    let edge = live.edge.expect("an edge");
    let mut changes = live.handle.changes();
    while !live.handle.view().services.iter().any(|one| one.name == "busy" && one.ready == 1) {
        changes.changed().await.expect("the controller runs");
    }
    let noise = noisy.then(|| {
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(NOISE_EVERY);
            let mut stream = TcpStream::connect(edge).await.expect("the edge accepts");
            loop {
                ticks.tick().await;
                send(&mut stream, "/busy").await;
                let mut answer = [0; 1024];
                assert!(stream.read(&mut answer).await.expect("an answer") > 0);
            }
        })
    });
    let mut delays = Vec::with_capacity(CHANGES);
    for index in 0..CHANGES {
        pause().await;
        let mut stream = TcpStream::connect(edge).await.expect("the edge accepts");
        let begun = Instant::now();
        send(&mut stream, &format!("/chat-{index}")).await;
        delays.push(asked_for(&live.handle, &format!("chat-{index}"), begun).await);
    }
    noise.inspect(tokio::task::JoinHandle::abort);
    delays
}

async fn send(stream: &mut TcpStream, path: &str) {
    let head = format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("sent");
}

/// Waits until the fleet was asked for the first instance; the time since `begun`.
async fn asked_for(handle: &Handle, service: &str, begun: Instant) -> Duration {
    let mut changes = handle.changes();
    let asked = || handle.view().services.iter().any(|one| one.name == service && one.desired == 1);
    let wait = async {
        while !asked() {
            changes.changed().await.expect("the controller runs");
        }
        begun.elapsed()
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the change is answered")
}

async fn pause() {
    tokio::time::sleep(LONGEST_PAUSE.mul_f64(rand::random())).await;
}
