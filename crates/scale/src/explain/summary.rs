//! The sentence.

use std::fmt::Write as _;

use super::{Decision, Explanation, MetricReport, Path};
use crate::calculate::{Current, Held};
use crate::spec::{PolicyKind, Target};
use crate::state::Reason;

pub(super) fn of(decision: &Decision) -> String {
    let Explanation { path, min_replicas, max_replicas, .. } = decision.explanation;
    let current = decision.current;
    let mut text = match path {
        Path::NoScale => format!("the current scale could not be read; stays at {}", decision.desired),
        Path::Paused => "the target was set to zero by hand, which pauses its scaling".to_owned(),
        Path::AboveMax => format!("{current} is above maxReplicas {max_replicas}; down to it"),
        Path::BelowMin => format!("{current} is below minReplicas {min_replicas}; up to it"),
        Path::SelectorFault => format!(
            "the instances of the target cannot be told apart ({}); stays at {current}",
            decision.error.as_deref().unwrap_or("selector"),
        ),
        Path::MetricsFailed => failed(decision),
        Path::Metrics => measured(decision),
    };
    if let Some(condition) = decision.conditions.able_to_scale
        && condition.reason == Reason::FailedUpdateScale
    {
        let _ = write!(text, "; the write failed, so it stays at {current}");
    }
    text
}

fn failed(decision: &Decision) -> String {
    let metrics = &decision.explanation.metrics;
    let failures: Vec<_> = metrics
        .iter()
        .filter_map(|metric| metric.failure().map(|error| format!("{}: {error}", metric.name)))
        .collect();
    let which = if failures.len() == metrics.len() {
        "no metric could be read"
    } else {
        "never down on partial information"
    };
    // An answer that was computed without a signal, or the failure of a policy, is in the error alone.
    let why = match (failures.is_empty(), &decision.error) {
        (true, Some(error)) => error.clone(),
        _ => failures.join(", "),
    };
    format!("{which} ({why}); stays at {}", decision.current)
}

fn measured(decision: &Decision) -> String {
    let Explanation { winner, winning_policy, wanted, stabilized, limited, metrics, .. } =
        &decision.explanation;
    let Explanation { min_replicas, max_replicas, .. } = decision.explanation;
    let current = decision.current;
    let mut text = String::new();
    if let Some(policy) = winning_policy {
        let _ = write!(text, "{policy} asks for {}", wanted.unwrap_or(current));
    } else if let Some(metric) = winner.and_then(|index| metrics.get(index)) {
        subject(&mut text, metric);
        if let Some(substitute) = metric.substitute {
            let _ = write!(text, " is lost; {substitute}");
        }
        let held = metric.proposal().and_then(|proposal| proposal.held);
        let _ = match held {
            Some(Held::WithinTolerance) => write!(text, " is within tolerance"),
            Some(Held::WithinToleranceAfterFill) => {
                write!(text, " is within tolerance once missing and unready instances are counted")
            }
            Some(Held::DirectionTurned | Held::CountContradicts) => {
                write!(text, " would turn around once missing and unready instances are counted")
            }
            Some(Held::Settling) => write!(text, " waits for instances that have just started"),
            None => write!(text, " asks for {}", wanted.unwrap_or(current)),
        };
    }
    let failed = metrics.iter().filter(|metric| metric.failure().is_some()).count();
    if failed > 0 {
        let _ = write!(text, " ({failed} of {} metrics failed)", metrics.len());
    }
    if let (Some(wanted), Some(stabilized)) = (wanted, stabilized)
        && stabilized.replicas != *wanted
    {
        let _ = match stabilized.bound_by {
            Some(bound) if bound.replicas == stabilized.replicas => {
                write!(text, "; held at {} by a recent recommendation", stabilized.replicas)
            }
            _ => write!(text, "; held at {} because recent recommendations disagree", stabilized.replicas),
        };
    }
    if let (Some(limited), Some(stabilized)) = (limited, stabilized)
        && limited.replicas != stabilized.replicas
    {
        let allowed = limited.replicas;
        let _ = match limited.reason {
            Reason::TooManyReplicas => write!(text, "; capped at maxReplicas {max_replicas}"),
            Reason::TooFewReplicas => write!(text, "; raised to minReplicas {min_replicas}"),
            _ => match limited.policy {
                Some(policy) => {
                    let unit = match policy.kind {
                        PolicyKind::Percent => " %",
                        PolicyKind::Pods if policy.value == 1 => " instance",
                        PolicyKind::Pods => " instances",
                    };
                    let (value, period_s) = (policy.value, policy.period_s);
                    write!(text, "; limited to {allowed} by {value}{unit} per {period_s} s")
                }
                None if allowed == current => write!(text, "; this direction is disabled"),
                None => write!(text, "; limited to {allowed} in one step"),
            },
        };
    }
    let said = limited.map(|limited| limited.replicas).filter(|&replicas| replicas == decision.desired);
    if said.is_none() {
        let _ = write!(text, "; becomes {}", decision.desired);
    } else if decision.desired == current {
        let _ = write!(text, "; stays at {current}");
    }
    text
}

/// `queue_age_seconds 42 (target 5/instance)`.
fn subject(text: &mut String, metric: &MetricReport) {
    text.push_str(&metric.name);
    let Some(proposal) = metric.proposal() else { return };
    let _ = match proposal.current {
        Current::Utilization { pct, .. } => write!(text, " {pct} %"),
        Current::Average { milli } => write!(text, " {}/instance", Milli(milli)),
        Current::PerInstance { total_milli, .. } => write!(text, " {}", Milli(total_milli)),
        Current::Total { milli } => write!(text, " {}", Milli(milli)),
    };
    let _ = match metric.target {
        Some(Target::Utilization(pct)) => write!(text, " (target {pct} %)"),
        Some(Target::AverageValue(milli)) => write!(text, " (target {}/instance)", Milli(milli)),
        Some(Target::Value(milli)) => write!(text, " (target {})", Milli(milli)),
        None => Ok(()),
    };
}

/// Milli-units as a plain decimal number.
struct Milli(i64);

impl std::fmt::Display for Milli {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, rest) = (self.0.unsigned_abs() / 1000, self.0.unsigned_abs() % 1000);
        if rest == 0 {
            return write!(f, "{sign}{whole}");
        }
        let digits = format!("{rest:03}");
        write!(f, "{sign}{whole}.{}", digits.trim_end_matches('0'))
    }
}
