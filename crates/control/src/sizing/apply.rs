//! What a mode makes of the advice.
//!
//! `Initial` gives the advised size to every instance that is started from now on. `Recreate` also replaces running ones,
//! as the updater of the Kubernetes Vertical Pod Autoscaler evicts them, and more gently:
//! - (A) one at a time, and only while every other instance serves and nobody is on the way out;
//! - (B) the new one is ready before the old one drains: the rolling plan of the controller does that;
//! - (C) while an idle one is due, no busy one is taken.

use std::{sync::Arc, time::UNIX_EPOCH};

use plimsoll_fleet::{Fleet, Instance, InstanceId, ServiceSpec, State};
use plimsoll_scale::Time;
use plimsoll_scale::vpa::{Advice, Amounts, Apply, Due, Member};
use serde_json::json;

use super::{LEAST_SAMPLES, Sizing, amounts, words};
use crate::{
    controller::{Controller, now_ms},
    load,
    record::{Draft, Kind},
    service::Managed,
};

// === impl Controller ===

impl Controller {
    /// Feeds the recommenders of the services that ask for advice, and replaces an instance where the mode wants that.
    pub(crate) fn size(&mut self) {
        let now = now();
        let instances = self.shared.fleet.instances();
        let load = load::of(&instances, self.gateway_stats().as_ref(), &self.signals.holders);
        let mut drafts = Vec::new();
        for (name, managed) in &mut self.services {
            let own: Vec<&Instance> = instances.iter().filter(|instance| instance.service == *name).collect();
            let is_busy = |id: &str| load.get(id).is_some_and(|load| *load > 0);
            drafts.extend(managed.size(&own, is_busy, now));
        }
        for draft in drafts {
            self.record(draft);
        }
    }
}

// === impl Managed ===

impl Managed {
    /// Takes usage in and marks at most one instance as outdated for its size.
    pub(super) fn size(
        &mut self,
        own: &[&Instance],
        is_busy: impl Fn(&str) -> bool,
        now: Time,
    ) -> Option<Draft> {
        let sizing = self.sizing.as_mut()?;
        if sizing.feed(own, self.service.resources.memory_bytes, now) {
            self.memory.usage = Some(sizing.usage.checkpoint());
        }
        let staying = own.iter().filter(|one| {
            one.state != State::Stopped && one.state != State::Draining && !self.leaving.contains(&one.id)
        });
        let staying: Vec<&Instance> = staying.copied().collect();
        let members: Vec<Member> =
            staying.iter().map(|one| sizing.member(one, amounts(&self.service.resources))).collect();
        let advice = sizing.advice(&self.service, &members, now);
        let mode = sizing.wish.mode;
        sizing.lines = match &advice {
            Some(advice) => words::lines(advice, mode),
            None => vec![words::too_little(sizing.usage.samples(), LEAST_SAMPLES)],
        };
        sizing.latest = advice.as_ref().map(|advice| words::view(advice, mode));
        let advice = advice?;
        let Apply::Restart { requests, instances, .. } = &advice.apply else { return None };
        let calm = self.leaving.is_empty()
            && self.outdated.is_empty()
            && staying.len() == self.memory.desired as usize
            && staying.iter().all(|one| one.state == State::Ready);
        let due = choose(instances, is_busy).filter(|_| calm)?;
        self.outdated.insert(InstanceId::parse(&due.name)?);
        let summary = format!(
            "replacing {} for its size: {}; a new one gets {}",
            due.name,
            words::because(due, &advice),
            words::size(*requests)
        );
        let draft = Draft::event(Kind::Size, &self.spec.name, summary);
        Some(draft.detail(detail(sizing, &advice, &members, now)))
    }

    /// Starts one more instance, with the size that the mode gives to new ones; a draft when that is not what is stated.
    pub(crate) fn launch(&mut self, fleet: &Fleet) -> Option<Draft> {
        let stated = amounts(&self.service.resources);
        let advised = self.sizing.as_ref().and_then(|sizing| {
            let advice = sizing.advice(&self.service, &[], now())?;
            Some((of_new(&advice).filter(|size| *size != stated)?, advice))
        });
        let (Some((size, advice)), Some(sizing)) = (advised, &mut self.sizing) else {
            fleet.launch(&self.spec);
            return None;
        };
        let spec = ServiceSpec {
            // Only a limit that is stated is changed.
            memory_limit_bytes: self.spec.memory_limit_bytes.map(|bytes| match size.memory_bytes {
                0 => bytes,
                size => u64::try_from(size).unwrap_or(bytes),
            }),
            ..ServiceSpec::clone(&self.spec)
        };
        let id = fleet.launch(&Arc::new(spec));
        let summary =
            format!("{id} starts with {}, as advised; stated is {}", words::size(size), words::size(stated));
        sizing.sizes.insert(id, size);
        let draft = Draft::event(Kind::Size, &self.spec.name, summary);
        Some(draft.detail(detail(sizing, &advice, &[], now())))
    }
}

// === impl Sizing ===

impl Sizing {
    fn member(&self, instance: &Instance, stated: Amounts) -> Member {
        let launched = instance.launched_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        Member {
            name: Arc::from(instance.id.to_string()),
            requests: self.size_of(&instance.id, stated),
            started_at: Time(i64::try_from(launched).unwrap_or(i64::MAX)),
            out_of_memory_at: self.out_of_memory.get(&instance.id).copied(),
        }
    }
}

/// The size of instances that are started now, unless it is the stated one.
fn of_new(advice: &Advice) -> Option<Amounts> {
    match &advice.apply {
        Apply::Show => None,
        Apply::AtCreation { requests } | Apply::Restart { requests, .. } => Some(*requests),
    }
}

/// The first that is idle, else the first.
fn choose(due: &[Due], is_busy: impl Fn(&str) -> bool) -> Option<&Due> {
    due.iter().find(|due| !is_busy(&due.name)).or_else(|| due.first())
}

/// What `plimsoll why` needs.
fn detail(sizing: &Sizing, advice: &Advice, members: &[Member], now: Time) -> serde_json::Value {
    json!({ "size": {
        "lines": words::lines(advice, sizing.wish.mode), "wish": sizing.wish, "advice": advice,
        "members": members, "now": now,
    } })
}

fn now() -> Time {
    Time(i64::try_from(now_ms()).unwrap_or(i64::MAX))
}
