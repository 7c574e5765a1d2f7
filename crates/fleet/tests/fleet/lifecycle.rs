//! Starting, readiness, failing and stopping, with real processes.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use crate::support::{alive, config, fixture, health, launch, pid_in, poll, service, until, until_ready};
use plimsoll_fleet::{Fleet, FleetError, State};
use tempfile::tempdir;

#[tokio::test]
async fn instance_becomes_ready_and_gets_its_settings() {
    let directory = tempdir().expect("a directory");
    let mut config = config(&directory);
    config.base_env.insert("PLIMSOLL_ADMIN".to_owned(), "http://127.0.0.1:8081".to_owned());
    config.base_env.insert("OWN".to_owned(), "weaker".to_owned());
    let fleet = Fleet::start(config).await.expect("a fleet");
    let mut spec = service("worker", "environment", &directory);
    spec.env.insert("OWN".to_owned(), "stronger".to_owned());
    spec.directory = Some(directory.path().to_owned());
    let id = launch(&fleet, spec);
    assert_eq!(id.to_string(), "worker-1");
    let ready = until_ready(&fleet, &id).await;
    assert!(ready.startup.is_some_and(|startup| startup >= Duration::from_millis(100)));
    assert_eq!(fleet.startup("worker"), ready.startup);
    poll("all lines", || fleet.log_tail(&id, 20).len() == 11).await;
    let cwd = directory.path().canonicalize().expect("a real path");
    assert_eq!(
        fleet.log_tail(&id, 20),
        [
            format!("PORT={}", ready.address.port()),
            "HOST=127.0.0.1".to_owned(),
            "PLIMSOLL_INSTANCE=worker-1".to_owned(),
            "PLIMSOLL_SERVICE=worker".to_owned(),
            "PLIMSOLL_STACK=test-stack".to_owned(),
            "PLIMSOLL_DRAIN_S=20".to_owned(),
            "PLIMSOLL_GATEWAY_PEER=127.0.0.1".to_owned(),
            "PLIMSOLL_ADMIN=http://127.0.0.1:8081".to_owned(),
            "OWN=stronger".to_owned(),
            format!("cwd={}", cwd.display()),
            "stdin=0".to_owned(),
        ]
    );
    fleet.shutdown().await;
}

#[tokio::test]
async fn readiness_follows_the_answers() {
    let directory = tempdir().expect("a directory");
    let fleet = Fleet::start(config(&directory)).await.expect("a fleet");
    let mut spec = service("api", "serve", &directory);
    spec.health = health();
    let id = launch(&fleet, spec);
    let first = until_ready(&fleet, &id).await;
    fs::write(directory.path().join("unready"), "").expect("written");
    let refused = until(&fleet, &id, "not ready", |instance| instance.state == State::NotReady).await;
    assert_eq!(refused.not_ready_because.as_deref(), Some("answered with status 503"));
    assert_eq!(refused.ready_since, None);
    fs::remove_file(directory.path().join("unready")).expect("removed");
    let again = until_ready(&fleet, &id).await;
    assert_eq!((again.pid, again.restarts, again.startup), (first.pid, 0, first.startup));
    fleet.shutdown().await;
}

#[tokio::test]
async fn failed_liveness_restarts_the_instance() {
    let directory = tempdir().expect("a directory");
    let fleet = Fleet::start(config(&directory)).await.expect("a fleet");
    let mut spec = service("api", "serve-then-fail", &directory);
    spec.command.push("2".to_owned());
    spec.health = health();
    let id = launch(&fleet, spec);
    let first = until_ready(&fleet, &id).await;
    let second =
        until(&fleet, &id, "ready again", |instance| instance.state == State::Ready && instance.restarts > 0)
            .await;
    assert_ne!(first.pid, second.pid);
    let why = second.last_exit.expect("an exit");
    assert!(why.starts_with("liveness failed 3 times: "), "{why}");
    assert!(why.ends_with("killed by signal 15 (SIGTERM)"), "{why}");
    fleet.shutdown().await;
}

#[tokio::test]
async fn crashing_instance_shows_its_exit_and_its_last_lines() {
    let directory = tempdir().expect("a directory");
    let fleet = Fleet::start(config(&directory)).await.expect("a fleet");
    let mut spec = service("api", "crash", &directory);
    spec.health = health();
    let id = launch(&fleet, spec);
    let failing = |least| move |instance: &plimsoll_fleet::Instance| matches!(instance.state, State::CrashLoop { failures, .. } if failures >= least);
    let first = until(&fleet, &id, "crashing", failing(1)).await;
    assert_eq!(first.last_exit.as_deref(), Some("exited with status 3"));
    assert_eq!(first.pid, None);
    let mut lines = first.last_log.clone();
    lines.sort();
    lines.dedup();
    assert_eq!(lines, ["about to fail", "no database at localhost:5432"]);
    let third = until(&fleet, &id, "crashing on", failing(3)).await;
    assert!(third.restarts >= 2);
    // A crash loop ends at once when asked to.
    fleet.stop(&id).await;
    assert!(fleet.instances().is_empty());
    assert_eq!(fleet.instance(&id).map(|instance| instance.state), Some(State::Stopped));
    fleet.shutdown().await;
}

#[tokio::test]
async fn missing_command_is_named_with_the_path_and_found_once_it_is_there() {
    let directory = tempdir().expect("a directory");
    let beside = directory.path().join("beside");
    fs::create_dir(&beside).expect("created");
    let mut config = config(&directory);
    config.path_prefix = Some(beside.clone());
    let fleet = Fleet::start(config).await.expect("a fleet");
    let mut spec = service("api", "idle", &directory);
    spec.command[0] = "plimsoll-no-such-command".to_owned();
    let id = launch(&fleet, spec);
    let missing =
        until(&fleet, &id, "missing", |instance| matches!(instance.state, State::CrashLoop { .. })).await;
    let why = missing.last_exit.expect("a reason");
    let expected = format!("command `plimsoll-no-such-command` not found in PATH ({}:", beside.display());
    assert!(why.starts_with(&expected), "{why}");

    fs::copy(fixture(), beside.join("plimsoll-no-such-command")).expect("copied");
    until_ready(&fleet, &id).await;
    fleet.shutdown().await;
}

#[tokio::test]
async fn file_that_the_kernel_refuses_is_told_apart_from_a_program_that_fails() {
    let directory = tempdir().expect("a directory");
    let file = directory.path().join("not-a-program");
    fs::write(&file, "#!/no/such/interpreter\n").expect("written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("mode set");
    let fleet = Fleet::start(config(&directory)).await.expect("a fleet");
    let mut spec = service("api", "idle", &directory);
    spec.command[0] = file.display().to_string();
    let id = launch(&fleet, spec);
    let refused = until(&fleet, &id, "refused", |instance| instance.last_exit.is_some()).await;
    let why = refused.last_exit.expect("a reason");
    assert!(why.starts_with(&format!("cannot run `{}`: ", file.display())), "{why}");
    fleet.shutdown().await;
}

#[tokio::test]
async fn start_that_takes_too_long_is_given_up() {
    let directory = tempdir().expect("a directory");
    let fleet = Fleet::start(config(&directory)).await.expect("a fleet");
    let mut spec = service("api", "idle", &directory);
    spec.health = health();
    spec.start_timeout = Duration::from_millis(300);
    let id = launch(&fleet, spec);
    let failed =
        until(&fleet, &id, "given up", |instance| matches!(instance.state, State::CrashLoop { .. })).await;
    let why = failed.last_exit.expect("a reason");
    assert!(why.starts_with("not ready within 0.3 s: "), "{why}");
    fleet.shutdown().await;
}

#[tokio::test]
async fn stop_ends_a_process_that_ignores_sigterm_and_its_escaped_child() {
    let directory = tempdir().expect("a directory");
    let fleet = Fleet::start(config(&directory)).await.expect("a fleet");
    let mut spec = service("family", "family", &directory);
    spec.drain = Duration::from_millis(500);
    let id = launch(&fleet, spec);
    let leader = until_ready(&fleet, &id).await.pid.expect("a pid");
    let note = directory.path().join("grandchild");
    poll("a grandchild", || pid_in(&note).is_some()).await;
    let grandchild = pid_in(&note).expect("a pid");
    assert!(alive(leader) && alive(grandchild));

    let stopping = fleet.stop(&id);
    until(&fleet, &id, "draining", |instance| instance.state == State::Draining).await;
    poll("told", || fleet.log_tail(&id, 5).contains(&"SIGTERM ignored".to_owned())).await;
    stopping.await;
    assert!(!alive(leader) && !alive(grandchild));
    // Twice does no harm.
    fleet.stop(&id).await;
    fleet.shutdown().await;
}

#[tokio::test]
async fn stop_does_not_wait_for_the_deadline_of_who_is_done() {
    let directory = tempdir().expect("a directory");
    let fleet = Fleet::start(config(&directory)).await.expect("a fleet");
    let mut spec = service("api", "idle", &directory);
    spec.drain = Duration::from_secs(600);
    let id = launch(&fleet, spec);
    until_ready(&fleet, &id).await;
    tokio::time::timeout(Duration::from_secs(30), fleet.stop(&id))
        .await
        .expect("stopped long before the drain");
    let gone = fleet.instance(&id).expect("remembered");
    assert_eq!(gone.last_exit.as_deref(), Some("killed by signal 15 (SIGTERM)"));
    fleet.shutdown().await;
}

#[tokio::test]
async fn restart_replaces_the_process_without_back_off() {
    let directory = tempdir().expect("a directory");
    let mut config = config(&directory);
    config.timings.backoff_base = Duration::from_secs(3600);
    config.timings.backoff_max = Duration::from_secs(3600);
    let fleet = Fleet::start(config).await.expect("a fleet");
    let id = launch(&fleet, service("api", "idle", &directory));
    let first = until_ready(&fleet, &id).await;
    assert!(fleet.restart(&id));
    let second = until(&fleet, &id, "ready again", |instance| {
        instance.state == State::Ready && instance.pid != first.pid
    })
    .await;
    assert_eq!(second.restarts, 1);
    fleet.shutdown().await;
    assert!(!fleet.restart(&id));
}

#[tokio::test]
async fn who_ends_well_after_its_work_is_replaced_at_once_and_did_not_fail() {
    let directory = tempdir().expect("a directory");
    let mut config = config(&directory);
    config.timings.backoff_base = Duration::from_secs(3600);
    config.timings.backoff_max = Duration::from_secs(3600);
    let fleet = Fleet::start(config).await.expect("a fleet");
    let id = launch(&fleet, service("worker", "recycle", &directory));
    let first = until_ready(&fleet, &id).await;
    let next = until(&fleet, &id, "ready again", |instance| {
        instance.state == State::Ready && instance.pid != first.pid
    })
    .await;
    assert_eq!((next.restarts, next.last_exit.as_deref()), (1, Some("exited with status 0")));
    fleet.shutdown().await;
}

#[tokio::test]
async fn twenty_starts_are_parallel_and_bounded_on_different_ports() {
    let directory = tempdir().expect("a directory");
    let mut config = config(&directory);
    config.start_parallelism = 4;
    let fleet = Fleet::start(config).await.expect("a fleet");
    let mut spec = service("api", "serve-late", &directory);
    spec.health = health();
    let spec = Arc::new(spec);
    let ids: Vec<_> = (0..20).map(|_| fleet.launch(&spec)).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 20);

    let mut changes = fleet.changes();
    let mut most_at_once = 0;
    let all_ready = async {
        loop {
            let instances = fleet.instances();
            let starting =
                instances.iter().filter(|one| one.state == State::Starting && one.pid.is_some()).count();
            most_at_once = most_at_once.max(starting);
            if instances.iter().all(|instance| instance.state == State::Ready) {
                return instances;
            }
            changes.changed().await.expect("the fleet lives");
        }
    };
    let instances = tokio::time::timeout(Duration::from_secs(60), all_ready).await.expect("all ready");
    assert_eq!(most_at_once, 4);
    assert_eq!(instances.len(), 20);
    let ports: BTreeSet<u16> = instances.iter().map(|instance| instance.address.port()).collect();
    assert_eq!(ports.len(), 20);
    fleet.shutdown().await;
    assert!(instances.iter().filter_map(|instance| instance.pid).all(|pid| !alive(pid)));
}

#[tokio::test]
async fn numbers_are_not_used_again_by_the_next_fleet() {
    let directory = tempdir().expect("a directory");
    let fleet = Fleet::start(config(&directory)).await.expect("a fleet");
    let spec = Arc::new(service("api", "idle", &directory));
    assert_eq!(fleet.launch(&spec).to_string(), "api-1");
    assert_eq!(fleet.launch(&spec).to_string(), "api-2");
    assert!(matches!(Fleet::start(config(&directory)).await, Err(FleetError::Locked { .. })));
    fleet.shutdown().await;
    let next = Fleet::start(config(&directory)).await.expect("the next fleet");
    assert_eq!(next.launch(&spec).to_string(), "api-3");
    next.shutdown().await;
}
