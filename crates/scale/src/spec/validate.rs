//! The rules of `apis/autoscaling/validation` that a spec must keep.

use super::{Behavior, HpaSpec, MetricSpec, ScalingRules, Target, defaults};

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Path of the field inside the spec, for instance `metrics[0].resource.target.averageUtilization`.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

pub(super) fn problems(spec: &HpaSpec) -> Vec<Problem> {
    let mut found = Problems::default();
    bounds(spec, &mut found);
    for (index, metric) in spec.metrics.iter().enumerate() {
        check_metric(metric, &format!("metrics[{index}]"), &mut found);
    }
    if let Some(Behavior { scale_up, scale_down }) = &spec.behavior {
        for (rules, path) in [(scale_up, "behavior.scaleUp"), (scale_down, "behavior.scaleDown")] {
            if let Some(rules) = rules {
                check_rules(rules, path, &mut found);
            }
        }
    }
    found.0
}

fn bounds(spec: &HpaSpec, found: &mut Problems) {
    found.unless(spec.max_replicas >= 1, "maxReplicas", "must be at least 1");
    found.unless(
        spec.max_replicas <= i32::MAX as u32,
        "maxReplicas",
        format_args!("must be at most {}", i32::MAX),
    );
    found.unless(
        spec.min() <= spec.max_replicas,
        "minReplicas",
        format_args!("{} is above maxReplicas {}", spec.min(), spec.max_replicas),
    );
    found.unless(
        spec.min() > 0 || spec.has_object_or_external(),
        "minReplicas",
        "zero needs an Object or External metric, because no instance is left to measure",
    );
}

fn check_metric(metric: &MetricSpec, path: &str, found: &mut Problems) {
    let (section, fits) = match (metric, metric.target()) {
        (MetricSpec::Resource { .. }, Some(target)) => ("resource", !matches!(target, Target::Value(_))),
        (MetricSpec::ContainerResource { .. }, Some(target)) => {
            ("containerResource", !matches!(target, Target::Value(_)))
        }
        (MetricSpec::Pods { .. }, Some(target)) => ("pods", matches!(target, Target::AverageValue(_))),
        (MetricSpec::Object { .. }, Some(target)) => ("object", !matches!(target, Target::Utilization(_))),
        (MetricSpec::External { .. }, Some(target)) => {
            ("external", !matches!(target, Target::Utilization(_)))
        }
        (_, _) => {
            found.unless(
                false,
                &format!("{path}.type"),
                "must be Resource, ContainerResource, Pods, Object or External",
            );
            return;
        }
    };
    found.unless(
        fits,
        &format!("{path}.{section}.target.type"),
        format_args!("is not possible for a metric of type {}", metric.kind()),
    );
    let is_resource = matches!(metric, MetricSpec::Resource { .. } | MetricSpec::ContainerResource { .. });
    let name = if is_resource { "name" } else { "metric.name" };
    found.unless(!metric.name().is_empty(), &format!("{path}.{section}.{name}"), "must not be empty");
    if let MetricSpec::ContainerResource { container, .. } = metric {
        found.unless(
            !container.is_empty(),
            &format!("{path}.containerResource.container"),
            "must not be empty",
        );
    }
    let (field, positive) = match metric.target() {
        Some(Target::Utilization(pct)) => ("averageUtilization", pct > 0),
        Some(Target::AverageValue(milli)) => ("averageValue", milli > 0),
        Some(Target::Value(milli)) => ("value", milli > 0),
        None => return,
    };
    found.unless(positive, &format!("{path}.{section}.target.{field}"), "must be above zero");
}

fn check_rules(rules: &ScalingRules, path: &str, found: &mut Problems) {
    found.unless(
        rules.stabilization_window_s.unwrap_or(0) <= defaults::MAX_STABILIZATION_S,
        &format!("{path}.stabilizationWindowSeconds"),
        format_args!("must be at most {}", defaults::MAX_STABILIZATION_S),
    );
    found.unless(
        rules.tolerance.is_none_or(|tolerance| tolerance >= 0.0),
        &format!("{path}.tolerance"),
        "must not be below zero",
    );
    let Some(policies) = &rules.policies else { return };
    found.unless(!policies.is_empty(), &format!("{path}.policies"), "must have at least one policy");
    for (index, policy) in policies.iter().enumerate() {
        found.unless(policy.value > 0, &format!("{path}.policies[{index}].value"), "must be above zero");
        found.unless(
            (1..=defaults::MAX_PERIOD_S).contains(&policy.period_s),
            &format!("{path}.policies[{index}].periodSeconds"),
            format_args!("must be between 1 and {}", defaults::MAX_PERIOD_S),
        );
    }
}

#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn unless(&mut self, holds: bool, path: &str, message: impl std::fmt::Display) {
        if !holds {
            self.0.push(Problem { path: path.to_owned(), message: message.to_string() });
        }
    }
}
