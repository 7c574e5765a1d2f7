//! Bounds and rate limits.

use super::{Limited, change_within};
use crate::spec::{PolicyKind, RatePolicy, Rules, SelectPolicy};
use crate::state::{Reason, ScaleEvent};
use crate::{Settings, Time};

/// Bounds of the spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// `minReplicas`.
    pub min: u32,
    /// `maxReplicas`.
    pub max: u32,
}

/// The rescales that rate limits look back at.
#[derive(Debug, Clone, Copy)]
pub struct Past<'a> {
    /// Upscales.
    pub up: &'a [ScaleEvent],
    /// Downscales.
    pub down: &'a [ScaleEvent],
    /// The time.
    pub now: Time,
}

/// Without `behavior`: the bounds, and upwards at most a multiple of the current count per round.
pub fn clamp(settings: &Settings, bounds: Bounds, current: u32, desired: u32) -> Limited {
    let grown = (settings.scale_up_limit_factor * f64::from(current)).max(settings.scale_up_limit_minimum);
    let limit = grown as u32;
    let (allowed, above) = if bounds.max > limit {
        (limit, Reason::ScaleUpLimit)
    } else {
        (bounds.max, Reason::TooManyReplicas)
    };
    let (replicas, reason) = if desired < bounds.min {
        (bounds.min, Reason::TooFewReplicas)
    } else if desired > allowed {
        (allowed, above)
    } else {
        (desired, Reason::DesiredWithinRange)
    };
    Limited { replicas, reason, policy: None }
}

/// With `behavior`: the bounds and the policies of the direction that is wanted. A count that is kept is not checked.
pub fn rate_limit(
    bounds: Bounds,
    current: u32,
    desired: u32,
    up: Rules<'_>,
    down: Rules<'_>,
    past: Past<'_>,
) -> Limited {
    let within = Limited { replicas: desired, reason: Reason::DesiredWithinRange, policy: None };
    if desired > current {
        let (limit, policy) = up_limit(current, up, past);
        let limit = limit.max(i64::from(current));
        if i64::from(desired) <= limit.min(i64::from(bounds.max)) {
            return within;
        }
        if i64::from(bounds.max) > limit {
            return Limited { replicas: limit as u32, reason: Reason::ScaleUpLimit, policy };
        }
        return Limited { replicas: bounds.max, reason: Reason::TooManyReplicas, policy: None };
    }
    if desired < current {
        let (limit, policy) = down_limit(current, down, past);
        let limit = limit.min(i64::from(current));
        if i64::from(desired) >= limit.max(i64::from(bounds.min)) {
            return within;
        }
        if i64::from(bounds.min) < limit {
            return Limited { replicas: limit as u32, reason: Reason::ScaleDownLimit, policy };
        }
        return Limited { replicas: bounds.min, reason: Reason::TooFewReplicas, policy: None };
    }
    within
}

/// The highest count the policies allow now, and the policy that says so. It may lie below the current count.
pub fn up_limit(current: u32, rules: Rules<'_>, past: Past<'_>) -> (i64, Option<RatePolicy>) {
    limit(current, rules, past, rules.select_policy != SelectPolicy::Min, |start, policy| {
        match policy.kind {
            PolicyKind::Pods => start + i64::from(policy.value),
            // Rounded up, or one instance could never grow by a small percentage.
            PolicyKind::Percent => saturate((start as f64 * (1.0 + f64::from(policy.value) / 100.0)).ceil()),
        }
    })
}

/// The lowest count the policies allow now, and the policy that says so. It may lie above the current count.
pub fn down_limit(current: u32, rules: Rules<'_>, past: Past<'_>) -> (i64, Option<RatePolicy>) {
    limit(current, rules, past, rules.select_policy == SelectPolicy::Min, |start, policy| match policy.kind {
        PolicyKind::Pods => start - i64::from(policy.value),
        PolicyKind::Percent => saturate((start as f64 * (1.0 - f64::from(policy.value) / 100.0)).trunc()),
    })
}

/// Evaluates every policy from the count at the start of its period. Both kinds of events count for both directions:
/// what was added since is taken back and what was removed is given back.
fn limit(
    current: u32,
    rules: Rules<'_>,
    past: Past<'_>,
    highest_wins: bool,
    allow: impl Fn(i64, RatePolicy) -> i64,
) -> (i64, Option<RatePolicy>) {
    if rules.select_policy == SelectPolicy::Disabled {
        return (i64::from(current), None);
    }
    let mut best: Option<(i64, RatePolicy)> = None;
    for policy in rules.policies {
        let added = change_within(past.up, policy.period_s, past.now);
        let removed = change_within(past.down, policy.period_s, past.now);
        let start = i64::from(current) - added + removed;
        let proposed = allow(start, *policy);
        let better = |(limit, _): (i64, _)| if highest_wins { proposed > limit } else { proposed < limit };
        if best.is_none_or(better) {
            best = Some((proposed, *policy));
        }
    }
    best.map_or((i64::from(current), None), |(limit, policy)| (limit, Some(policy)))
}

/// Counts are i32 in Kubernetes.
fn saturate(value: f64) -> i64 {
    i64::from(value as i32)
}
