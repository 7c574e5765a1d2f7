//! A second policy that decides beside the live one and acts on nothing, so that it can be judged on real load first.
//!
//! It sees what the live policy sees, the live number of instances included: its answer is what it would do now. What it
//! *would have* led to is for the simulator; here the difference at each moment is counted.
//!
//! Wanted properties, each a test below:
//! - a difference is an event when it begins, changes or ends, at most one a minute, and says how often it was silent;
//! - instance-seconds of both are added up, so that the price of the difference is known;
//! - nothing that the shadow decides is written anywhere but into its own memory.

use std::sync::Arc;

use plimsoll_scale::policy::{self, Policy, PolicyDecision, PolicyState, Signals};
use plimsoll_scale::{Observation, Settings, Time};
use serde::{Deserialize, Serialize};

use crate::record::{Draft, Kind};
use crate::view::ShadowView;

/// Between two events of one shadow.
const EVENTS_APART_S: u32 = 60;
/// A longer pause between two rounds is not counted: nobody knows what would have been decided.
const LONGEST_ROUND_MS: i64 = 60_000;

/// The policy, and what was last told of it.
#[derive(Clone, Debug)]
pub(crate) struct Shadow {
    policy: Arc<Policy>,
    told: Option<Told>,
    /// Changes that were not told, as they came too fast.
    silent: u32,
    latest: Option<ShadowView>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    difference: i64,
    at: Time,
}

/// What survives a restart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Memory {
    policy: PolicyState,
    /// When the latest round was, and what both asked for then.
    last: Option<(Time, u32, u32)>,
    live_instance_ms: u64,
    shadow_instance_ms: u64,
}

/// A round of the live policy, beside which the shadow decides.
pub(crate) struct Beside<'a> {
    pub(crate) service: &'a str,
    pub(crate) settings: &'a Settings,
    /// With the readings of the shadow's own metrics.
    pub(crate) observed: &'a Observation,
    pub(crate) seen: &'a Signals,
    pub(crate) live: &'a PolicyDecision,
    pub(crate) now: Time,
}

/// What a round of the shadow says.
pub(crate) struct Compared {
    /// One line for `status`.
    pub(crate) line: String,
    /// An event, when there is something new.
    pub(crate) draft: Option<Draft>,
}

// === impl Shadow ===

impl Shadow {
    pub(crate) fn new(policy: Arc<Policy>) -> Self {
        Self { policy, told: None, silent: 0, latest: None }
    }

    /// The policy.
    pub(crate) fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// What both wanted at the latest round.
    pub(crate) fn latest(&self) -> Option<ShadowView> {
        self.latest
    }

    /// Decides beside the live policy.
    pub(crate) fn decide(&mut self, memory: &mut Memory, beside: &Beside<'_>) -> Compared {
        let Beside { settings, observed, seen, live, now, .. } = *beside;
        // What it wants is not written, so there is nothing to settle: its rate limits see no rescale of its own.
        let decided = policy::decide(&self.policy, settings, &mut memory.policy, observed, seen, now);
        let (wants, has) = (decided.decision.desired, live.decision.desired);
        memory.add_up(has, wants, now);
        let (live_h, shadow_h) = memory.instance_hours();
        self.latest = Some(ShadowView {
            wants,
            live: has,
            shadow_instance_hours: shadow_h,
            live_instance_hours: live_h,
        });
        let line =
            format!("shadow: wants {wants}, live {has}; so far {shadow_h:.2} and {live_h:.2} instance hours");
        Compared { line, draft: self.tell(&decided, beside) }
    }

    fn tell(&mut self, decided: &PolicyDecision, beside: &Beside<'_>) -> Option<Draft> {
        let Beside { service, seen, live, now, .. } = *beside;
        let (wants, has) = (decided.decision.desired, live.decision.desired);
        let difference = i64::from(wants) - i64::from(has);
        if difference == self.told.map_or(0, |told| told.difference) {
            return None;
        }
        if self.told.is_some_and(|told| told.at.plus_s(EVENTS_APART_S) > now) {
            self.silent = self.silent.saturating_add(1);
            return None;
        }
        self.told = Some(Told { difference, at: now });
        let mut summary = match difference {
            0 => format!("shadow agrees again: {wants}"),
            _ => format!("shadow wants {wants} where the live policy wants {has}: {}", decided.summary()),
        };
        if self.silent > 0 {
            summary.push_str(&format!(" ({} rounds that differed otherwise were not told)", self.silent));
            self.silent = 0;
        }
        let detail = serde_json::json!({
            "shadow": { "spec": self.policy.spec(), "decision": decided, "signals": seen }, "now": now,
        });
        Some(Draft::event(Kind::Shadow, service, summary).replicas(has, wants).detail(detail))
    }
}

// === impl Memory ===

impl Memory {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn add_up(&mut self, has: u32, wants: u32, now: Time) {
        if let Some((at, live, shadow)) = self.last {
            let elapsed_ms = now.since_ms(at);
            if (0..=LONGEST_ROUND_MS).contains(&elapsed_ms) {
                let elapsed_ms = elapsed_ms.unsigned_abs();
                self.live_instance_ms += u64::from(live) * elapsed_ms;
                self.shadow_instance_ms += u64::from(shadow) * elapsed_ms;
            }
        }
        self.last = Some((now, has, wants));
    }

    /// Of the live policy and of the shadow.
    fn instance_hours(&self) -> (f64, f64) {
        let hours = |ms: u64| ms as f64 / 3_600_000.0;
        (hours(self.live_instance_ms), hours(self.shadow_instance_ms))
    }
}

#[cfg(test)]
mod tests;
