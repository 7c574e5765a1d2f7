//! The loop: observe → decide → act → record → publish. It owns the services; everybody else asks it through a [`Handle`].

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, RwLock},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use plimsoll_fleet::{Fleet, Instance, InstanceId, State};
use plimsoll_gateway::{Gateway, GatewayStats, Upstream};
use plimsoll_jobs::{Holder, Jobs};
use plimsoll_scale::{Settings, Time};
use plimsoll_stack::Stack;
use tokio::sync::{mpsc, watch};

use crate::{
    dead::{self, Lost},
    deciding::{self, Round},
    delay::Delays,
    feed::Feed,
    handle::{Command, Handle, Shared},
    incident::Incidents,
    load,
    log::DecisionLog,
    memory,
    plan::{Action, plan},
    publish,
    record::{Draft, Kind},
    service::Managed,
    signal::Signals,
    wake::{Bell, Bells, Looks, Pacing},
};

/// Commands that may wait; more than an operator can type.
const COMMANDS: usize = 64;

/// What the controller works with; all of it is running already.
pub struct Parts {
    /// The validated stack.
    pub stack: Stack,
    /// Directory of the stack file: relative paths in it start here.
    pub base: PathBuf,
    /// Where state is kept.
    pub state_dir: PathBuf,
    /// Who runs instances.
    pub fleet: Fleet,
    /// The edge, if the stack has one.
    pub gateway: Option<Gateway>,
    /// The queue that applications of this stack use.
    pub jobs: Jobs,
}

pub(crate) struct Controller {
    pub(crate) stack: Stack,
    pub(crate) base: PathBuf,
    pub(crate) state_dir: PathBuf,
    pub(crate) jobs: Jobs,
    pub(crate) shared: Arc<Shared>,
    pub(crate) services: BTreeMap<String, Managed>,
    /// Services taken out of the stack file whose instances are still leaving.
    pub(crate) removed: BTreeMap<String, Managed>,
    pub(crate) signals: Signals,
    /// What was learnt of queues and of the edge.
    pub(crate) feed: Feed,
    /// When the queues' histograms were last read.
    pub(crate) timed_at: Option<Instant>,
    incidents: Incidents,
    pub(crate) settings: Settings,
    pub(crate) next_sync: Instant,
    started: Instant,
    stopping: bool,
}

/// Starts the loop. It runs until [`Handle::shutdown`].
///
/// # Errors
/// When the decision log cannot be opened.
pub fn start(parts: Parts) -> std::io::Result<Handle> {
    start_paced(parts, Pacing::default())
}

/// Starts the loop with another rhythm of looks.
///
/// # Errors
/// When the decision log cannot be opened.
pub fn start_paced(parts: Parts, pacing: Pacing) -> std::io::Result<Handle> {
    let log = DecisionLog::open(&parts.state_dir)?;
    let damaged = log.damaged_lines();
    let shared = Arc::new(Shared {
        view: RwLock::new(publish::empty(&parts.stack)),
        changes: watch::Sender::new(0),
        log: Mutex::new(log),
        fleet: parts.fleet,
        gateway: parts.gateway,
        times: RwLock::default(),
        delays: Delays::default(),
    });
    let mut remembered = memory::load(&parts.state_dir).unwrap_or_else(|error| {
        tracing::warn!(%error, "the controller's memory cannot be read: every policy starts with an empty history");
        memory::Content::default()
    });
    let now = Time(i64::try_from(now_ms()).unwrap_or(i64::MAX));
    let services = parts.stack.services.iter().map(|(name, service)| {
        (name.clone(), Managed::new(name, service, &parts.base, remembered.services.remove(name), now))
    });
    let services = services.collect();
    let (commands, inbox) = mpsc::channel(COMMANDS);
    let controller = Controller {
        services,
        removed: BTreeMap::new(),
        stack: parts.stack,
        base: parts.base,
        state_dir: parts.state_dir,
        jobs: parts.jobs,
        shared: Arc::clone(&shared),
        signals: Signals::default(),
        feed: remembered.feed,
        timed_at: None,
        incidents: Incidents::default(),
        settings: deciding::settings(),
        next_sync: Instant::now(),
        started: Instant::now(),
        stopping: false,
    };
    if damaged > 0 {
        let summary = format!("{damaged} lines of the decision log could not be read and are left out");
        shared.record(Draft::event(Kind::Lifecycle, "", summary), now_ms());
    }
    // Whoever asks before the first look sees the services with no instances, not a stack without services.
    controller.publish();
    tokio::spawn(controller.run(inbox, Looks::new(pacing)));
    Ok(Handle { shared, commands })
}

// === impl Controller ===

impl Controller {
    async fn run(mut self, mut inbox: mpsc::Receiver<Command>, mut looks: Looks) {
        self.record(Draft::event(Kind::Lifecycle, "", format!("stack `{}` started", self.stack.name)));
        let edge = self.shared.gateway.as_ref().map(Gateway::changes);
        let mut bells = Bells::listen(&self.jobs, edge);
        let mut fleet_changes = self.shared.fleet.changes();
        while !self.stopping {
            let due = tokio::time::Instant::from_std(looks.next(Instant::now()));
            let mut answered = None;
            tokio::select! {
                command = inbox.recv() => match command {
                    Some(command) => self.obey(command).await,
                    None => break,
                },
                (bell, at) = bells.rung() => {
                    looks.ring(bell, at);
                    continue;
                }
                () = tokio::time::sleep_until(due) => {
                    bells.arm();
                    let rung = looks.begin(Instant::now());
                    answered = Some((rung, self.look_and_decide().await));
                }
                _ = fleet_changes.changed() => self.free_the_dead().await,
            }
            self.act();
            if let Some((rung, scaled)) = answered {
                self.shared.delays.record(&rung, &scaled);
            }
            self.publish();
        }
    }

    /// One look and what follows from it; answers which bells were about services whose number changed.
    async fn look_and_decide(&mut self) -> Vec<Bell> {
        self.look().await;
        self.free_the_dead().await;
        self.look_at_times().await;
        let mut round = Round::Events;
        if Instant::now() >= self.next_sync {
            self.next_sync = Instant::now() + self.stack.control.sync_period;
            round = Round::Sync;
            self.size();
        }
        self.decide(round)
    }

    /// Gives up the leases of workers that have ended, so that others have their jobs at once.
    async fn free_the_dead(&mut self) {
        let holders = match self.jobs.holders(None).await {
            Ok(holders) => holders,
            Err(error) => return tracing::debug!(%error, "nobody can say who holds jobs"),
        };
        let fleet = &self.shared.fleet;
        let is_private = self.stack.queue.url_env.is_none();
        let instance_of = |worker: &str| dead::instance_of(worker, fleet.home(), is_private);
        let own = |worker: &str| instance_of(worker).filter(|id| fleet.was_launched(id));
        let (instances, now_ms) = (fleet.instances(), self.jobs.now_ms());
        let lost = dead::lost(&holders, own, |id| dead::process(&instances, id), now_ms);
        // From here on they go by the names that people know, and a namesake elsewhere is not taken for ours.
        let name = |worker: String| match instance_of(&worker) {
            Some(id) => id.to_string(),
            None if InstanceId::parse(&worker).is_some() => format!("{worker}@unknown"),
            None => worker,
        };
        let named = |holder: Holder| Holder { worker: name(holder.worker), ..holder };
        self.signals.holders = holders.into_iter().map(named).collect();
        for Lost { worker, id, claimed_before_ms } in lost {
            match self.jobs.end_leases_of(&worker, claimed_before_ms).await {
                Ok(0) => {}
                Ok(count) => {
                    let jobs = if count == 1 { "1 job".to_owned() } else { format!("{count} jobs") };
                    let summary =
                        format!("{id} ended with {jobs} in its hands: others may take them at once");
                    self.record(Draft::event(Kind::Lifecycle, id.service(), summary));
                }
                Err(error) => tracing::warn!(instance = %id, %error, "its leases run out by themselves"),
            }
        }
    }

    /// Launches and drains until the fleet is what was decided, and tells the gateway who serves.
    fn act(&mut self) {
        let instances = self.shared.fleet.instances();
        let load = load::of(&instances, self.gateway_stats().as_ref(), &self.signals.holders);
        let now_ms = now_ms();
        for draft in self.incidents.compare(&instances) {
            self.shared.record(draft, now_ms);
        }
        for (name, managed) in self.services.iter_mut().chain(&mut self.removed) {
            let own: Vec<&Instance> = instances.iter().filter(|instance| instance.service == *name).collect();
            managed.forget_gone(&own);
            for action in plan(managed.memory.desired, &managed.members(&own, &load)) {
                match action {
                    Action::Launch => {
                        let sized = managed.launch(&self.shared.fleet);
                        sized.into_iter().for_each(|draft| self.shared.record(draft, now_ms));
                    }
                    Action::Drain(id) => {
                        if let Some(id) = InstanceId::parse(&id) {
                            managed.leaving.insert(id.clone());
                            tokio::spawn(retire(Arc::clone(&self.shared), id, managed.spec.drain));
                        }
                    }
                }
            }
        }
        self.removed.retain(|name, _| {
            instances.iter().any(|instance| instance.service == *name && instance.state != State::Stopped)
        });
        self.tell_gateway();
    }

    /// Gives the gateway the instances that can serve and are not on their way out.
    fn tell_gateway(&self) {
        let Some(gateway) = &self.shared.gateway else { return };
        let instances = self.shared.fleet.instances();
        for (name, managed) in &self.services {
            let serving = instances.iter().filter(|instance| {
                instance.service == *name
                    && instance.state == State::Ready
                    && !managed.leaving.contains(&instance.id)
            });
            let upstreams = serving.map(|instance| Upstream {
                id: instance.id.to_string(),
                address: instance.address,
                weight: 1,
            });
            gateway.set_upstreams(name, upstreams.collect());
        }
    }

    fn publish(&self) {
        let view = publish::view(&publish::Inputs {
            stack: &self.stack,
            services: &self.services,
            instances: &self.shared.fleet.instances(),
            gateway: self.gateway_stats(),
            edge: self.shared.gateway.as_ref().and_then(Gateway::local_addr),
            signals: &self.signals,
            log: &self.shared.log(),
            uptime: self.started.elapsed(),
            at_ms: now_ms(),
        });
        *self.shared.view.write().unwrap_or_else(std::sync::PoisonError::into_inner) = view;
        self.shared.changes.send_modify(|version| *version += 1);
    }

    /// The edge stops first and finishes what it has, so that no request meets an instance that is gone.
    pub(crate) async fn shutdown(&mut self) {
        self.stopping = true;
        self.record(Draft::event(Kind::Lifecycle, "", "stopping: instances drain"));
        let longest = self.services.values().map(|managed| managed.spec.drain).max().unwrap_or_default();
        if let Some(gateway) = &self.shared.gateway {
            gateway.shutdown(longest).await;
        }
        self.shared.fleet.shutdown().await;
        self.record(Draft::event(Kind::Lifecycle, "", format!("stack `{}` stopped", self.stack.name)));
        self.publish();
    }

    pub(crate) fn gateway_stats(&self) -> Option<GatewayStats> {
        self.shared.gateway.as_ref().map(Gateway::stats)
    }

    pub(crate) fn record(&self, draft: Draft) {
        self.shared.record(draft, now_ms());
    }
}

/// Out of the gateway first, then its requests end, then the process is told to stop.
pub(crate) async fn retire(shared: Arc<Shared>, id: InstanceId, drain: Duration) {
    if let Some(gateway) = &shared.gateway {
        // When the deadline passes the process still gets its own: SIGTERM, `drain`, SIGKILL.
        let _ = tokio::time::timeout(drain, gateway.drain(&id.to_string())).await;
    }
    shared.fleet.stop(&id).await;
}

/// Milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
