//! One line a metric or policy: what was measured against what, for `status` and the page.

use plimsoll_scale::{
    MetricReport,
    calculate::{Current, Proposal},
    policy::{Policy, PolicyDecision, forecast::Standing, formula::Seen},
    spec::Target,
};

/// Lines in the order of the spec, such as `cpu 12% / 70%` or `queue_age_seconds 4.2 / 5 an instance`, then those of the
/// policies that are on.
pub(crate) fn lines(policy: &Policy, decided: &PolicyDecision) -> Vec<String> {
    let metrics = decided.decision.explanation.metrics.iter().map(line);
    metrics.chain(policies(policy, decided)).collect()
}

fn policies(policy: &Policy, decided: &PolicyDecision) -> Vec<String> {
    let (spec, told) = (policy.spec(), &decided.policies);
    let mut lines = Vec::new();
    if let Some(report) = &told.formula {
        let signals = report.signals.iter().map(|signal| match &signal.seen {
            Seen::Milli(milli) => format!("{} {}", signal.name, decimal(*milli)),
            Seen::Failed(_) => format!("{} unknown", signal.name),
        });
        let rest = if report.active || report.value_milli.is_none() { "" } else { ", not active" };
        lines.push(format!("formula of {}{rest}", signals.collect::<Vec<_>>().join(", ")));
    }
    if let (Some(rule), Some(report)) = (&spec.queue_latency, &told.queue_latency) {
        let queue = rule.queue.as_deref().map_or(String::new(), |queue| format!(" of {queue}"));
        lines.push(format!(
            "queueLatency{queue}: {} wait / {} s, asks for {}",
            report.depth, rule.target_wait_s, report.asks
        ));
    }
    if let (Some(rule), Some(report)) = (&spec.concurrency, &told.concurrency) {
        let burst = if report.panicking { " in a burst" } else { "" };
        let seen = report.stable_milli.max(if report.panicking { report.panic_milli } else { 0 });
        lines.push(format!(
            "concurrency: {} in flight{burst} / {} an instance, asks for {}",
            decimal(i64::try_from(seen).unwrap_or(i64::MAX)),
            decimal(rule.target_milli),
            report.asks
        ));
    }
    if let (Some(rule), Some(report)) = (&spec.slo, &told.slo) {
        let expected = match report.predicted_p95_us {
            Some(us) => format!("p95 {:.3} s expected", us as f64 / 1e6),
            None => "does not keep up".to_owned(),
        };
        let unreachable = if report.unreachable { " (out of reach)" } else { "" };
        lines.push(format!("slo: {expected} / {} s{unreachable}, asks for {}", rule.p95_s, report.asks));
    }
    if let (Some(rule), Some(report)) = (&spec.demand_quantile, &told.demand_quantile) {
        let now = decimal(i64::try_from(report.now_milli).unwrap_or(i64::MAX));
        let kept = decimal(i64::try_from(report.quantile_milli).unwrap_or(i64::MAX));
        lines.push(format!(
            "demandQuantile {}: {now} now, {kept} kept / {} an instance, asks for {}",
            rule.quantile,
            decimal(rule.per_instance_milli),
            report.asks
        ));
    }
    for report in &told.schedule {
        let early = if report.early { ", early for the start-up" } else { "" };
        lines.push(format!("schedule {}: at least {}{early}", report.name, report.asks));
    }
    if let Some(report) = &told.forecast {
        lines.push(match (report.standing, report.asks) {
            (Standing::On, Some(asks)) => {
                format!("forecast: at least {asks} in {} s", report.horizon_s)
            }
            (Standing::On, None) => "forecast: on, too little history".to_owned(),
            (Standing::Losing, _) => "forecast: off, it loses to last period's figures".to_owned(),
            (Standing::Learning, _) => "forecast: off, it is still learning".to_owned(),
        });
    }
    let failed = told.failed.iter().map(|(asking, error)| format!("{asking}: unknown ({error})"));
    lines.extend(failed);
    lines
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
