//! Sizes that are applied to real processes.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use plimsoll_control::Pacing;
use plimsoll_control::record::Kind;
use plimsoll_control::view::{InstanceView, StackView};
use plimsoll_scale::Time;
use plimsoll_scale::vpa::ContainerUsage;
use plimsoll_stack::parse;
use tempfile::TempDir;

use super::support::{Live, service, up};

const MIB: i64 = 1 << 20;
const STATED: u64 = 4 << 30;

/// Three workers that take a moment to finish what they hold, and write down that they did.
fn text(directory: &Path, vertical: &str) -> String {
    format!(
        r#"
name: sizes
services:
  worker:
    command:
      - sh
      - -c
      - 'trap "sleep 0.3; echo $PLIMSOLL_INSTANCE >> {}/finished; exit 0" TERM; while :; do sleep 0.05; done'
    replicas: 3
    resources: {{ cpu: 2, memory: 4Gi }}
    drain: 20s
    vertical_scaling: {vertical}
control: {{ sync_period: 200ms }}
"#,
        directory.display()
    )
}

/// What an earlier run saw in eight days: a tenth of a core and 400 MiB.
fn remember(state_dir: &Path) {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_millis();
    let mut usage = ContainerUsage::default();
    for minute in (1..=8 * 1440_i64).rev() {
        let at = Time(i64::try_from(now_ms).expect("a time") - minute * 60_000);
        assert!(usage.add_cpu(0.1, at) && usage.add_memory(400 * MIB, at));
    }
    let memory = serde_json::json!({ "desired": 3, "usage": usage.checkpoint() });
    let content = serde_json::json!({ "services": { "worker": memory } });
    std::fs::create_dir_all(state_dir).expect("a directory");
    std::fs::write(state_dir.join("controller.json"), content.to_string()).expect("a memory");
}

async fn start(directory: &TempDir) -> Live {
    remember(&directory.path().join("state"));
    let live = up(directory, &text(directory.path(), "{ mode: Off }"), Pacing::default()).await;
    live.until("three workers", |view| in_state(view, "Ready").len() == 3).await;
    live
}

async fn reload(live: &Live, directory: &TempDir, vertical: &str) {
    let text = text(directory.path(), vertical);
    let stack = parse("stack.yaml", text.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    live.handle.reload(stack).await.expect("a reload");
}

fn workers(view: &StackView) -> Vec<InstanceView> {
    service(view, "worker").instances
}

fn in_state(view: &StackView, state: &str) -> Vec<InstanceView> {
    workers(view).into_iter().filter(|one| one.state == state).collect()
}

/// Everything recorded of this kind, oldest first.
fn told(live: &Live) -> Vec<String> {
    let records = live.handle.decisions(Some("worker"), None, 100).into_iter().rev();
    records.filter(|one| one.kind == Kind::Size.as_str()).map(|one| one.summary).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn initial_gives_new_instances_the_advised_limit_and_leaves_the_others() {
    let directory = tempfile::tempdir().expect("a directory");
    let live = start(&directory).await;
    assert!(workers(&live.handle.view()).iter().all(|one| one.memory_limit_bytes == Some(STATED)));
    let off = service(&live.handle.view(), "worker").metrics.join("\n");
    assert!(off.contains("size of memory: 4096Mi stated"), "{off}");

    let vertical = "{ mode: Initial, minAllowed: { memory: 512Mi }, controlledResources: [memory] }";
    reload(&live, &directory, vertical).await;
    live.handle.scale("worker", 4).await.expect("a fourth");
    live.until("a fourth worker", |view| in_state(view, "Ready").len() == 4).await;
    let limits: Vec<_> = workers(&live.handle.view()).iter().map(|one| one.memory_limit_bytes).collect();
    assert_eq!(limits, [Some(STATED), Some(STATED), Some(STATED), Some(512 << 20)]);
    assert_eq!(
        told(&live),
        ["worker-4 starts with cpu 2000m, memory 512Mi, as advised; stated is cpu 2000m, memory 4096Mi"]
    );
    live.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recreate_replaces_one_after_the_other_and_each_finishes_first() {
    let directory = tempfile::tempdir().expect("a directory");
    let live = start(&directory).await;
    reload(&live, &directory, "{ mode: Recreate }").await;

    let small = |one: &InstanceView| one.memory_limit_bytes.is_some_and(|bytes| bytes < STATED / 4);
    let done = |view: &StackView| {
        let ready = in_state(view, "Ready");
        assert!(ready.len() >= 3, "fewer than asked for: {:#?}", workers(view));
        assert!(in_state(view, "Draining").len() <= 1, "more than one at a time: {:#?}", workers(view));
        ready.len() == 3 && workers(view).len() == 3 && ready.iter().all(small)
    };
    live.until("three smaller workers", done).await;
    let told = told(&live);
    let replaced: Vec<&String> = told.iter().filter(|one| one.starts_with("replacing")).collect();
    assert_eq!(replaced.len(), 3, "{told:#?}");
    assert!(replaced[0].contains("its memory 4096Mi is outside of "), "{told:#?}");
    assert_eq!(told.iter().filter(|one| one.contains(" starts with cpu ")).count(), 3, "{told:#?}");
    // Nobody was killed before it had finished.
    let finished = std::fs::read_to_string(directory.path().join("finished")).expect("a note of each");
    let mut finished: Vec<&str> = finished.lines().collect();
    finished.sort_unstable();
    assert_eq!(finished, ["worker-1", "worker-2", "worker-3"]);
    let records = live.handle.decisions(Some("worker"), None, 100);
    let record = records.iter().find(|one| one.summary.starts_with("replacing")).expect("a record");
    let detail = live.handle.record(record.id).expect("its detail").detail;
    assert!(
        detail["size"]["lines"][0].as_str().is_some_and(|line| line.starts_with("size of cpu: 2000m stated"))
    );
    live.handle.shutdown().await;
}
