//! The promise of the product: load comes, instances come; load goes, instances go; two of them die, nothing is lost.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use plimsoll_control::view::{QueueView, ServiceView, StackView};
use serde_json::Value;

use crate::{
    application::{evaluate, finished, result, upload},
    harness::{Settings, Stack, send_signal},
    model::Model,
};

/// One worker does about two jobs a second (three calls of the chain each), so the flood below is far more than it can carry.
const THINKING: Duration = Duration::from_millis(150);
const FLOOD: usize = 60;
const MAX_WORKERS: u32 = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_scales_out_and_back_in_and_two_kills_lose_and_double_nothing() {
    let model = Model::start(THINKING);
    let settings =
        Settings { env: model.env(), api: (2, 2), worker: (1, MAX_WORKERS), ..Settings::default() };
    let stack = Arc::new(Stack::start(&settings).await);
    assert_eq!(worker(&stack.view().await.unwrap()).ready, 1, "starts with one");

    let upload = upload(&stack, "sample-cv.txt", "sample-project.txt").await;
    let mut jobs = Vec::new();
    for number in 0..FLOOD {
        let key = format!("flood-{number}");
        let id = evaluate(&stack, &upload, Some(&key)).await;
        assert_eq!(evaluate(&stack, &upload, Some(&key)).await, id, "the same key is the same job");
        jobs.push(id);
    }
    assert_eq!(jobs.iter().collect::<BTreeSet<_>>().len(), FLOOD);
    let poller = Poller::start(&stack, &jobs);

    let risen =
        stack.wait("the workers to rise to the maximum", |view| worker(view).ready == MAX_WORKERS).await;
    let decision =
        risen.decisions.iter().find(|decision| decision.kind == "scale" && decision.to > decision.from);
    let decision = decision.expect("a decision to scale out");
    assert!(
        decision.summary.contains("queue_age_seconds"),
        "because of the queue's age: {}",
        decision.summary
    );
    let why = stack.cli_text(&["why", &decision.id.to_string()]);
    assert!(why.contains("queue_age_seconds") && why.contains("alone asks for"), "{why}");
    let latest = stack.cli_text(&["why", "worker"]);
    assert!(
        latest.starts_with('#') && latest.contains(" worker: "),
        "the latest decision of the service: {latest}"
    );
    let unknown = stack.cli(&["why", "wroker"]);
    assert_eq!(unknown.status.code(), Some(1));
    let unknown = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(unknown.contains("`wroker`") && unknown.contains("api, worker"), "{unknown}");

    kill_one(&risen, "worker");
    kill_one(&risen, "api");
    let mut scores = BTreeSet::new();
    for id in &jobs {
        let answer = finished(&stack, id).await;
        assert_eq!(answer["status"], "completed", "{answer}");
        scores.insert(answer["result"]["project_score"].to_string());
    }
    assert_eq!(scores.len(), 1, "the same documents and model give the same score");

    stack
        .wait("the workers to fall back to the minimum", |view| {
            let worker = worker(view);
            worker.desired == 1 && worker.instances.len() == 1
        })
        .await;
    let (polls, failures) = poller.stop().await;
    assert!(polls > FLOOD, "the poller worked: {polls}");
    assert_eq!(failures, Vec::<String>::new(), "no poll failed out of {polls}");

    let view = stack
        .wait("the queue to be empty", |view| {
            let queue = evaluate_queue(view);
            (queue.ready, queue.scheduled, queue.leased) == (0, 0, 0)
        })
        .await;
    assert_eq!(evaluate_queue(&view).completed, FLOOD as u64, "each job was completed exactly once");
    assert_eq!(evaluate_queue(&view).dead, 0);
    assert!(crashes(&stack) >= 2, "both kills were noticed:\n{}", stack.cli_text(&["events", "-n", "100"]));
}

/// Polls results from the first job to the last, over and over, and keeps what went wrong.
struct Poller {
    stop: Arc<AtomicBool>,
    polls: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<Vec<String>>,
}

impl Poller {
    fn start(stack: &Arc<Stack>, jobs: &[String]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let polls = Arc::new(AtomicUsize::new(0));
        let (stack, jobs) = (Arc::clone(stack), jobs.to_vec());
        let (stopped, counter) = (Arc::clone(&stop), Arc::clone(&polls));
        let task = tokio::spawn(async move {
            let mut failures = Vec::new();
            let mut ticks = tokio::time::interval(Duration::from_millis(10));
            for id in jobs.iter().cycle() {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                ticks.tick().await;
                counter.fetch_add(1, Ordering::SeqCst);
                failures.extend(result(&stack, id).await.err());
            }
            failures
        });
        Self { stop, polls, task }
    }

    async fn stop(self) -> (usize, Vec<String>) {
        self.stop.store(true, Ordering::SeqCst);
        let failures = self.task.await.expect("the poller ends");
        (self.polls.load(Ordering::SeqCst), failures)
    }
}

fn kill_one(view: &StackView, name: &str) {
    let service = view.services.iter().find(|service| service.name == name).expect("the service");
    let pid = service.instances.iter().find_map(|instance| instance.pid).expect("a running instance");
    send_signal(pid, "KILL");
}

fn worker(view: &StackView) -> &ServiceView {
    view.services.iter().find(|service| service.name == "worker").expect("the worker")
}

fn evaluate_queue(view: &StackView) -> &QueueView {
    view.queues.iter().find(|queue| queue.name == "evaluate").expect("the queue")
}

fn crashes(stack: &Stack) -> usize {
    let events: Value =
        serde_json::from_str(&stack.cli_text(&["events", "--json", "-n", "200"])).expect("JSON");
    let events = events.as_array().expect("a list");
    events.iter().filter(|event| event["kind"] == "crash").count()
}
