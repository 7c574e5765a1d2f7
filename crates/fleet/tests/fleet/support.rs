//! What the integration tests share: the fixture program, a fleet made for tests, bounded waiting.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use plimsoll_fleet::{Fleet, FleetConfig, Health, Instance, InstanceId, ServiceSpec, State};
use tempfile::TempDir;
use tokio::time::{Instant, timeout};

/// Longest time any condition may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The fixture program, built by `cargo test` as an example.
pub(crate) fn fixture() -> PathBuf {
    let own = std::env::current_exe().expect("own path");
    let target = own.parent().and_then(Path::parent).expect("deps has a parent");
    let fixture = target.join("examples/fixture");
    assert!(
        fixture.exists(),
        "{} is missing: cargo build -p plimsoll-fleet --example fixture",
        fixture.display()
    );
    fixture
}

/// A directory for one test, and a fleet configuration in it with short times.
pub(crate) fn config(directory: &TempDir) -> FleetConfig {
    let own = fixture();
    let mut config = FleetConfig::new(
        "test-stack",
        directory.path().join("state"),
        vec![own.clone().into(), "__guard".into()],
        vec![own.into(), "__exec".into()],
    );
    config.timings.starting_period = Duration::from_millis(20);
    config.timings.readiness_period = Duration::from_millis(50);
    config.timings.liveness_period = Duration::from_millis(50);
    config.timings.grace = Duration::from_millis(100);
    config.timings.usage_period = Duration::from_millis(250);
    config.timings.backoff_base = Duration::from_millis(50);
    config.timings.backoff_max = Duration::from_millis(400);
    config
}

/// A service that runs the fixture with one habit.
pub(crate) fn service(name: &str, habit: &str, directory: &TempDir) -> ServiceSpec {
    ServiceSpec {
        name: name.to_owned(),
        command: vec![fixture().display().to_string(), habit.to_owned()],
        directory: None,
        env: BTreeMap::from([("FIXTURE_DIR".to_owned(), directory.path().display().to_string())]),
        health: None,
        start_timeout: Duration::from_secs(30),
        drain: Duration::from_secs(20),
        memory_limit_bytes: None,
    }
}

/// The paths the fixture answers on.
pub(crate) fn health() -> Option<Health> {
    Some(Health { liveness: "/healthz".to_owned(), readiness: "/readyz".to_owned() })
}

/// Launches one instance of a service.
pub(crate) fn launch(fleet: &Fleet, spec: ServiceSpec) -> InstanceId {
    fleet.launch(&Arc::new(spec))
}

/// Waits until the instance fulfils a condition and returns it as it was then.
pub(crate) async fn until(
    fleet: &Fleet,
    id: &InstanceId,
    what: &str,
    condition: impl Fn(&Instance) -> bool,
) -> Instance {
    let mut changes = fleet.changes();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = fleet.instance(id).expect("the instance exists");
        if condition(&now) {
            return now;
        }
        assert!(Instant::now() < deadline, "never {what}: {now:?}\n{:#?}", fleet.log_tail(id, 50));
        // Measurements and log lines are not changes of state, so look from time to time as well.
        let _ = timeout(Duration::from_millis(50), changes.changed()).await;
    }
}

/// Waits until the instance is ready.
pub(crate) async fn until_ready(fleet: &Fleet, id: &InstanceId) -> Instance {
    until(fleet, id, "ready", |instance| instance.state == State::Ready).await
}

/// Waits for a condition that nobody announces.
pub(crate) async fn poll(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "never {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Is the process there and not a zombie?
pub(crate) fn alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z') && !rest.starts_with('X'))
}

/// A pid that the fixture wrote into a file.
pub(crate) fn pid_in(file: &Path) -> Option<u32> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}
