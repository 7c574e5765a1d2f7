//! How fast and how far a count may move: the `behavior` of a spec.

use serde::{Deserialize, Serialize};

use super::{defaults, quantity};

/// Rate limits and stabilisation per direction. As soon as it exists both directions get defaults.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Behavior {
    /// Upwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_up: Option<ScalingRules>,
    /// Downwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_down: Option<ScalingRules>,
}

/// Rules of one direction, as written; see [`ScalingRules::resolve_up`] and [`ScalingRules::resolve_down`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScalingRules {
    /// Seconds of past recommendations that bind this direction, at most [`defaults::MAX_STABILIZATION_S`].
    #[serde(default, rename = "stabilizationWindowSeconds", skip_serializing_if = "Option::is_none")]
    pub stabilization_window_s: Option<u32>,
    /// Which policy counts when several apply; Max when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub select_policy: Option<SelectPolicy>,
    /// Rate limits; the defaults of the direction when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policies: Option<Vec<RatePolicy>>,
    /// Half-width of the dead band on this side of a ratio of 1, as a fraction; the global one when absent.
    #[serde(default, with = "quantity::fraction", skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<f64>,
}

/// How several rate policies combine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum SelectPolicy {
    /// The policy that allows the largest change.
    #[default]
    Max,
    /// The policy that allows the smallest change.
    Min,
    /// No change in this direction.
    Disabled,
}

/// One rate limit: at most `value` per `period_s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RatePolicy {
    /// Unit of `value`.
    #[serde(rename = "type")]
    pub kind: PolicyKind,
    /// Instances or per cent, above zero.
    pub value: i32,
    /// Window in seconds, 1 to [`defaults::MAX_PERIOD_S`].
    #[serde(rename = "periodSeconds")]
    pub period_s: u32,
}

/// Unit of a [`RatePolicy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PolicyKind {
    /// Whole instances.
    Pods,
    /// Per cent of the replicas at the start of the period.
    Percent,
}

/// Rules of one direction with every default filled in; borrows the policies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules<'a> {
    /// Seconds of past recommendations that bind this direction.
    pub stabilization_window_s: u32,
    /// Which policy counts.
    pub select_policy: SelectPolicy,
    /// Rate limits.
    pub policies: &'a [RatePolicy],
}

// === impl Behavior ===

impl Behavior {
    /// Upward rules with defaults.
    pub fn up(&self) -> Rules<'_> {
        self.scale_up.as_ref().map_or(UP, ScalingRules::resolve_up)
    }

    /// Downward rules with defaults; the window falls back to the global one, given in seconds.
    pub fn down(&self, global_window_s: u32) -> Rules<'_> {
        match &self.scale_down {
            Some(rules) => rules.resolve_down(global_window_s),
            None => Rules { stabilization_window_s: global_window_s, ..DOWN },
        }
    }
}

const UP: Rules<'static> = Rules {
    stabilization_window_s: defaults::SCALE_UP_STABILIZATION_S,
    select_policy: SelectPolicy::Max,
    policies: defaults::SCALE_UP_POLICIES,
};

const DOWN: Rules<'static> = Rules {
    stabilization_window_s: defaults::DOWNSCALE_STABILIZATION_S,
    select_policy: SelectPolicy::Max,
    policies: defaults::SCALE_DOWN_POLICIES,
};

// === impl ScalingRules ===

impl ScalingRules {
    /// As upward rules: what is absent gets the upward default.
    pub fn resolve_up(&self) -> Rules<'_> {
        self.over(UP)
    }

    /// As downward rules: what is absent gets the downward default; the window is the global one, in seconds.
    pub fn resolve_down(&self, global_window_s: u32) -> Rules<'_> {
        self.over(Rules { stabilization_window_s: global_window_s, ..DOWN })
    }

    /// True when the user wrote rate limits for this direction, or switched it off.
    pub fn limits_rate(&self) -> bool {
        self.policies.is_some() || self.select_policy == Some(SelectPolicy::Disabled)
    }

    fn over<'a>(&'a self, base: Rules<'a>) -> Rules<'a> {
        Rules {
            stabilization_window_s: self.stabilization_window_s.unwrap_or(base.stabilization_window_s),
            select_policy: self.select_policy.unwrap_or(base.select_policy),
            policies: self.policies.as_deref().unwrap_or(base.policies),
        }
    }
}
