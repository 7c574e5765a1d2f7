//! From signals to decisions: the half of the loop that asks the policies.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use plimsoll_fleet::{Instance, State};
use plimsoll_scale::policy::{self, Policy, PolicyDecision};
use plimsoll_scale::spec::policy::ScalingPolicy;
use plimsoll_scale::{Observation, Settings, Time, Written};
use serde_json::{Value, json};

use crate::{
    controller::{Controller, now_ms},
    feed::{Digest, Serving},
    memory, metric_line,
    observe::{self, Moment},
    service::Managed,
    shadow::Beside,
    signal::Signals,
    wake::Bell,
};

/// A signal older than this says nothing. Looks are a quarter of a second apart, so it only passes when they fail.
const STALE_AFTER_S: u32 = 60;

/// Between two readings of the queues' histograms, which their workers write about once a second.
const TIMES_APART: Duration = Duration::from_secs(1);

/// Which services are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Round {
    /// All: it is time for a sync.
    Sync,
    /// Those whose policies follow signals by event, when it is time for them.
    Events,
}

/// What the policies of every service run with.
pub(crate) fn settings() -> Settings {
    Settings { stale_after_s: Some(STALE_AFTER_S), ..Settings::default() }
}

// === impl Controller ===

impl Controller {
    /// Reads the signals that this process owns.
    pub(crate) async fn look(&mut self) {
        let queues = self.jobs.stats(None).await.map_err(|error| error.to_string());
        let at_ms = now_ms();
        self.feed.queues(queues.as_deref().ok(), at_ms);
        let queues = queues.map(|queues| queues.into_iter().map(|stats| self.feed.backlog(stats)).collect());
        let holders = std::mem::take(&mut self.signals.holders);
        let mut signals = Signals { queues, holders, ..Signals::default() };
        if let Some(stats) = self.gateway_stats() {
            signals.of_gateway(&stats);
            self.feed.edge(&stats, &self.serving(), at_ms);
            signals.requests_milli_per_s = self.feed.requests_milli_per_s();
        }
        self.signals = signals;
    }

    /// Reads how long jobs take, now and then: nothing is decided on it.
    pub(crate) async fn look_at_times(&mut self) {
        if self.timed_at.is_some_and(|at| at.elapsed() < TIMES_APART) {
            return;
        }
        self.timed_at = Some(Instant::now());
        if let Ok(times) = self.jobs.times(None).await {
            *self.shared.times.write().unwrap_or_else(std::sync::PoisonError::into_inner) = times;
        }
    }

    /// Services with a route and how they can serve now.
    fn serving(&self) -> BTreeMap<String, Serving> {
        let routes = self.stack.gateway.iter().flat_map(|gateway| &gateway.routes);
        let mut serving: BTreeMap<String, Serving> = routes
            .filter_map(|route| {
                let scaling = self.services.get(&route.service)?.service.scaling.as_ref();
                let slots = scaling.and_then(|scaling| scaling.slo).map(|slo| u64::from(slo.slots));
                Some((route.service.clone(), Serving { ready: 0, slots }))
            })
            .collect();
        for instance in self.shared.fleet.instances() {
            if let Some(state) = serving.get_mut(&instance.service) {
                state.ready += u64::from(instance.state == State::Ready);
            }
        }
        serving
    }

    /// Asks the policies of the scaled services for a decision; answers which bells were about those whose number changed.
    pub(crate) fn decide(&mut self, round: Round) -> Vec<Bell> {
        let moment =
            Moment { at: Time(i64::try_from(now_ms()).unwrap_or(i64::MAX)), instant: Instant::now() };
        let instances = self.shared.fleet.instances();
        let mut drafts = Vec::new();
        let (mut decided_any, mut scaled) = (false, Vec::new());
        for (name, managed) in &mut self.services {
            let Some(policy) = managed.policy.clone() else { continue };
            let spec = policy.spec();
            let digest = self.feed.digest(spec, name);
            if round == Round::Events && !follows_events(managed, spec, &digest, moment.instant) {
                continue;
            }
            managed.pace.decided(digest, moment.instant);
            decided_any = true;
            let measured = self.shared.fleet.startup(name).map(|took| took.as_millis());
            if let Some(ms) = measured.and_then(|ms| u64::try_from(ms).ok()) {
                managed.memory.startup_ms = Some(ms);
            }
            let own: Vec<(&Instance, bool)> = instances
                .iter()
                .filter(|instance| instance.service == *name && instance.state != State::Stopped)
                .map(|instance| (instance, managed.leaving.contains(&instance.id)))
                .collect();
            let observed = observe::observe(
                policy.metrics_to_read(),
                managed.memory.desired,
                |instance| managed.requests(instance),
                &own,
                &self.signals,
                moment,
            );
            let seen = self.feed.signals(spec, name, managed.memory.startup_ms);
            let settings = &self.settings;
            let before = managed.memory.policy.for_log();
            let state = &mut managed.memory.policy;
            let mut decided = policy::decide(&policy, settings, state, &observed, &seen, moment.at);
            // Asking the fleet for another number cannot fail; whether the instances come up is the fleet's own story.
            let written = Written::Succeeded;
            policy::settle_policy(&policy, settings, state, &mut decided, written, moment.at);
            if decided.decision.write && spec.has_asking_policy() {
                scaled.push(if spec.queue_latency.is_some() { Bell::Queue } else { Bell::Edge });
            }
            managed.metrics = metric_line::lines(&policy, &decided);
            if let Some(shadow) = &mut managed.shadow {
                let spec = shadow.policy().spec();
                let readings =
                    observe::readings(shadow.policy().metrics_to_read(), &own, &self.signals, moment);
                let observed = Observation { readings, ..observed.clone() };
                let seen = self.feed.signals(spec, name, managed.memory.startup_ms);
                let beside = Beside {
                    service: name,
                    settings,
                    observed: &observed,
                    seen: &seen,
                    live: &decided,
                    now: moment.at,
                };
                let compared = shadow.decide(&mut managed.memory.shadow, &beside);
                managed.metrics.push(compared.line);
                drafts.extend(compared.draft);
            }
            drafts.extend(managed.alerts.compare(name, &decided, spec.step.alert_above));
            drafts.extend(managed.take(&decided, moment.at, || {
                let mut told = detail(&policy, settings, &observed, &decided, moment.at);
                told["state"] = json!(before);
                if is_more_than_hpa(spec) {
                    told["signals"] = json!(seen);
                }
                told
            }));
        }
        for draft in drafts {
            self.record(draft);
        }
        if decided_any {
            self.remember();
        }
        scaled
    }

    /// Writes down what a restart needs to decide the same.
    pub(crate) fn remember(&self) {
        let services = self.services.iter().map(|(name, managed)| (name.clone(), managed.memory.clone()));
        let content = memory::Content { services: services.collect(), feed: self.feed.clone() };
        if let Err(error) = memory::save(&self.state_dir, &content) {
            tracing::error!(%error, "the controller's memory cannot be written");
        }
    }
}

/// Only policies that look at what this process owns; a pasted HPA waits for the sync.
fn follows_events(managed: &Managed, spec: &ScalingPolicy, digest: &Digest, now: Instant) -> bool {
    spec.has_asking_policy() && managed.pace.is_due(digest, now)
}

fn is_more_than_hpa(spec: &ScalingPolicy) -> bool {
    *spec != ScalingPolicy::from(spec.hpa.clone())
}

/// What `plimsoll why` needs: with the state and the signals it is everything the decision depended on, but for the
/// forecast's history, of which the report stays.
fn detail(
    policy: &Policy,
    settings: &Settings,
    observed: &Observation,
    decided: &PolicyDecision,
    now: Time,
) -> Value {
    json!({
        "spec": policy.spec(), "settings": settings, "observation": observed, "now": now, "decision": decided,
    })
}
