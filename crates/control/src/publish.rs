//! From what the controller holds to what an operator sees.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use plimsoll_fleet::{Instance, MemoryEnforcement, State};
use plimsoll_gateway::GatewayStats;
use plimsoll_jobs::Holder;
use plimsoll_stack::Stack;

use crate::{
    backlog::Backlog,
    log::DecisionLog,
    service::Managed,
    shadow::Shadow,
    signal::Signals,
    view::{
        DecisionView, GatewayView, HolderView, InstanceView, QueueView, RequestsView, ServiceView, StackView,
    },
};

/// Decisions in a snapshot; `plimsoll events` reads further back.
const LATEST_DECISIONS: usize = 30;
/// Log lines shown of an instance that keeps ending.
const LATEST_LOG_LINES: usize = 10;

/// Everything a snapshot is made of.
pub(crate) struct Inputs<'a> {
    pub(crate) stack: &'a Stack,
    pub(crate) services: &'a BTreeMap<String, Managed>,
    pub(crate) instances: &'a [Instance],
    pub(crate) gateway: Option<GatewayStats>,
    pub(crate) edge: Option<SocketAddr>,
    pub(crate) signals: &'a Signals,
    pub(crate) log: &'a DecisionLog,
    pub(crate) uptime: Duration,
    pub(crate) at_ms: u64,
}

/// A snapshot from before the first look.
pub(crate) fn empty(stack: &Stack) -> StackView {
    StackView {
        name: stack.name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        uptime_s: 0,
        at_ms: 0,
        gateway: None,
        services: Vec::new(),
        queues: Vec::new(),
        decisions: Vec::new(),
        warnings: Vec::new(),
    }
}

/// The snapshot.
pub(crate) fn view(inputs: &Inputs<'_>) -> StackView {
    let services: Vec<ServiceView> =
        inputs.services.iter().map(|(name, managed)| service(name, managed, inputs)).collect();
    let queues = inputs.signals.queues.as_ref().map_or_else(
        |_| Vec::new(),
        |queues| queues.iter().map(|one| queue(one, &inputs.signals.holders)).collect(),
    );
    StackView {
        uptime_s: inputs.uptime.as_secs(),
        at_ms: inputs.at_ms,
        gateway: inputs.gateway.as_ref().zip(inputs.edge).map(|(stats, listen)| GatewayView {
            listen: listen.to_string(),
            requests_total: stats.requests_total,
            errors_total: stats.errors_total,
            in_flight: stats.in_flight,
            waiting: stats.waiting,
        }),
        warnings: warnings(inputs),
        services,
        queues,
        decisions: inputs.log.newest_first().take(LATEST_DECISIONS).map(DecisionView::from).collect(),
        ..empty(inputs.stack)
    }
}

fn service(name: &str, managed: &Managed, inputs: &Inputs<'_>) -> ServiceView {
    let (min, max) = managed.service.bounds();
    let mut own: Vec<&Instance> = inputs
        .instances
        .iter()
        .filter(|instance| instance.service == name && instance.state != State::Stopped)
        .collect();
    own.sort_by_key(|instance| instance.id.number());
    let leaving = |instance: &Instance| managed.leaving.contains(&instance.id);
    let ready = own.iter().filter(|instance| instance.state == State::Ready && !leaving(instance)).count();
    ServiceView {
        name: name.to_owned(),
        desired: managed.memory.desired,
        ready: u32::try_from(ready).unwrap_or(u32::MAX),
        min,
        max,
        memory_enforcement: enforcement(&own).name().to_owned(),
        metrics: managed
            .metrics
            .iter()
            .chain(managed.sizing.iter().flat_map(|it| &it.lines))
            .cloned()
            .collect(),
        shadow: managed.shadow.as_ref().and_then(Shadow::latest),
        sizing: managed.sizing.as_ref().and_then(|sizing| sizing.latest.clone()),
        instances: own.iter().map(|it| instance(it, leaving(it), inputs)).collect(),
        requests: inputs.gateway.as_ref().and_then(|stats| requests(name, stats, inputs.signals)),
    }
}

/// None for a service without a route.
fn requests(name: &str, stats: &GatewayStats, signals: &Signals) -> Option<RequestsView> {
    let (own, milli_per_s) = (stats.services.get(name)?, signals.requests_milli_per_s.get(name)?);
    let seconds = |us: u64| us as f64 / 1e6;
    Some(RequestsView {
        total: own.requests_total,
        errors: own.errors_total,
        in_flight: own.in_flight,
        waiting: own.waiting,
        per_s: *milli_per_s as f64 / 1000.0,
        mean_s: own.served.mean_us().map(seconds),
        p95_s: own.served.quantile_us(0.95).map(seconds),
    })
}

/// Why an instance is not ready.
fn because(instance: &Instance) -> Option<String> {
    match (instance.state, instance.pid) {
        (State::Ready | State::Draining, _) => None,
        (State::Starting, None) => Some("waits for its turn to start".to_owned()),
        (_, None) => instance.last_exit.clone(),
        (_, Some(_)) => instance.not_ready_because.clone(),
    }
}

fn instance(instance: &Instance, leaving: bool, inputs: &Inputs<'_>) -> InstanceView {
    let id = instance.id.to_string();
    let held = inputs.signals.holders.iter().filter(|holder| holder.worker == id);
    let upstream = inputs.gateway.as_ref().and_then(|stats| stats.upstreams.get(&id));
    let crashing = matches!(instance.state, State::CrashLoop { .. });
    let state = if leaving { State::Draining } else { instance.state };
    let log_start = instance.last_log.len().saturating_sub(LATEST_LOG_LINES);
    let since_start =
        instance.started_at.map_or(Duration::ZERO, |at| Instant::now().saturating_duration_since(at));
    InstanceView {
        state: state.name().to_owned(),
        address: if instance.address.port() == 0 { "-".to_owned() } else { instance.address.to_string() },
        because: because(instance),
        pid: instance.pid,
        cpu_milli: instance.cpu_milli,
        memory_bytes: instance.memory_bytes,
        memory_limit_bytes: instance.memory_limit_bytes,
        in_flight: upstream.map_or(0, |upstream| upstream.in_flight),
        jobs: held.map(|holder| holder.jobs).sum(),
        restarts: instance.restarts,
        age_s: since_start.as_secs(),
        last_exit: instance.last_exit.clone(),
        last_log: if crashing { instance.last_log[log_start..].to_vec() } else { Vec::new() },
        id,
    }
}

/// How the limits of a service's instances are held: the weakest of them, because that is what one can rely on.
fn enforcement(instances: &[&Instance]) -> MemoryEnforcement {
    let strength = |it: &MemoryEnforcement| match it {
        MemoryEnforcement::None => 0,
        MemoryEnforcement::Rlimit => 1,
        MemoryEnforcement::Cgroup => 2,
    };
    let all = instances.iter().map(|instance| instance.memory_enforcement);
    all.min_by_key(strength).unwrap_or(MemoryEnforcement::None)
}

fn queue(queue: &Backlog, holders: &[Holder]) -> QueueView {
    let stats = &queue.stats;
    let own = holders.iter().filter(|holder| holder.queue == stats.queue);
    QueueView {
        arrivals_per_s: queue.arrivals_milli_per_s as f64 / 1000.0,
        completions_per_s: queue.completions_milli_per_s as f64 / 1000.0,
        service_s: queue.service_us.map(|us| us as f64 / 1e6),
        time_to_drain_s: queue.time_to_drain_ms() as f64 / 1000.0,
        held_by: own.map(|one| HolderView { worker: one.worker.clone(), jobs: one.jobs }).collect(),
        ..QueueView::from(stats)
    }
}

fn warnings(inputs: &Inputs<'_>) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Err(why) = &inputs.signals.queues {
        warnings.push(format!("the queue cannot be read, so nothing is scaled in on it: {why}"));
    }
    for (name, managed) in inputs.services {
        let own: Vec<&Instance> = inputs
            .instances
            .iter()
            .filter(|instance| instance.service == *name && instance.pid.is_some())
            .collect();
        let limited = managed.service.resources.memory_bytes.is_some() && !own.is_empty();
        if limited && enforcement(&own) == MemoryEnforcement::None {
            warnings.push(format!("{name}: this kernel does not let us enforce its memory limit"));
        }
    }
    warnings
}
