//! One line a metric: what was measured against what, for `status` and the page.

use plimsoll_scale::{
    Decision, MetricReport,
    calculate::{Current, Proposal},
    spec::Target,
};

/// Lines in the order of the spec, such as `cpu 12% / 70%` or `queue_age_seconds 4.2 / 5 an instance`.
pub(crate) fn lines(decision: &Decision) -> Vec<String> {
    decision.explanation.metrics.iter().map(line).collect()
}

fn line(report: &MetricReport) -> String {
    let target = report.target.map_or_else(|| "?".to_owned(), target);
    match (report.proposal(), report.failure()) {
        (Some(Proposal { current, .. }), _) => format!("{} {} / {target}", report.name, measured(*current)),
        (None, Some(error)) => format!("{} unknown / {target} ({error})", report.name),
        (None, None) => format!("{} / {target}", report.name),
    }
}

fn measured(current: Current) -> String {
    match current {
        Current::Utilization { pct, .. } => format!("{pct}%"),
        Current::PerInstance { total_milli, .. } => format!("{} in total", decimal(total_milli)),
        Current::Average { milli } | Current::Total { milli } => decimal(milli),
    }
}

fn target(target: Target) -> String {
    match target {
        Target::Utilization(pct) => format!("{pct}%"),
        Target::AverageValue(milli) => format!("{} an instance", decimal(milli)),
        Target::Value(milli) => decimal(milli),
    }
}

/// Milli-units with at most one digit behind the point.
fn decimal(milli: i64) -> String {
    let value = milli as f64 / 1000.0;
    if milli % 1000 == 0 { format!("{value:.0}") } else { format!("{value:.1}") }
}
