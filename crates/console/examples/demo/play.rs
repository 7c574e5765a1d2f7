//! The play: a queue with a burst of jobs, workers that follow its age, an API that carries the polls.

mod post;

use std::{
    fmt::Write,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures::{FutureExt, future::BoxFuture};
use plimsoll_console::{DecisionQuery, Operator, OperatorError, queue::LetterView};
use plimsoll_control::view::{
    DecisionView, GatewayView, InstanceView, QueueView, ServiceView, ShadowView, SizeView, SizingView,
    StackView,
};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};

const TICK: Duration = Duration::from_millis(500);
/// The play repeats after so many ticks.
const LENGTH: u64 = 180;
/// An instance is ready after so many seconds, and gone so many after it began to drain.
const STARTUP_S: f64 = 2.0;
const DRAIN_S: f64 = 3.0;
/// Jobs a worker finishes in a second.
const SPEED: f64 = 2.0;
const MEMORY_LIMIT: u64 = 512 << 20;

/// The acted stack.
pub(crate) struct Play {
    scene: Mutex<Scene>,
    letters: Mutex<Vec<LetterView>>,
    changes: watch::Sender<u64>,
    end: Notify,
}

struct Scene {
    tick: u64,
    jobs: f64,
    age_s: f64,
    completed: f64,
    requests: u64,
    services: Vec<Service>,
    records: Vec<Value>,
}

struct Service {
    name: &'static str,
    desired: u32,
    next: u32,
    instances: Vec<Actor>,
}

struct Actor {
    number: u32,
    lived_s: f64,
    draining_s: Option<f64>,
    crashed_s: Option<f64>,
    restarts: u32,
}

// === impl Play ===

impl Play {
    pub(crate) fn new() -> Arc<Self> {
        let service = |name, desired| Service { name, desired, next: 1, instances: Vec::new() };
        let mut scene = Scene {
            tick: 0,
            jobs: 0.0,
            age_s: 0.0,
            completed: 0.0,
            requests: 0,
            services: vec![service("api", 2), service("worker", 1)],
            records: Vec::new(),
        };
        scene.record("lifecycle", "", (0, 0), "the stack was started".to_owned(), Value::Null);
        Arc::new(Self {
            scene: Mutex::new(scene),
            letters: Mutex::new(post::letters(now_ms())),
            changes: watch::Sender::new(0),
            end: Notify::new(),
        })
    }

    /// Plays until somebody asks for the end.
    pub(crate) async fn run(&self) {
        let mut ticks = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                () = self.end.notified() => return,
                _ = ticks.tick() => {}
            }
            self.scene().advance();
            self.changes.send_modify(|count| *count += 1);
        }
    }

    fn letters(&self) -> MutexGuard<'_, Vec<LetterView>> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn scene(&self) -> MutexGuard<'_, Scene> {
        self.scene.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn act(
        &self,
        act: impl FnOnce(&mut Scene) -> Result<String, OperatorError>,
    ) -> Result<String, OperatorError> {
        let said = act(&mut self.scene());
        self.changes.send_modify(|count| *count += 1);
        said
    }
}

// === impl Scene ===

impl Scene {
    fn advance(&mut self) {
        let step_s = TICK.as_secs_f64();
        self.tick += 1;
        let moment = self.tick % LENGTH;
        let workers = self.services[1].instances.iter().filter(|worker| worker.ready()).count() as f64;
        self.jobs += if (20..70).contains(&moment) { 3.5 } else { 0.2 };
        let done = (workers * SPEED * step_s).min(self.jobs);
        self.jobs -= done;
        self.completed += done;
        self.age_s = if self.jobs < 1.0 { 0.0 } else { self.jobs / (workers.max(0.5) * SPEED) };
        self.requests += 20 + 6 * self.services[0].instances.len() as u64 + self.tick % 7;
        for service in &mut self.services {
            service.advance(step_s);
        }
        if moment.is_multiple_of(10) {
            self.decide();
        }
        if moment == 100 {
            self.crash();
        }
    }

    /// As the real policy would: a target of 5 s for each worker, one step down at a time.
    fn decide(&mut self) {
        let from = self.services[1].desired;
        let wanted = ((self.age_s / 5.0).ceil() as u32).max(1);
        let to = wanted.clamp(1, 4).max(from.saturating_sub(1)).min(from * 2);
        if to == from {
            return;
        }
        self.services[1].desired = to;
        let reason = if to < wanted { "ScaleUpLimit" } else { "DesiredWithinRange" };
        let milli = (self.age_s * 1000.0) as i64;
        let detail = json!({ "decision": { "current": from, "desired": to, "explanation": {
            "path": "metrics", "min_replicas": 1, "max_replicas": 4, "winner": 0, "wanted": wanted,
            "metrics": [{
                "name": "queue_age_seconds", "type": "External",
                "target": { "type": "AverageValue", "averageValue": "5" },
                "proposal": {
                    "replicas": wanted, "ratio": self.age_s / 5.0 / f64::from(from),
                    "current": { "per_instance": { "milli": milli / i64::from(from), "total_milli": milli } },
                },
            }],
            "stabilized": { "replicas": wanted, "reason": "ReadyForNewScale" },
            "limited": { "replicas": to, "reason": reason },
        }}});
        let summary = format!("queue_age_seconds is {:.1} against 5 an instance: wants {wanted}", self.age_s);
        self.record("scale", "worker", (from, to), summary, detail);
    }

    fn crash(&mut self) {
        let service = &mut self.services[1];
        let desired = service.desired;
        let Some(worker) = service.instances.iter_mut().find(|worker| worker.ready()) else { return };
        worker.crashed_s = Some(0.0);
        worker.restarts += 1;
        let id = format!("worker-{}", worker.number);
        let summary = format!("{id} was killed by signal 9; started again after a pause");
        let detail = json!({ "last_exit": "killed by signal 9", "last_log": last_log() });
        self.record("crash", "worker", (desired, desired), summary, detail);
    }

    fn record(&mut self, kind: &str, service: &str, (from, to): (u32, u32), summary: String, detail: Value) {
        let id = self.records.len() as u64 + 1;
        self.records.push(json!({
            "id": id, "at_ms": now_ms(), "kind": kind, "service": service,
            "from": from, "to": to, "summary": summary, "detail": detail,
        }));
    }

    fn decisions(&self) -> impl Iterator<Item = DecisionView> + '_ {
        self.records.iter().rev().filter_map(|record| serde_json::from_value(record.clone()).ok())
    }

    fn service(&mut self, name: &str) -> Result<&mut Service, OperatorError> {
        let found = self.services.iter_mut().find(|service| service.name == name);
        found.ok_or_else(|| OperatorError::NotFound(format!("there is no service `{name}`")))
    }

    fn instance(&mut self, id: &str) -> Result<&mut Actor, OperatorError> {
        let mut all = self.services.iter_mut().flat_map(|service| {
            let name = service.name;
            service.instances.iter_mut().map(move |actor| (format!("{name}-{}", actor.number), actor))
        });
        let found = all.find(|(known, _)| known == id).map(|(_, actor)| actor);
        found.ok_or_else(|| OperatorError::NotFound(format!("there is no instance `{id}`")))
    }
}

// === impl Service ===

impl Service {
    fn advance(&mut self, step_s: f64) {
        for actor in &mut self.instances {
            actor.lived_s += step_s;
            for since in [&mut actor.draining_s, &mut actor.crashed_s].into_iter().flatten() {
                *since += step_s;
            }
            if actor.crashed_s.is_some_and(|since| since > 9.0) {
                actor.crashed_s = None;
                actor.lived_s = 0.0;
            }
        }
        self.instances.retain(|actor| actor.draining_s.is_none_or(|since| since < DRAIN_S));
        let staying = self.instances.iter().filter(|actor| actor.draining_s.is_none()).count() as u32;
        for _ in staying..self.desired {
            self.instances.push(Actor::new(self.next));
            self.next += 1;
        }
        let mut surplus = staying.saturating_sub(self.desired);
        for actor in self.instances.iter_mut().rev() {
            if surplus > 0 && actor.draining_s.is_none() {
                actor.draining_s = Some(0.0);
                surplus -= 1;
            }
        }
    }

    fn view(&self, busy: f64, age_s: f64) -> ServiceView {
        let metrics = match self.name {
            "api" => vec![format!("cpu {:.0}% / 70%", 18.0 + 20.0 * busy)],
            _ => vec![format!("queue_age_seconds {age_s:.1} / 5 an instance")],
        };
        ServiceView {
            name: self.name.to_owned(),
            desired: self.desired,
            ready: self.instances.iter().filter(|actor| actor.ready()).count() as u32,
            min: 1,
            max: 4,
            memory_enforcement: "rlimit".to_owned(),
            metrics,
            shadow: (self.name == "worker").then_some(ShadowView {
                wants: self.desired.saturating_sub(1).max(1),
                live: self.desired,
                shadow_instance_hours: 1.62,
                live_instance_hours: 2.04,
            }),
            sizing: Some(sizing()),
            instances: self.instances.iter().map(|actor| actor.view(self.name, busy)).collect(),
            requests: None,
        }
    }
}

// === impl Actor ===

impl Actor {
    fn new(number: u32) -> Self {
        Self { number, lived_s: 0.0, draining_s: None, crashed_s: None, restarts: 0 }
    }

    fn ready(&self) -> bool {
        self.lived_s >= STARTUP_S && self.draining_s.is_none() && self.crashed_s.is_none()
    }

    fn view(&self, service: &str, busy: f64) -> InstanceView {
        let state = match self {
            _ if self.crashed_s.is_some() => "CrashLoop",
            _ if self.draining_s.is_some() => "Draining",
            _ if self.ready() => "Ready",
            _ => "Starting",
        };
        let runs = self.crashed_s.is_none();
        let wave = 0.5 + 0.5 * (self.lived_s / 7.0 + f64::from(self.number)).sin();
        let memory = (60.0 + 260.0 * busy * wave) * f64::from(1 << 20);
        InstanceView {
            id: format!("{service}-{}", self.number),
            state: state.to_owned(),
            address: format!("127.0.0.1:{}", 41000 + self.number),
            pid: runs.then_some(9000 + self.number),
            cpu_milli: runs.then_some((40.0 + 420.0 * busy * wave) as u64),
            memory_bytes: runs.then_some(memory as u64),
            memory_limit_bytes: Some(MEMORY_LIMIT),
            in_flight: if service == "api" && self.ready() { (6.0 * busy * wave) as u64 } else { 0 },
            jobs: u64::from(service == "worker" && self.ready() && busy > 0.0),
            restarts: self.restarts,
            age_s: self.lived_s as u64,
            last_exit: (!runs).then(|| "killed by signal 9".to_owned()),
            last_log: if runs { vec![] } else { last_log() },
            because: None,
        }
    }
}

fn sizing() -> SizingView {
    let mebibytes = |count: i64| count << 20;
    SizingView {
        mode: "Off".to_owned(),
        cpu: SizeView { stated: Some(500), target: 410, lower: 230, upper: 720, verdict: "fits".to_owned() },
        memory: SizeView {
            stated: Some(mebibytes(512)),
            target: mebibytes(310),
            lower: mebibytes(250),
            upper: mebibytes(470),
            verdict: "can be lowered".to_owned(),
        },
    }
}

fn last_log() -> Vec<String> {
    ["INFO claimed job 0198f1 attempt 1", "INFO extracting cv.pdf, 3 pages", "INFO scoring with baseline"]
        .map(str::to_owned)
        .to_vec()
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

impl Operator for Play {
    fn view(&self) -> StackView {
        let scene = self.scene();
        let busy = (scene.jobs / 40.0).min(1.0);
        let workers = scene.services[1].instances.iter().filter(|worker| worker.ready()).count() as u64;
        StackView {
            name: "demo (acted, not run)".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_s: scene.tick / 2,
            at_ms: now_ms(),
            gateway: Some(GatewayView {
                listen: "127.0.0.1:8080".to_owned(),
                requests_total: scene.requests,
                errors_total: 0,
                in_flight: (12.0 * busy) as u64,
                waiting: 0,
            }),
            services: scene.services.iter().map(|service| service.view(busy, scene.age_s)).collect(),
            queues: vec![QueueView {
                name: "evaluate".to_owned(),
                ready: scene.jobs as u64,
                scheduled: 0,
                leased: workers.min(scene.jobs.ceil() as u64),
                dead: self.letters().len() as u64,
                completed: scene.completed as u64,
                oldest_age_s: scene.age_s,
                arrivals_per_s: if (20..70).contains(&(scene.tick % LENGTH)) { 7.0 } else { 0.4 },
                completions_per_s: workers as f64 * SPEED,
                time_to_drain_s: scene.age_s,
                ..QueueView::default()
            }],
            decisions: scene.decisions().take(20).collect(),
            warnings: vec![],
        }
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn decisions(&self, query: DecisionQuery) -> Vec<DecisionView> {
        let scene = self.scene();
        let asked = |decision: &DecisionView| {
            query.service.as_ref().is_none_or(|service| *service == decision.service)
                && query.before.is_none_or(|before| decision.id < before)
        };
        scene.decisions().filter(asked).take(query.limit).collect()
    }

    fn why(&self, id: u64) -> Option<Value> {
        self.scene().records.iter().find(|record| record["id"] == id).cloned()
    }

    fn scale<'a>(&'a self, service: &'a str, replicas: u32) -> BoxFuture<'a, Result<String, OperatorError>> {
        let act = move |scene: &mut Scene| {
            if !(1..=4).contains(&replicas) {
                return Err(OperatorError::Invalid(format!("{replicas} is not between 1 and 4")));
            }
            let found = scene.service(service)?;
            let from = std::mem::replace(&mut found.desired, replicas);
            let name = found.name;
            scene.record(
                "operator",
                name,
                (from, replicas),
                "an operator asked for it".to_owned(),
                Value::Null,
            );
            Ok(format!("`{name}` goes from {from} to {replicas} instances"))
        };
        async move { self.act(act) }.boxed()
    }

    fn drain<'a>(&'a self, instance: &'a str) -> BoxFuture<'a, Result<String, OperatorError>> {
        let act = move |scene: &mut Scene| {
            scene.instance(instance)?.draining_s.get_or_insert(0.0);
            Ok(format!("`{instance}` drains"))
        };
        async move { self.act(act) }.boxed()
    }

    fn restart<'a>(&'a self, target: &'a str) -> BoxFuture<'a, Result<String, OperatorError>> {
        let act = move |scene: &mut Scene| {
            if let Ok(service) = scene.service(target) {
                service.instances.iter_mut().for_each(|actor| actor.draining_s = Some(0.0));
            } else {
                scene.instance(target)?.draining_s.get_or_insert(0.0);
            }
            Ok(format!("`{target}` restarts"))
        };
        async move { self.act(act) }.boxed()
    }

    fn reload(&self) -> BoxFuture<'_, Result<Vec<String>, OperatorError>> {
        async { Ok(vec![]) }.boxed()
    }

    fn report(&self, _since_s: u64) -> Result<Value, OperatorError> {
        let hint = "start a stack with `plimsoll up`".to_owned();
        Err(OperatorError::Refused { message: "a play keeps no logbook".to_owned(), hint })
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        async { self.end.notify_one() }.boxed()
    }

    fn logs(&self, instance: &str, lines: usize) -> Option<Vec<String>> {
        let known = self.scene().instance(instance).is_ok();
        known.then(|| last_log().into_iter().take(lines).collect())
    }

    fn render_metrics(&self, out: &mut String) {
        let _ = writeln!(
            out,
            "# TYPE queue_depth gauge\nqueue_depth{{queue=\"evaluate\"}} {}",
            self.scene().jobs as u64
        );
    }
}
