//! Nothing outlives plimsoll, however it ends.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::{alive, config, fixture, launch, pid_in, poll, service, until_ready};
use plimsoll_fleet::Fleet;
use tempfile::{TempDir, tempdir};

/// A fleet in a process of its own, with the pids of everything it started.
struct OtherFleet {
    process: Child,
    pids: Vec<u32>,
    guard: u32,
}

/// A test that fails must not leave a fleet behind either.
impl Drop for OtherFleet {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn other_fleet(directory: &TempDir) -> OtherFleet {
    let process = Command::new(fixture())
        .arg("fleet")
        .env("FIXTURE_DIR", directory.path())
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("started");
    let mut other = OtherFleet { process, pids: Vec::new(), guard: 0 };
    let ready = directory.path().join("fleet-ready");
    poll("a ready fleet", || ready.exists()).await;
    let text = std::fs::read_to_string(&ready).expect("read");
    other.pids = text.split(' ').map(|pid| pid.parse().expect("a pid")).collect();
    other.pids.extend(pid_in(&directory.path().join("grandchild")));
    assert_eq!(other.pids.len(), 3, "two leaders and an escaped grandchild");
    assert!(other.pids.iter().all(|pid| alive(*pid)));
    let guards = children(other.process.id()).into_iter().find(|pid| name(*pid) == "fleet-guard");
    other.guard = guards.expect("a guard");
    other
}

fn children(parent: u32) -> Vec<u32> {
    let all = std::fs::read_dir("/proc")
        .expect("/proc")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    all.filter(|pid: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status
            .lines()
            .any(|line| line.strip_prefix("PPid:").is_some_and(|rest| rest.trim() == parent.to_string()))
    })
    .collect()
}

fn name(pid: u32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("not zero");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
}

#[tokio::test]
async fn sigkill_of_plimsoll_leaves_nothing_behind() {
    let directory = tempdir().expect("a directory");
    let mut other = other_fleet(&directory).await;
    other.process.kill().expect("killed");
    other.process.wait().expect("ended");
    poll("all gone", || !other.pids.iter().any(|pid| alive(*pid)) && !alive(other.guard)).await;
}

#[tokio::test]
async fn sigkill_of_the_whole_process_group_of_plimsoll_spares_the_guard() {
    let directory = tempdir().expect("a directory");
    let mut other = other_fleet(&directory).await;
    // Stronger than Ctrl-C, which reaches the same processes.
    let group = rustix::process::Pid::from_child(&other.process);
    rustix::process::kill_process_group(group, rustix::process::Signal::KILL).expect("killed");
    other.process.wait().expect("ended");
    poll("all gone", || !other.pids.iter().any(|pid| alive(*pid))).await;
}

#[tokio::test]
async fn guard_that_was_killed_is_replaced_and_the_next_one_does_its_work() {
    let directory = tempdir().expect("a directory");
    let mut other = other_fleet(&directory).await;
    kill(other.guard);
    let parent = other.process.id();
    let replacement =
        || children(parent).into_iter().find(|pid| *pid != other.guard && name(*pid) == "fleet-guard");
    poll("another guard", || replacement().is_some()).await;
    assert!(other.pids.iter().all(|pid| alive(*pid)), "losing the guard costs no instance");
    // Its name is set just before it reads the first line: it knows the marker as soon as it can be asked.
    other.process.kill().expect("killed");
    other.process.wait().expect("ended");
    poll("all gone", || !other.pids.iter().any(|pid| alive(*pid))).await;
}

#[tokio::test]
async fn leftovers_of_a_plimsoll_that_died_with_its_guard_end_at_the_next_start() {
    let directory = tempdir().expect("a directory");
    let mut other = other_fleet(&directory).await;
    // As the out-of-memory killer or `killall -9` might: no time to replace the guard.
    kill(other.process.id());
    kill(other.guard);
    other.process.wait().expect("ended");
    let next = Fleet::start(config(&directory)).await.expect("the next fleet");
    assert!(!other.pids.iter().any(|pid| alive(*pid)));
    next.shutdown().await;
}

#[tokio::test]
async fn shutdown_of_one_fleet_does_not_touch_another() {
    let (first, second) = (tempdir().expect("a directory"), tempdir().expect("a directory"));
    let fleet = Fleet::start(config(&first)).await.expect("a fleet");
    let other = Fleet::start(config(&second)).await.expect("another fleet");
    let id = launch(&fleet, service("api", "idle", &first));
    let same_name = launch(&other, service("api", "idle", &second));
    until_ready(&fleet, &id).await;
    let stays = until_ready(&other, &same_name).await.pid.expect("a pid");
    tokio::time::timeout(Duration::from_secs(60), fleet.shutdown()).await.expect("shut down");
    assert!(alive(stays));
    other.shutdown().await;
    assert!(!alive(stays));
}
