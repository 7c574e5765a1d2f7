//! Memory limits, measurements and logs, with real processes.

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::{config, launch, poll, service, until, until_ready};
use plimsoll_fleet::{Fleet, MemoryEnforcement, State, Stream};
use tempfile::tempdir;

#[tokio::test]
async fn memory_hog_does_not_get_past_its_limit() {
    let directory = tempdir().expect("a directory");
    let fleet = Fleet::start(config(&directory)).await.expect("a fleet");
    let mut spec = service("hog", "hog", &directory);
    spec.memory_limit_bytes = Some(96 << 20);
    let id = launch(&fleet, spec);
    let ended =
        until(&fleet, &id, "ended", |instance| matches!(instance.state, State::CrashLoop { .. })).await;
    let why = ended.last_exit.expect("an exit");
    match ended.memory_enforcement {
        MemoryEnforcement::Rlimit => {
            assert_eq!(why, "killed by signal 6 (aborted under a memory limit of 96 MiB)");
        }
        MemoryEnforcement::Cgroup => assert_eq!(why, "killed by signal 9 (out of memory limit, 96 MiB)"),
        MemoryEnforcement::None => panic!("no limit is in force: {why}"),
    }
    let reached: Vec<u64> =
        ended.last_log.iter().filter_map(|line| line.strip_suffix(" MiB")?.parse().ok()).collect();
    let most = reached.iter().max().copied().expect("it got somewhere");
    assert!((32..=96).contains(&most), "reached {most} MiB");
    fleet.shutdown().await;
}

#[tokio::test]
async fn children_together_do_not_get_past_the_limit_either() {
    let directory = tempdir().expect("a directory");
    let fleet = Fleet::start(config(&directory)).await.expect("a fleet");
    let mut spec = service("hogs", "hog-family", &directory);
    spec.memory_limit_bytes = Some(64 << 20);
    let id = launch(&fleet, spec);
    let ended =
        until(&fleet, &id, "ended", |instance| matches!(instance.state, State::CrashLoop { .. })).await;
    assert_eq!(ended.last_exit.as_deref(), Some("killed by signal 9 (out of memory limit, 64 MiB)"));
    fleet.shutdown().await;
}

#[tokio::test]
async fn cpu_and_memory_of_a_child_count() {
    let directory = tempdir().expect("a directory");
    let fleet = Fleet::start(config(&directory)).await.expect("a fleet");
    let busy = launch(&fleet, service("busy", "spin-child", &directory));
    let idle = launch(&fleet, service("idle", "idle", &directory));
    // How much of a core it gets depends on the machine; that it is its child's and not nothing does not.
    let measured =
        until(&fleet, &busy, "measured", |one| one.cpu_milli.is_some_and(|milli| milli >= 100)).await;
    assert!(measured.memory_bytes.is_some_and(|bytes| (100_000..1_000_000_000).contains(&bytes)));
    let quiet = until(&fleet, &idle, "measured", |one| one.cpu_milli.is_some()).await;
    assert!(quiet.cpu_milli < measured.cpu_milli);
    assert_eq!(quiet.memory_enforcement, MemoryEnforcement::None);
    fleet.shutdown().await;
}

#[tokio::test]
async fn logs_are_bounded_and_reach_the_sink_with_the_name() {
    let directory = tempdir().expect("a directory");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let mut config = config(&directory);
    config.logs.line_bytes = 1000;
    config.logs.ring_lines = 10;
    config.logs.file_bytes = 5000;
    config.log_sink = Some(Arc::new(move |line| {
        assert_eq!(line.stream, Stream::Stdout);
        sink.lock().expect("no panic").push(format!("{} | {}", line.instance, line.text));
    }));
    let fleet = Fleet::start(config).await.expect("a fleet");
    let id = launch(&fleet, service("loud", "spam", &directory));
    until_ready(&fleet, &id).await;
    poll("the last line", || fleet.log_tail(&id, 1) == ["the end"]).await;

    let tail = fleet.log_tail(&id, 1000);
    assert_eq!(tail.len(), 10);
    assert_eq!(tail[0], "line 01992");
    assert_eq!(tail[8], format!("{} … (99000 bytes more)", "x".repeat(1000)));
    let lines = seen.lock().expect("no panic").clone();
    assert_eq!(lines.len(), 2002, "the sink misses nothing");
    assert_eq!(lines[0], "loud-1 | line 00000");
    let logs = directory.path().join("state/logs");
    for name in ["loud-1.log", "loud-1.log.1"] {
        let size = fs::metadata(logs.join(name)).expect("a log file").len();
        // One piece that was read at once may be larger than the bound; it begins a file of its own.
        assert!(size <= 16 << 10, "{name} has {size} bytes");
    }
    fleet.shutdown().await;
}

#[tokio::test]
async fn lines_of_a_dying_process_are_not_lost() {
    let directory = tempdir().expect("a directory");
    let mut config = config(&directory);
    config.timings.backoff_base = Duration::from_secs(3600);
    config.timings.backoff_max = Duration::from_secs(3600);
    let fleet = Fleet::start(config).await.expect("a fleet");
    for number in 1..=10 {
        let id = launch(&fleet, service("crash", "crash", &directory));
        let ended = until(&fleet, &id, "ended", |one| matches!(one.state, State::CrashLoop { .. })).await;
        assert_eq!(ended.last_log.len(), 2, "instance {number}");
    }
    fleet.shutdown().await;
}
