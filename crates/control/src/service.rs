//! One service under control: what is asked of it, what its policy remembers, who is on the way out.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use plimsoll_fleet::{Health, Instance, InstanceId, ServiceSpec, State};
use plimsoll_scale::observe::Requests;
use plimsoll_scale::policy::{Policy, PolicyDecision, PolicyState};
use plimsoll_scale::spec::policy::ScalingPolicy;
use plimsoll_scale::vpa::UsageCheckpoint;
use plimsoll_scale::{State as History, Time};
use plimsoll_stack::Service;
use serde::{Deserialize, Serialize};

use crate::{
    alert::Alerts,
    pace::Pace,
    plan::{Member, Phase},
    record::{Draft, Kind},
    shadow::{self, Shadow},
    sizing::Sizing,
};

/// What survives a restart of plimsoll.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// Instances asked for.
    pub(crate) desired: u32,
    /// History of the scaling policy: recommendations, scale events, what its parts learnt.
    #[serde(default)]
    pub(crate) policy: PolicyState,
    /// Measured time from launch to ready, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) startup_ms: Option<u64>,
    /// History of the shadow policy.
    #[serde(default, skip_serializing_if = "shadow::Memory::is_empty")]
    pub(crate) shadow: shadow::Memory,
    /// CPU and memory that its instances used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) usage: Option<UsageCheckpoint>,
}

/// One service and everything the controller knows about it.
pub(crate) struct Managed {
    pub(crate) service: Service,
    pub(crate) spec: Arc<ServiceSpec>,
    pub(crate) memory: Memory,
    /// The scaling policy ready to decide with.
    pub(crate) policy: Option<Arc<Policy>>,
    /// The policy that decides beside it and acts on nothing.
    pub(crate) shadow: Option<Shadow>,
    /// What its usage says of the size of an instance, when that is asked for.
    pub(crate) sizing: Option<Sizing>,
    /// When it is asked between two syncs.
    pub(crate) pace: Pace,
    /// What it has been warned of already.
    pub(crate) alerts: Alerts,
    /// Instances that are being drained, whatever the fleet calls them yet.
    pub(crate) leaving: BTreeSet<InstanceId>,
    /// Instances that run an earlier specification, or that a restart was asked for.
    pub(crate) outdated: BTreeSet<InstanceId>,
    /// One line a metric, from the latest decision.
    pub(crate) metrics: Vec<String>,
    /// Why the number was last held, so that only a new reason is recorded, and when that was recorded.
    last_hold: Option<String>,
    held_at: Option<Time>,
    /// Reasons told since the number last changed, and when: two that take turns are told once each.
    told_holds: BTreeMap<String, Time>,
}

/// Between two recorded holds of a policy that decides many times a second.
const HOLDS_APART_S: u32 = 10;

/// Two events that keep the number for the same reason, with another reason or none in between.
const SAME_HOLD_APART_S: u32 = 300;

// === impl Managed ===

impl Managed {
    /// Takes a service under control, with what is remembered of it.
    /// `base` is the directory of the stack file.
    pub(crate) fn new(name: &str, service: &Service, base: &Path, memory: Option<Memory>, now: Time) -> Self {
        let (min, max) = service.bounds();
        // A remembered number is kept within today's bounds.
        let mut memory = memory.unwrap_or_else(|| Memory::first(service, now));
        memory.desired = memory.desired.clamp(min, max);
        let spec = Arc::new(fleet_spec(name, service, base));
        Self {
            service: service.clone(),
            spec,
            policy: compile(name, service.scaling.as_ref()),
            shadow: compile(name, service.shadow.as_ref()).map(Shadow::new),
            sizing: Sizing::new(service, memory.usage.as_ref()),
            pace: Pace::default(),
            alerts: Alerts::default(),
            leaving: BTreeSet::new(),
            outdated: BTreeSet::new(),
            metrics: Vec::new(),
            last_hold: None,
            held_at: None,
            told_holds: BTreeMap::new(),
            memory,
        }
    }

    /// The members as the plan sees them.
    pub(crate) fn members(&self, instances: &[&Instance], load: &BTreeMap<String, u64>) -> Vec<Member> {
        let living = instances.iter().filter(|instance| instance.state != State::Stopped);
        living
            .map(|instance| {
                let id = instance.id.to_string();
                Member {
                    sequence: instance.id.number(),
                    phase: self.phase(instance),
                    outdated: self.outdated.contains(&instance.id),
                    load: load.get(&id).copied().unwrap_or(0),
                    id,
                }
            })
            .collect()
    }

    /// What an instance requests: the size it was started with.
    pub(crate) fn requests(&self, instance: &Instance) -> Requests {
        let stated = &self.service.resources;
        let memory = instance.memory_limit_bytes.or(stated.memory_bytes);
        let sized = self.sizing.as_ref().and_then(|sizing| sizing.cpu_milli(&instance.id));
        Requests {
            cpu_milli: sized.or(stated.cpu_milli),
            memory_milli: memory.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX).saturating_mul(1000)),
        }
    }

    fn phase(&self, instance: &Instance) -> Phase {
        if self.leaving.contains(&instance.id) {
            return Phase::Leaving;
        }
        match instance.state {
            State::Starting => Phase::Starting,
            State::Ready => Phase::Ready,
            State::NotReady => Phase::Unready,
            State::CrashLoop { .. } => Phase::Crashing,
            State::Draining | State::Stopped => Phase::Leaving,
        }
    }

    /// Takes over what the policy decided; a draft when the number changed, or is held for a new reason.
    pub(crate) fn take(
        &mut self,
        decided: &PolicyDecision,
        now: Time,
        detail: impl FnOnce() -> serde_json::Value,
    ) -> Option<Draft> {
        let decision = &decided.decision;
        let (from, to) = (decision.current, decision.desired);
        let draft = |kind| Draft::event(kind, &self.spec.name, decided.summary()).replicas(from, to);
        if decision.write {
            self.memory.desired = to;
            self.last_hold = None;
            self.told_holds.clear();
            return Some(draft(Kind::Scale).detail(detail()));
        }
        // Asking for fewer than the lower bound is what an idle service does all day; wanting more than the upper bound is news.
        let wanted = decision.explanation.wanted.map(|wanted| wanted.max(decision.explanation.min_replicas));
        let wanted_other = wanted.is_some_and(|wanted| wanted != from);
        if !wanted_other && !decision.is_blind() {
            self.last_hold = None;
            return None;
        }
        let reason = hold_reason(decided);
        if self.last_hold.as_ref() == Some(&reason) {
            return None;
        }
        let paced = self.policy.as_ref().is_some_and(|policy| policy.spec().has_asking_policy());
        if paced && self.held_at.is_some_and(|at| at.plus_s(HOLDS_APART_S) > now) {
            return None;
        }
        let before = self.told_holds.get(&reason).copied();
        self.last_hold = Some(reason.clone());
        if before.is_some_and(|at| at.plus_s(SAME_HOLD_APART_S) > now) {
            return None;
        }
        self.held_at = Some(now);
        self.told_holds.insert(reason, now);
        Some(draft(Kind::Hold).detail(detail()))
    }

    /// Takes over a changed service; says in one line what that means for its instances.
    pub(crate) fn change<'a>(
        &mut self,
        service: &Service,
        base: &Path,
        own: impl Iterator<Item = &'a Instance>,
    ) -> String {
        let name = self.spec.name.clone();
        let spec = fleet_spec(&name, service, base);
        let replaced = spec != *self.spec;
        if replaced {
            self.outdated.extend(own.map(|instance| instance.id.clone()));
            self.spec = Arc::new(spec);
        }
        let (min, max) = service.bounds();
        self.memory.desired = self.memory.desired.clamp(min, max);
        if self.service.vertical != service.vertical {
            match (&mut self.sizing, service.vertical) {
                (Some(sizing), Some(wish)) => sizing.wished(wish),
                (sizing, _) => *sizing = Sizing::new(service, self.memory.usage.as_ref()),
            }
        }
        if self.service.scaling != service.scaling {
            self.policy = compile(&name, service.scaling.as_ref());
        }
        if self.service.shadow != service.shadow {
            self.shadow = compile(&name, service.shadow.as_ref()).map(Shadow::new);
            self.memory.shadow = shadow::Memory::default();
        }
        self.service = service.clone();
        if replaced {
            format!("{name}: changed, its instances are replaced one by one")
        } else {
            format!("{name}: new policy, its instances stay")
        }
    }

    /// Forgets instances that are gone.
    pub(crate) fn forget_gone(&mut self, instances: &[&Instance]) {
        let here = |id: &InstanceId| {
            instances.iter().any(|instance| instance.id == *id && instance.state != State::Stopped)
        };
        self.leaving.retain(here);
        self.outdated.retain(here);
    }
}

// === impl Memory ===

impl Memory {
    /// The first start asks for the lower bound, or for `replicas` without a policy. A policy that goes down to zero
    /// begins there, as if it had gone there itself: else zero would be a pause by hand, which no load ends.
    fn first(service: &Service, now: Time) -> Self {
        let (min, _) = service.bounds();
        if service.scaling.is_some() && min == 0 {
            let policy = PolicyState { hpa: History::beginning_at_zero(now), ..PolicyState::default() };
            return Self { desired: 0, policy, ..Self::default() };
        }
        Self { desired: service.replicas.max(min), ..Self::default() }
    }
}

/// A policy of a service, ready to decide. Reading the stack file has compiled it once already, so it does not fail.
fn compile(name: &str, policy: Option<&ScalingPolicy>) -> Option<Arc<Policy>> {
    let compiled = Policy::compile(policy?.clone());
    if let Err(error) = &compiled {
        tracing::error!(service = name, %error, "the scaling policy cannot be used, the number stays");
    }
    compiled.ok().map(Arc::new)
}

/// What tells one hold from another: the reasons, not the figures, which differ every time.
fn hold_reason(decided: &PolicyDecision) -> String {
    let decision = &decided.decision;
    let conditions = &decision.conditions;
    let reasons = [conditions.able_to_scale, conditions.scaling_active, conditions.scaling_limited];
    let mut reasons: Vec<String> =
        reasons.iter().flatten().map(|condition| condition.reason.to_string()).collect();
    reasons.extend(decided.overrides.iter().map(|one| format!("{:?}", one.by)));
    format!("{:?} {}", decision.explanation.path, reasons.join(" "))
}

/// What the fleet runs for this service.
pub(crate) fn fleet_spec(name: &str, service: &Service, base: &Path) -> ServiceSpec {
    ServiceSpec {
        name: name.to_owned(),
        command: service.command.clone(),
        directory: Some(service.working_dir(base)),
        env: service.env.clone(),
        health: service
            .health
            .as_ref()
            .map(|health| Health { liveness: health.liveness.clone(), readiness: health.readiness.clone() }),
        start_timeout: service.start_timeout,
        drain: service.drain,
        memory_limit_bytes: service.resources.memory_bytes,
    }
}

#[cfg(test)]
mod tests;
