//! The memory between rounds. Everything a decision depends on besides the observation is here and serialisable, so
//! that a restart which restores it is no restart.

use serde::{Deserialize, Serialize};

use crate::Time;

/// History of one target.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct State {
    /// Unstabilised recommendations in storage order; `None` until this target was seen once.
    pub recommendations: Option<Vec<Recommendation>>,
    /// Upscales, kept only with `behavior`.
    #[serde(default)]
    pub up_events: Vec<ScaleEvent>,
    /// Downscales, kept only with `behavior`.
    #[serde(default)]
    pub down_events: Vec<ScaleEvent>,
    /// Conditions as they stand.
    #[serde(default)]
    pub conditions: Conditions,
    /// The last decision, for rounds that cannot read the scale.
    #[serde(default)]
    pub desired: Option<u32>,
    /// Last successful rescale; informational, there is no cooldown.
    #[serde(default)]
    pub last_scale_at: Option<Time>,
}

/// What was recommended at a time, before stabilisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recommendation {
    /// Replicas.
    pub replicas: u32,
    /// When.
    pub at: Time,
}

/// One rescale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScaleEvent {
    /// Replicas added or removed, always positive.
    pub change: u32,
    /// When.
    pub at: Time,
    /// Older than every policy period when last looked at, so its slot may be reused.
    pub outdated: bool,
}

/// The conditions of a HorizontalPodAutoscaler; absent until first set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Conditions {
    /// The scale can be read and written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub able_to_scale: Option<Condition>,
    /// Metrics lead to a count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling_active: Option<Condition>,
    /// A bound changed the wanted count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling_limited: Option<Condition>,
    /// This autoscaler itself scaled to zero, as opposed to somebody pausing it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaled_to_zero: Option<Condition>,
}

/// One condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// True or False.
    pub status: bool,
    /// Why.
    pub reason: Reason,
    /// Since when the status is what it is.
    pub since: Time,
}

/// Reasons of Kubernetes, by their names there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of Kubernetes; HPA.md section 8 lists them")]
pub enum Reason {
    SucceededGetScale,
    FailedGetScale,
    SucceededRescale,
    FailedUpdateScale,
    ReadyForNewScale,
    ScaleDownStabilized,
    ScaleUpStabilized,
    ValidMetricFound,
    ScalingDisabled,
    InvalidSelector,
    AmbiguousSelector,
    FailedGetResourceMetric,
    FailedGetContainerResourceMetric,
    FailedGetPodsMetric,
    FailedGetObjectMetric,
    FailedGetExternalMetric,
    InvalidMetricSourceType,
    DesiredWithinRange,
    TooManyReplicas,
    TooFewReplicas,
    ScaleUpLimit,
    ScaleDownLimit,
    ScaledToZero,
    NotScaledToZero,
}

// === impl State ===

impl State {
    /// History of a target that begins at zero on the autoscaler's behalf. Without it, zero replicas mean that somebody
    /// paused the target by hand, and no load would ever wake it.
    pub fn beginning_at_zero(now: Time) -> Self {
        let mut state = Self::default();
        state.conditions.scaled_to_zero(true, Reason::ScaledToZero, now);
        state
    }
}

// === impl Conditions ===

impl Conditions {
    pub(crate) fn able_to_scale(&mut self, status: bool, reason: Reason, now: Time) {
        set(&mut self.able_to_scale, status, reason, now);
    }

    pub(crate) fn scaling_active(&mut self, status: bool, reason: Reason, now: Time) {
        set(&mut self.scaling_active, status, reason, now);
    }

    pub(crate) fn scaling_limited(&mut self, status: bool, reason: Reason, now: Time) {
        set(&mut self.scaling_limited, status, reason, now);
    }

    pub(crate) fn scaled_to_zero(&mut self, status: bool, reason: Reason, now: Time) {
        set(&mut self.scaled_to_zero, status, reason, now);
    }
}

fn set(condition: &mut Option<Condition>, status: bool, reason: Reason, now: Time) {
    let since = condition.filter(|old| old.status == status).map_or(now, |old| old.since);
    *condition = Some(Condition { status, reason, since });
}

// === impl Reason ===

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}
