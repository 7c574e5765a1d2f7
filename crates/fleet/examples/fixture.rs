//! A program with every bad habit an instance can have; the integration tests run it. The first argument is
//! the habit.

#![expect(clippy::disallowed_methods, clippy::zombie_processes, reason = "a fixture is meant to misbehave")]

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use plimsoll_fleet::{Fleet, FleetConfig, Health, ServiceSpec};
use rustix::process::setsid;

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let habit = arguments.next().and_then(|habit| habit.into_string().ok()).unwrap_or_default();
    match habit.as_str() {
        "__guard" => plimsoll_fleet::run_guard(io::stdin().lock(), io::stdout().lock()),
        "__exec" => plimsoll_fleet::run_exec(arguments),
        "serve" => serve(None, Duration::ZERO),
        "serve-late" => serve(None, Duration::from_millis(300)),
        // Says it is alive `argument` times.
        "serve-then-fail" => {
            serve(arguments.next().and_then(|count| count.to_str()?.parse().ok()), Duration::ZERO)
        }
        "crash" => crash(),
        "recycle" => recycle(),
        "idle" => idle(),
        "environment" => environment(),
        "family" => family(),
        "parent" => parent(),
        "grandchild" => grandchild(),
        "hog" => hog(),
        "hog-family" => hog_family(),
        "hog-some" => hog_some(),
        "spin-child" => spin_child(),
        "spin" => spin(),
        "spam" => spam(),
        "fleet" => fleet(),
        _ => ExitCode::from(2),
    }
}

fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

fn idle() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

/// The path of a file that the test watches, in the directory `FIXTURE_DIR`.
fn note(name: &str) -> std::path::PathBuf {
    std::path::Path::new(&env::var_os("FIXTURE_DIR").expect("FIXTURE_DIR")).join(name)
}

/// `/readyz` says no while the file `unready` is there; `/healthz` answers `alive` times, then hangs up.
fn serve(mut alive: Option<u32>, delay: Duration) -> ExitCode {
    std::thread::sleep(delay);
    let port: u16 = env::var("PORT").expect("PORT").parse().expect("a port");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("the port is free");
    say("listening");
    for stream in listener.incoming() {
        let mut stream = stream.expect("a connection");
        let mut lines = BufReader::new(&stream).lines();
        let request = lines.next().and_then(Result::ok).unwrap_or_default();
        for line in lines.by_ref() {
            if line.unwrap_or_default().is_empty() {
                break;
            }
        }
        let status = match request.split(' ').nth(1) {
            Some("/readyz") if note("unready").exists() => "503 Service Unavailable",
            Some("/readyz") => "200 OK",
            Some("/healthz") => match alive.as_mut() {
                Some(0) => continue,
                Some(count) => {
                    *count -= 1;
                    "200 OK"
                }
                None => "200 OK",
            },
            _ => "404 Not Found",
        };
        let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    }
    ExitCode::SUCCESS
}

fn crash() -> ExitCode {
    say("about to fail");
    let _ = writeln!(io::stderr(), "no database at localhost:5432");
    ExitCode::from(3)
}

/// A worker that has done as many jobs as it was told to.
fn recycle() -> ExitCode {
    std::thread::sleep(Duration::from_millis(1500));
    ExitCode::SUCCESS
}

fn environment() -> ExitCode {
    for name in
        ["PORT", "HOST", "PLIMSOLL_INSTANCE", "PLIMSOLL_SERVICE", "PLIMSOLL_STACK", "PLIMSOLL_DRAIN_S"]
    {
        say(&format!("{name}={}", env::var(name).unwrap_or_default()));
    }
    for name in ["PLIMSOLL_GATEWAY_PEER", "PLIMSOLL_ADMIN", "OWN"] {
        say(&format!("{name}={}", env::var(name).unwrap_or_default()));
    }
    say(&format!("cwd={}", env::current_dir().expect("a directory").display()));
    say(&format!("stdin={}", io::stdin().lines().count()));
    idle()
}

fn myself(habit: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("own path"));
    command.arg(habit);
    command
}

/// Ignores SIGTERM and has a grandchild that left its group, its session and its parent: a daemon, by which
/// only its environment tells whose it is.
fn family() -> ExitCode {
    // A process that blocks in `wait` for a shell that traps the signal would do as well; ignoring is done
    // by tokio's handler, which needs no unsafe code.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut term =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).expect("a handler");
        myself("parent").status().expect("a child");
        loop {
            term.recv().await;
            say("SIGTERM ignored");
        }
    })
}

/// Leaves its child alone: who looks for descendants does not find that one.
fn parent() -> ExitCode {
    myself("grandchild").spawn().expect("a child");
    ExitCode::SUCCESS
}

fn grandchild() -> ExitCode {
    setsid().expect("a session of its own");
    std::fs::write(note("grandchild"), std::process::id().to_string()).expect("written");
    idle()
}

/// Asks for memory and writes on it until it is refused or the process is killed.
fn hog() -> ExitCode {
    let mut kept = Vec::new();
    for round in 1u32.. {
        kept.push(vec![1u8; 4 << 20]);
        if round % 8 == 0 {
            say(&format!("{} MiB", kept.len() * 4));
        }
        if round > 2000 {
            break;
        }
    }
    ExitCode::SUCCESS
}

/// Four children, each with 24 MiB, within the limit of one process and over it together.
fn hog_family() -> ExitCode {
    for _ in 0..4 {
        myself("hog-some").spawn().expect("a child");
    }
    idle()
}

fn hog_some() -> ! {
    let kept = std::hint::black_box(vec![1u8; 24 << 20]);
    say(&format!("holding {} bytes", kept.len()));
    idle()
}

fn spin_child() -> ExitCode {
    myself("spin").spawn().expect("a child");
    idle()
}

fn spin() -> ! {
    let mut number = 1u64;
    loop {
        number = std::hint::black_box(number.wrapping_mul(6364136223846793005).wrapping_add(1));
    }
}

fn spam() -> ExitCode {
    let long = "x".repeat(100_000);
    for number in 0..2000 {
        say(&format!("line {number:05}"));
    }
    say(&long);
    say("the end");
    idle()
}

/// Runs a fleet of two families and one server until it is killed.
fn fleet() -> ExitCode {
    let own = env::current_exe().expect("own path");
    let directory = env::var("FIXTURE_DIR").expect("FIXTURE_DIR");
    let config = FleetConfig::new(
        "killed",
        std::path::Path::new(&directory).join("state"),
        vec![own.clone().into(), "__guard".into()],
        vec![own.clone().into(), "__exec".into()],
    );
    let spec = |name: &str, habit: &str, health: bool| {
        Arc::new(ServiceSpec {
            name: name.to_owned(),
            command: vec![own.display().to_string(), habit.to_owned()],
            directory: None,
            env: [("FIXTURE_DIR".to_owned(), directory.clone())].into(),
            health: health
                .then(|| Health { liveness: "/healthz".to_owned(), readiness: "/readyz".to_owned() }),
            start_timeout: Duration::from_secs(30),
            drain: Duration::from_secs(30),
            memory_limit_bytes: None,
        })
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let fleet = Fleet::start(config).await.expect("a fleet");
        fleet.launch(&spec("family", "family", false));
        fleet.launch(&spec("api", "serve", true));
        let mut changes = fleet.changes();
        let limit = Instant::now() + Duration::from_secs(30);
        while Instant::now() < limit {
            let instances = fleet.instances();
            let ready = instances.iter().filter(|instance| instance.state.name() == "Ready").count();
            if ready == 2 && note("grandchild").exists() {
                let pids: Vec<String> =
                    instances.iter().filter_map(|instance| instance.pid).map(|pid| pid.to_string()).collect();
                std::fs::write(note("fleet-ready.new"), pids.join(" ")).expect("written");
                std::fs::rename(note("fleet-ready.new"), note("fleet-ready")).expect("renamed");
                break;
            }
            let _ = tokio::time::timeout(Duration::from_millis(50), changes.changed()).await;
        }
        std::future::pending::<()>().await;
    });
    ExitCode::SUCCESS
}
