//! The search for better parameters: a grid around a policy, what of it is worth looking at, and what to take.

mod choice;

use plimsoll_scale::spec::policy::ScalingPolicy;
use plimsoll_scale::spec::{Behavior, HpaSpec, MetricSpec, PolicyKind, RatePolicy, ScalingRules, Target};
use serde::{Deserialize, Serialize};

pub use choice::{Trial, least_harm_in_parts};

/// A policy with other parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    /// What differs, in words; empty for the policy itself.
    pub changes: String,
    /// The policy.
    pub spec: ScalingPolicy,
}

/// Factors on every target of `metrics` and on `concurrency.target`.
const TARGETS: [f64; 9] = [0.25, 0.4, 0.55, 0.7, 0.85, 1.0, 1.2, 1.5, 2.0];
/// Seconds of `behavior.scaleDown.stabilizationWindowSeconds`.
const HOLDS_S: [u32; 6] = [0, 60, 300, 600, 1200, 1800];
const QUANTILES: [f64; 10] = [0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 1.0];
const QUANTILE_WINDOWS_S: [u32; 4] = [300, 600, 1200, 2400];

/// The policy itself first, then its variants: other targets, windows, hold times, and upscales without the default rate
/// limit. Bounds stay: they are what the user can pay and must have.
pub fn variants(spec: &ScalingPolicy) -> Vec<Variant> {
    let mut all = vec![Variant { changes: String::new(), spec: spec.clone() }];
    for (target_words, targeted) in with_targets(spec) {
        for (hold_words, held) in with_holds(&targeted) {
            let free_words = if held.hpa.metrics.is_empty() && held.has_asking_policy() {
                vec![(String::new(), held)]
            } else {
                let unlimited = unlimited(&held);
                vec![(String::new(), held), ("scaleUp without limit".to_owned(), unlimited)]
            };
            for (words, spec) in free_words {
                let changes = [target_words.as_str(), &hold_words, &words];
                let changes: Vec<&str> = changes.into_iter().filter(|words| !words.is_empty()).collect();
                let changes = changes.join(", ");
                if !changes.is_empty() && all.iter().all(|known| known.spec != spec) {
                    all.push(Variant { changes, spec });
                }
            }
        }
    }
    all
}

/// Indices of the points that no other point beats in both figures, cheapest first. Smaller is better in both.
pub fn pareto_front(points: &[(f64, f64)]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by(|&a, &b| points[a].0.total_cmp(&points[b].0).then(points[a].1.total_cmp(&points[b].1)));
    let mut least = f64::INFINITY;
    order.retain(|&index| {
        let better = points[index].1 < least;
        least = least.min(points[index].1);
        better
    });
    order
}

fn with_targets(spec: &ScalingPolicy) -> Vec<(String, ScalingPolicy)> {
    let mut all = Vec::new();
    let plain = !spec.stands_without_metrics();
    let factors: &[f64] =
        if plain || !spec.hpa.metrics.is_empty() || spec.formula.is_some() || spec.concurrency.is_some() {
            &TARGETS
        } else {
            &[1.0]
        };
    for &factor in factors {
        let mut words = Vec::new();
        let mut scaled = spec.clone();
        if plain {
            scaled.hpa.metrics = spec.hpa.effective_metrics().into_owned();
        }
        for metric in &mut scaled.hpa.metrics {
            if let Some(text) = scale(metric, factor) {
                words.push(text);
            }
        }
        if let Some(formula) = &mut scaled.formula {
            formula.target_milli = times(formula.target_milli, factor);
            words.push(format!("formula target {}", formula.target_milli as f64 / 1000.0));
        }
        if let Some(concurrency) = &mut scaled.concurrency {
            concurrency.target_milli = times(concurrency.target_milli, factor);
            words.push(format!("concurrency target {}", concurrency.target_milli as f64 / 1000.0));
        }
        if factor == 1.0 {
            words.clear();
            scaled.hpa.metrics.clone_from(&spec.hpa.metrics);
        }
        let Some(rule) = scaled.demand_quantile else {
            all.push((words.join(", "), scaled));
            continue;
        };
        for window_s in QUANTILE_WINDOWS_S {
            for quantile in QUANTILES {
                let mut other = scaled.clone();
                other.demand_quantile =
                    Some(plimsoll_scale::spec::policy::DemandQuantile { quantile, window_s, ..rule });
                let mut words = words.clone();
                words.push(format!("quantile {quantile} of {window_s} s"));
                all.push((words.join(", "), other));
            }
        }
    }
    all
}

fn with_holds(spec: &ScalingPolicy) -> Vec<(String, ScalingPolicy)> {
    let mut all = vec![(String::new(), spec.clone())];
    for hold_s in HOLDS_S {
        let mut held = spec.clone();
        down(&mut held.hpa).stabilization_window_s = Some(hold_s);
        all.push((format!("hold {hold_s} s"), held));
    }
    all
}

fn down(hpa: &mut HpaSpec) -> &mut ScalingRules {
    hpa.behavior.get_or_insert_with(Behavior::default).scale_down.get_or_insert_with(ScalingRules::default)
}

fn unlimited(spec: &ScalingPolicy) -> ScalingPolicy {
    let mut free = spec.clone();
    let behavior = free.hpa.behavior.get_or_insert_with(Behavior::default);
    let up = behavior.scale_up.get_or_insert_with(ScalingRules::default);
    up.policies = Some(vec![RatePolicy { kind: PolicyKind::Pods, value: 10_000, period_s: 1 }]);
    free
}

/// Scales a target and says what it is now; a percentage stays between 5 and 98.
fn scale(metric: &mut MetricSpec, factor: f64) -> Option<String> {
    let name = metric.name().to_owned();
    let target = match metric {
        MetricSpec::Resource { target, .. }
        | MetricSpec::ContainerResource { target, .. }
        | MetricSpec::Pods { target, .. }
        | MetricSpec::Object { target, .. }
        | MetricSpec::External { target, .. } => target,
        MetricSpec::Unknown { .. } => return None,
    };
    let value = match target {
        Target::Utilization(pct) => {
            *pct = (f64::from(*pct) * factor).round().clamp(5.0, 98.0) as i32;
            format!("{pct} %")
        }
        Target::AverageValue(milli) | Target::Value(milli) => {
            *milli = times(*milli, factor);
            format!("{}", *milli as f64 / 1000.0)
        }
    };
    Some(format!("{name} {value}"))
}

fn times(milli: i64, factor: f64) -> i64 {
    ((milli as f64 * factor).round() as i64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn front_keeps_what_nothing_beats() {
        let points = [(3.0, 1.0), (1.0, 5.0), (2.0, 2.0), (2.0, 3.0), (4.0, 1.0)];
        assert_eq!(pareto_front(&points), [1, 2, 0]);
    }

    #[test]
    fn the_policy_itself_comes_first_and_no_variant_twice() {
        let spec: ScalingPolicy =
            serde_json::from_value(serde_json::json!({"maxReplicas": 10})).expect("a spec");
        let all = variants(&spec);
        assert_eq!(all[0].spec, spec);
        assert!(all.len() > 50, "{}", all.len());
        for variant in &all {
            assert_eq!(variant.spec.problems(), [], "{}", variant.changes);
        }
    }
}
