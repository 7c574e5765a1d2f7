//! Metrics that every instance reports: HPA.md sections 4.2 and 4.3.

use super::group::{Group, Groups, group, is_stale};
use super::requests::request;
use super::{Current, Held, MetricError, Proposal};
use crate::observe::{Instance, Sample};
use crate::settings::Tolerances;
use crate::{Settings, Time};

/// What the calculations of one round share.
#[derive(Debug, Clone, Copy)]
pub struct Round<'a> {
    /// Settings of the controller.
    pub settings: &'a Settings,
    /// The dead band of the spec.
    pub tolerances: Tolerances,
    /// Every instance.
    pub instances: &'a [Instance],
    /// Replicas asked for last.
    pub spec_replicas: u32,
    /// Replicas that exist.
    pub status_replicas: u32,
    /// The time.
    pub now: Time,
    /// Instances that became ready less than this many seconds ago do not multiply a `Value` ratio (not in Kubernetes).
    pub settle_s: Option<u32>,
}

/// Sums over the samples that count; i128 so that no input overflows.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    /// Usage of known instances.
    usage: i128,
    /// Number of samples of known instances.
    known: i64,
    /// Usage of samples whose instance nobody knows. Kubernetes drops only the samples of ignored and unready
    /// instances, so these stay in averages and in counts; without a request they have no part in a utilisation.
    unknown_usage: i128,
    /// Number of those samples.
    unknown: i64,
}

/// Replicas for a target in per cent of the request. The percentage is truncated before it is compared (10.9 % counts
/// as 10 %), and the ratio multiplies the counted instances, not the current replicas.
pub fn utilization(
    round: &Round<'_>,
    resource: &str,
    container: Option<&str>,
    target_pct: i32,
    samples: &[Sample],
) -> Result<Proposal, MetricError> {
    let fallback_pct = i128::from(target_pct.max(100));
    let (mut ready_request, mut unready_request) = (0_i128, 0_i128);
    let (mut missing_request, mut missing_usage) = (0_i128, 0_i128);
    let mut failure = None;
    let (groups, sums) = counted(round, samples, resource == "cpu", |instance, group| {
        let own = match request(instance, resource, container, round.settings.pod_level_resources) {
            Ok(own) => i128::from(own),
            Err(error) => {
                failure.get_or_insert(error);
                return;
            }
        };
        match group {
            Group::Ready => ready_request += own,
            Group::Unready => unready_request += own,
            Group::Missing => {
                missing_request += own;
                missing_usage += own * fallback_pct / 100;
            }
            Group::Ignored => {}
        }
    })?;
    if let Some(error) = failure {
        return Err(error);
    }
    let pct = percent(sums.usage, ready_request)?;
    let ratio = f64::from(pct) / f64::from(target_pct);
    let current =
        Current::Utilization { pct, average_milli: narrow(sums.usage / i128::from(sums.known.max(1))) };

    let fill = Fill::new(groups, ratio);
    let usage = sums.usage + if ratio < 1.0 { missing_usage } else { 0 };
    let request = ready_request
        + if fill.missing > 0 { missing_request } else { 0 }
        + if fill.unready > 0 { unready_request } else { 0 };
    let filled_ratio = || Ok(f64::from(percent(usage, request)?) / f64::from(target_pct));
    let count = sums.known + sums.unknown + fill.missing + fill.unready;
    propose(round, groups, current, ratio, count, filled_ratio)
}

/// Replicas for a target average per instance, in milli-units. Only CPU is held back while an instance starts up.
pub fn average_value(
    round: &Round<'_>,
    cpu: bool,
    target_milli: i64,
    samples: &[Sample],
) -> Result<Proposal, MetricError> {
    let (groups, sums) = counted(round, samples, cpu, |_, _| {})?;
    let (usage, count) = (sums.usage + sums.unknown_usage, sums.known + sums.unknown);
    let milli = narrow(usage / i128::from(count));
    let ratio = milli as f64 / target_milli as f64;

    let fill = Fill::new(groups, ratio);
    let filled_usage =
        usage + if ratio < 1.0 { i128::from(target_milli) * i128::from(fill.missing) } else { 0 };
    let filled_count = count + fill.missing + fill.unready;
    let filled_ratio = || Ok(narrow(filled_usage / i128::from(filled_count)) as f64 / target_milli as f64);
    propose(round, groups, Current::Average { milli }, ratio, filled_count, filled_ratio)
}

/// Groups the instances, calls `each` with every one of them, and adds up the samples that count.
fn counted<'a>(
    round: &Round<'a>,
    samples: &[Sample],
    cpu: bool,
    mut each: impl FnMut(&'a Instance, Group),
) -> Result<(Groups, Sums), MetricError> {
    let fresh = || samples.iter().filter(|sample| !is_stale(sample, round.settings, round.now));
    if fresh().next().is_none() {
        let newest = samples.iter().map(|sample| sample.at).max();
        return Err(newest.map_or(MetricError::NoMetricsReturned, |at| MetricError::Stale {
            age_s: round.now.since_ms(at) / 1000,
        }));
    }
    if round.instances.is_empty() {
        return Err(MetricError::NoInstances);
    }
    let mut sums = Sums::default();
    let (mut matched, mut matched_usage) = (0_i64, 0_i128);
    let groups =
        group(round.instances, samples, cpu, round.settings, round.now, |instance, sample, group| {
            each(instance, group);
            let Some(sample) = sample else { return };
            matched += 1;
            matched_usage += i128::from(sample.milli);
            if group == Group::Ready {
                sums.known += 1;
                sums.usage += i128::from(sample.milli);
            }
        });
    let (count, usage) = fresh().fold((0_i64, 0_i128), |(n, sum), s| (n + 1, sum + i128::from(s.milli)));
    if count > matched {
        sums.unknown = count - matched;
        sums.unknown_usage = usage - matched_usage;
    }
    if sums.known + sums.unknown == 0 {
        return Err(MetricError::NoMetricsForCountedInstances);
    }
    Ok((groups, sums))
}

/// How many instances are filled in: the missing ones unless the ratio is exactly 1, the unready ones only upwards.
#[derive(Debug, Clone, Copy)]
struct Fill {
    missing: i64,
    unready: i64,
}

impl Fill {
    fn new(groups: Groups, ratio: f64) -> Self {
        Self {
            missing: if ratio == 1.0 { 0 } else { i64::from(groups.missing) },
            unready: if ratio > 1.0 { i64::from(groups.unready) } else { 0 },
        }
    }
}

/// Whole per cent, truncated.
fn percent(usage: i128, request: i128) -> Result<i32, MetricError> {
    if request == 0 {
        return Err(MetricError::NoMetricsMatchedKnownInstances);
    }
    let pct = usage * 100 / request;
    Ok(pct.clamp(i128::from(i32::MIN), i128::from(i32::MAX)) as i32)
}

/// The tail that both kinds share: hold inside the tolerance, else multiply; and when instances had to be filled in,
/// never act against the direction of what was really measured.
fn propose(
    round: &Round<'_>,
    groups: Groups,
    current: Current,
    ratio: f64,
    filled_count: i64,
    filled_ratio: impl FnOnce() -> Result<f64, MetricError>,
) -> Result<Proposal, MetricError> {
    let keep = round.spec_replicas as i32;
    let proposal = |replicas, held, filled_ratio| Proposal {
        replicas,
        current,
        ratio: Some(ratio),
        filled_ratio,
        held,
        groups: Some(groups),
    };
    let up_with_unready = groups.unready > 0 && ratio > 1.0;
    if !up_with_unready && groups.missing == 0 {
        if round.tolerances.within(ratio) {
            return Ok(proposal(keep, Some(Held::WithinTolerance), None));
        }
        return Ok(proposal((ratio * f64::from(groups.ready)).ceil() as i32, None, None));
    }
    let filled = filled_ratio()?;
    let held = |held| Ok(proposal(keep, Some(held), Some(filled)));
    if round.tolerances.within(filled) {
        return held(Held::WithinToleranceAfterFill);
    }
    if (ratio < 1.0 && filled > 1.0) || (ratio > 1.0 && filled < 1.0) {
        return held(Held::DirectionTurned);
    }
    let replicas = (filled * filled_count as f64).ceil() as i32;
    if (filled < 1.0 && replicas > keep) || (filled > 1.0 && replicas < keep) {
        return held(Held::CountContradicts);
    }
    Ok(proposal(replicas, None, Some(filled)))
}

fn narrow(value: i128) -> i64 {
    value.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}
