//! Metrics that describe something else than the instances: HPA.md sections 4.4 and 4.5.

use super::{Current, Held, MetricError, Proposal, Round};
use crate::observe::{Instance, Reading};
use crate::spec::Target;
use crate::{Settings, Time};

/// Which target a sum is for; they differ in how Kubernetes adds series up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TotalOf {
    /// Compared as a whole.
    Value,
    /// Compared per instance.
    PerInstance,
}

/// The sum of what a source said, unless it failed, said nothing or said it too long ago.
pub fn total_reading(
    reading: Option<&Reading>,
    target: Target,
    settings: &Settings,
    now: Time,
) -> Result<i64, MetricError> {
    let of = match target {
        Target::AverageValue(_) => TotalOf::PerInstance,
        _ => TotalOf::Value,
    };
    let (total_milli, at) = match reading {
        None => return Err(MetricError::NoMetricsReturned),
        Some(Reading::Value { milli, at }) => (*milli, *at),
        Some(Reading::Series { milli, .. }) if milli.is_empty() => {
            return Err(MetricError::NoMetricsReturned);
        }
        Some(Reading::Series { milli, at }) => (sum(milli, of), *at),
        Some(Reading::Instances(_)) => return Err(MetricError::InvalidTarget),
        Some(Reading::Failed(error)) => return Err(error.clone()),
    };
    if settings.stale_after_s.is_some_and(|limit_s| at.plus_s(limit_s) < now) {
        return Err(MetricError::Stale { age_s: now.since_ms(at) / 1000 });
    }
    Ok(total_milli)
}

/// Adds series up, saturating at `i64::MAX`. For a per-instance target Kubernetes takes a negative running sum for an
/// overflow and stops there; that is kept.
pub fn sum(series: &[i64], of: TotalOf) -> i64 {
    let mut total = 0_i64;
    for &value in series {
        total = match total.checked_add(value) {
            Some(sum) if of == TotalOf::PerInstance && sum < 0 => return i64::MAX,
            Some(sum) => sum,
            None if value > 0 || of == TotalOf::PerInstance => return i64::MAX,
            None => i64::MIN,
        };
    }
    total
}

/// Replicas for a target on the whole value: the ratio multiplies the instances that are running and ready (so unready
/// ones shrink the answer), or stands for itself while there are no replicas.
pub fn value_target(round: &Round<'_>, total_milli: i64, target_milli: i64) -> Result<Proposal, MetricError> {
    let ratio = total_milli as f64 / target_milli as f64;
    let proposal = |replicas, held| Proposal {
        replicas,
        current: Current::Total { milli: total_milli },
        ratio: finite(ratio),
        filled_ratio: None,
        held,
        groups: None,
    };
    if round.spec_replicas == 0 {
        return Ok(proposal(ratio.ceil() as i32, None));
    }
    if round.tolerances.within(ratio) {
        return Ok(proposal(round.spec_replicas as i32, Some(Held::WithinTolerance)));
    }
    if round.instances.is_empty() {
        return Err(MetricError::NoInstances);
    }
    let ready = round.instances.iter().filter(|instance| multiplies(round, instance)).count();
    if ready == 0 && round.settle_s.is_some() {
        // Everything is on its way or has just arrived: nothing was relieved yet.
        return Ok(proposal(round.spec_replicas as i32, Some(Held::Settling)));
    }
    Ok(proposal((ratio * ready as f64).ceil() as i32, None))
}

fn multiplies(round: &Round<'_>, instance: &Instance) -> bool {
    let settled = |settle_s| {
        let since = instance.readiness.map(|readiness| readiness.since);
        since.is_none_or(|since| since.plus_s(settle_s) <= round.now)
    };
    instance.is_ready() && round.settle_s.is_none_or(settled)
}

/// Replicas for a target per instance: total over target, whatever the readiness, so the answer stays the same while
/// new instances start. With no replicas the ratio is infinite or undefined and never inside the tolerance.
pub fn per_instance_target(round: &Round<'_>, total_milli: i64, target_milli: i64) -> Proposal {
    let status = round.status_replicas;
    let ratio = total_milli as f64 / (target_milli as f64 * f64::from(status));
    let within = round.tolerances.within(ratio);
    let asked = (total_milli as f64 / target_milli as f64).ceil() as i32;
    Proposal {
        replicas: if within { status as i32 } else { asked },
        current: Current::PerInstance { milli: per_instance_usage(total_milli, status), total_milli },
        ratio: finite(ratio),
        filled_ratio: None,
        held: within.then_some(Held::WithinTolerance),
        groups: None,
    }
}

/// The total per replica, rounded up; 0 without replicas, saturating at the top.
pub fn per_instance_usage(total_milli: i64, status_replicas: u32) -> i64 {
    if total_milli as f64 >= i64::MAX as f64 {
        return i64::MAX;
    }
    if status_replicas == 0 {
        return 0;
    }
    (total_milli as f64 / f64::from(status_replicas)).ceil() as i64
}

/// JSON has no infinity: an unusable ratio is absent.
fn finite(ratio: f64) -> Option<f64> {
    ratio.is_finite().then_some(ratio)
}
