//! A stack in memory with the manners of a real one: it has two services, knows its instances, takes orders.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use plimsoll_console::{
    Console, DecisionQuery, Operator, OperatorError, Secret,
    queue::{Act, LetterView, Order},
};
use plimsoll_control::view::{DecisionView, GatewayView, InstanceView, QueueView, ServiceView, StackView};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};

use crate::desk;

pub(crate) const LOOPBACK: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) struct Stack {
    view: Mutex<StackView>,
    pub(crate) letters: Mutex<Vec<LetterView>>,
    pub(crate) orders: Mutex<Vec<(Act, Order)>>,
    changes: watch::Sender<u64>,
    /// An order to restart `slow` waits for this.
    pub(crate) release: Notify,
    pub(crate) slow_restarts_begun: watch::Sender<u32>,
    pub(crate) slow_restarts_done: watch::Sender<u32>,
    pub(crate) shutdowns: watch::Sender<u32>,
}

impl Stack {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            view: Mutex::new(view()),
            letters: Mutex::new(desk::letters()),
            orders: Mutex::default(),
            changes: watch::Sender::new(0),
            release: Notify::new(),
            slow_restarts_begun: watch::Sender::new(0),
            slow_restarts_done: watch::Sender::new(0),
            shutdowns: watch::Sender::new(0),
        })
    }

    /// Serves it on a free loopback port.
    pub(crate) async fn serve(self: &Arc<Self>, token: Option<&str>) -> Console {
        let operator: Arc<dyn Operator> = Arc::<Self>::clone(self);
        Console::start(LOOPBACK, token.map(Secret::new), operator).await.expect("a free port")
    }

    fn locked(&self) -> MutexGuard<'_, StackView> {
        self.view.lock().expect("no test panics while it holds the view")
    }

    /// Something worth showing happened.
    pub(crate) fn bump(&self) -> u64 {
        self.locked().uptime_s += 1;
        self.changes.send_modify(|count| *count += 1);
        self.locked().uptime_s
    }
}

impl Operator for Stack {
    fn view(&self) -> StackView {
        self.locked().clone()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn decisions(&self, query: DecisionQuery) -> Vec<DecisionView> {
        let view = self.locked();
        let asked = |decision: &&DecisionView| {
            query.service.as_ref().is_none_or(|service| *service == decision.service)
                && query.before.is_none_or(|before| decision.id < before)
        };
        view.decisions.iter().filter(asked).take(query.limit).cloned().collect()
    }

    fn why(&self, id: u64) -> Option<Value> {
        let view = self.locked();
        let decision = view.decisions.iter().find(|decision| decision.id == id)?;
        Some(json!({"id": id, "summary": decision.summary, "inputs": {"queue_age_seconds": 9.5}}))
    }

    fn scale<'a>(&'a self, service: &'a str, replicas: u32) -> BoxFuture<'a, Result<String, OperatorError>> {
        async move {
            let mut view = self.locked();
            let found = view.services.iter_mut().find(|known| known.name == service);
            let service =
                found.ok_or_else(|| OperatorError::NotFound(format!("there is no service `{service}`")))?;
            if replicas == 0 {
                return Err(OperatorError::Invalid("a service cannot have 0 instances".to_owned()));
            }
            if replicas > service.max {
                return Err(OperatorError::Refused {
                    message: format!("{replicas} is more than the maximum of {}", service.max),
                    hint: "raise maxReplicas in the stack file".to_owned(),
                });
            }
            service.desired = replicas;
            drop(view);
            self.bump();
            Ok(format!("{replicas} instances asked for"))
        }
        .boxed()
    }

    fn drain<'a>(&'a self, instance: &'a str) -> BoxFuture<'a, Result<String, OperatorError>> {
        async move {
            let mut view = self.locked();
            let mut instances = view.services.iter_mut().flat_map(|service| &mut service.instances);
            match instances.find(|known| known.id == instance) {
                Some(known) if known.state == "Draining" => Err(OperatorError::Refused {
                    message: format!("`{instance}` is draining already"),
                    hint: "wait for it".to_owned(),
                }),
                Some(known) => {
                    known.state = "Draining".to_owned();
                    Ok(format!("`{instance}` drains"))
                }
                None => Err(OperatorError::NotFound(format!("there is no instance `{instance}`"))),
            }
        }
        .boxed()
    }

    fn restart<'a>(&'a self, target: &'a str) -> BoxFuture<'a, Result<String, OperatorError>> {
        async move {
            match target {
                "slow" => {
                    self.slow_restarts_begun.send_modify(|count| *count += 1);
                    self.release.notified().await;
                    self.slow_restarts_done.send_modify(|count| *count += 1);
                    Ok("restarted".to_owned())
                }
                "api" | "worker" => Ok(format!("`{target}` restarts, one instance after another")),
                _ => Err(OperatorError::NotFound(format!("there is no service or instance `{target}`"))),
            }
        }
        .boxed()
    }

    fn reload(&self) -> BoxFuture<'_, Result<Vec<String>, OperatorError>> {
        async move {
            if self.locked().warnings.iter().any(|warning| warning == "broken file") {
                return Err(OperatorError::Invalid(
                    "stack.yaml:3:5: unknown key `sevices`. hint: did you mean `services`?".to_owned(),
                ));
            }
            Ok(vec!["worker: maxReplicas 4 → 6".to_owned()])
        }
        .boxed()
    }

    fn report(&self, since_s: u64) -> Result<Value, OperatorError> {
        match since_s {
            0 => Err(OperatorError::Invalid("no period".to_owned())),
            1 => Err(OperatorError::Refused { message: "no logs".to_owned(), hint: "look".to_owned() }),
            _ => Ok(json!({ "stack": "cv-evaluator", "asked_s": since_s })),
        }
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        async move { self.shutdowns.send_modify(|count| *count += 1) }.boxed()
    }

    fn logs(&self, instance: &str, lines: usize) -> Option<Vec<String>> {
        (instance == "worker-7").then(|| (0..lines.min(300)).map(|line| format!("line {line}")).collect())
    }

    fn render_metrics(&self, out: &mut String) {
        out.push_str("# TYPE queue_depth gauge\nqueue_depth{queue=\"evaluate\"} 12\n# EOF\n");
    }
}

impl Stack {
    /// From now on a reload finds mistakes in the file.
    pub(crate) fn break_file(&self) {
        self.locked().warnings.push("broken file".to_owned());
    }
}

fn view() -> StackView {
    StackView {
        name: "cv-evaluator".to_owned(),
        version: "0.1.0".to_owned(),
        pid: 4711,
        uptime_s: 61,
        at_ms: 1_760_000_000_000,
        gateway: Some(GatewayView {
            listen: "127.0.0.1:8080".to_owned(),
            requests_total: 1200,
            errors_total: 1,
            in_flight: 3,
            waiting: 0,
        }),
        services: vec![service("api", 1), service("worker", 7)],
        queues: vec![QueueView {
            name: "evaluate".to_owned(),
            ready: 12,
            scheduled: 0,
            leased: 1,
            dead: 1,
            completed: 40,
            oldest_age_s: 9.5,
            ..QueueView::default()
        }],
        decisions: (1..=5).rev().map(decision).collect(),
        warnings: vec![],
    }
}

fn service(name: &str, number: u32) -> ServiceView {
    ServiceView {
        name: name.to_owned(),
        desired: 1,
        ready: 1,
        min: 1,
        max: 4,
        memory_enforcement: "rlimit".to_owned(),
        metrics: vec!["cpu 12% / 70%".to_owned()],
        shadow: None,
        sizing: None,
        instances: vec![InstanceView {
            id: format!("{name}-{number}"),
            state: "Ready".to_owned(),
            address: "127.0.0.1:40001".to_owned(),
            pid: Some(5000 + number),
            cpu_milli: Some(120),
            memory_bytes: Some(48 << 20),
            memory_limit_bytes: Some(512 << 20),
            in_flight: 1,
            age_s: 60,
            ..InstanceView::default()
        }],
        requests: None,
    }
}

fn decision(id: u64) -> DecisionView {
    DecisionView {
        id,
        at_ms: 1_760_000_000_000 + id,
        kind: "scale".to_owned(),
        service: if id.is_multiple_of(2) { "api" } else { "worker" }.to_owned(),
        from: 1,
        to: 2,
        summary: "queue age 9.5 s is above its target of 5 s".to_owned(),
    }
}
