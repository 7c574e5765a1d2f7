//! Events of their own for what a decision only mentions: a jump above the alert threshold, and flapping. Each is told of
//! when it begins, not at every round it lasts.

use plimsoll_scale::policy::PolicyDecision;

use crate::record::{Draft, Kind};

/// What has been told of and still lasts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Alerts {
    jumping: bool,
    flapping: bool,
}

// === impl Alerts ===

impl Alerts {
    /// Drafts for what begins with this decision. `threshold` is `step.alertAbove`.
    pub(crate) fn compare(
        &mut self,
        service: &str,
        decided: &PolicyDecision,
        threshold: Option<u32>,
    ) -> Vec<Draft> {
        let (from, to) = (decided.decision.current, decided.decision.desired);
        let draft = |summary: String| Draft::event(Kind::Alert, service, summary).replicas(from, to);
        let mut drafts = Vec::new();
        if let Some(jump) = decided.jump_alert.filter(|_| !self.jumping) {
            let most = threshold.unwrap_or(0);
            drafts.push(draft(format!("wants to jump by {jump} instances at once, more than {most}")));
        }
        if let Some(flapping) = decided.flapping.filter(|_| !self.flapping) {
            drafts.push(draft(format!(
                "flapping: {} changes of direction in {} s; a longer stabilisation window or a higher target helps",
                flapping.reversals, flapping.window_s
            )));
        }
        *self = Self { jumping: decided.jump_alert.is_some(), flapping: decided.flapping.is_some() };
        drafts
    }
}
