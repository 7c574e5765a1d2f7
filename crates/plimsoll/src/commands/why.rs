//! `plimsoll why ID`: one decision, its inputs, what each metric alone would have asked for, and the rule that bound it.

use plimsoll_control::record::{Kind, Record};
use plimsoll_scale::{
    Decision, HpaSpec, MetricReport,
    calculate::{Current, Held},
    spec::{PolicyKind, Target},
    state::Reason,
};

use crate::{cli::Target as Admin, client, exit::ExitStatus, printer::Printer, units};

pub(crate) async fn run(target: &Admin, id: u64, json: bool, printer: Printer) -> anyhow::Result<ExitStatus> {
    let value = client(target)?.why(id).await?;
    if json {
        printer.json(&value);
        return Ok(ExitStatus::Success);
    }
    let record: Record = serde_json::from_value(value)?;
    for line in render(&record) {
        printer.data(line);
    }
    Ok(ExitStatus::Success)
}

fn render(record: &Record) -> Vec<String> {
    let service = if record.service.is_empty() { "the stack" } else { &record.service };
    let change = match record.kind {
        Kind::Scale => format!(": {} -> {}", record.from, record.to),
        Kind::Hold => format!(": stays at {}", record.to),
        _ => String::new(),
    };
    let mut lines = vec![
        format!("#{} {} {} {service}{change}", record.id, units::clock(record.at_ms), record.kind.as_str()),
        format!("  {}", record.summary),
    ];
    let decision = serde_json::from_value::<Decision>(record.detail["decision"].clone());
    let spec = serde_json::from_value::<HpaSpec>(record.detail["spec"].clone());
    if let (Ok(decision), Ok(spec)) = (decision, spec) {
        lines.extend(reasoning(&decision, &spec));
    } else if let Some(log) = record.detail["last_log"].as_array() {
        lines.push(String::new());
        lines.push("Last log lines".to_owned());
        lines.extend(log.iter().filter_map(|line| line.as_str()).map(|line| format!("  {line}")));
    }
    lines
}

fn reasoning(decision: &Decision, spec: &HpaSpec) -> Vec<String> {
    let told = &decision.explanation;
    let mut lines = vec![
        String::new(),
        format!("Bounds     {} to {}, {} before", told.min_replicas, told.max_replicas, decision.current),
    ];
    for (index, metric) in told.metrics.iter().enumerate() {
        let head = if index == 0 { "Metrics" } else { "" };
        let mark = if told.winner == Some(index) { "  <- asks for most" } else { "" };
        lines.push(format!("{head:<10} {}{mark}", metric_line(metric)));
    }
    if let (Some(wanted), Some(stabilized)) = (told.wanted, told.stabilized) {
        let text = if stabilized.replicas == wanted {
            format!("{wanted}: no recent recommendation says otherwise")
        } else {
            let by = stabilized.bound_by.map_or(String::new(), |bound| {
                let at = u64::try_from(bound.at.0).unwrap_or(0);
                format!(", bound by the recommendation of {} at {}", bound.replicas, units::clock(at))
            });
            format!("{wanted} becomes {}{by}", stabilized.replicas)
        };
        lines.push(format!("Stabilised {text}"));
    }
    if let (Some(limited), Some(stabilized)) = (told.limited, told.stabilized) {
        let policy = limited.policy.map_or(String::new(), |policy| {
            let unit = match policy.kind {
                PolicyKind::Pods => " instances",
                PolicyKind::Percent => "%",
            };
            format!(" (policy: {}{unit} in {}s)", policy.value, policy.period_s)
        });
        let text = if limited.reason == Reason::DesiredWithinRange {
            format!("{}: within every bound", limited.replicas)
        } else {
            format!("{} becomes {}: {}{policy}", stabilized.replicas, limited.replicas, limited.reason)
        };
        lines.push(format!("Limited    {text}"));
    }
    lines.push(format!("Decided    {}", decision.desired));
    if let Some(error) = &decision.error {
        lines.push(format!("Error      {error}"));
    }
    if spec.behavior.is_none() {
        lines.push("Behavior   none in the spec: Kubernetes' older normalisation holds".to_owned());
    }
    lines
}

fn metric_line(metric: &MetricReport) -> String {
    let target = metric.target.map_or_else(|| "?".to_owned(), target);
    let Some(proposal) = metric.proposal() else {
        let error = metric.failure().map(ToString::to_string).unwrap_or_default();
        return format!("{} (target {target}): no say, {error}", metric.name);
    };
    let measured = match proposal.current {
        Current::Utilization { pct, .. } => format!("{pct}%"),
        Current::Average { milli } | Current::Total { milli } => decimal(milli),
        Current::PerInstance { milli, total_milli } => {
            format!("{} in total, {} an instance", decimal(total_milli), decimal(milli))
        }
    };
    let ratio = proposal.ratio.map_or(String::new(), |ratio| format!(", ratio {ratio:.2}"));
    let held = match proposal.held {
        None => "",
        Some(Held::WithinTolerance | Held::WithinToleranceAfterFill) => ", within tolerance",
        Some(_) => ", held: missing or unready instances could turn it around",
    };
    format!("{} {measured} (target {target}{ratio}{held}) alone asks for {}", metric.name, proposal.replicas)
}

fn target(target: Target) -> String {
    match target {
        Target::Utilization(pct) => format!("{pct}%"),
        Target::AverageValue(milli) => format!("{} an instance", decimal(milli)),
        Target::Value(milli) => decimal(milli),
    }
}

fn decimal(milli: i64) -> String {
    let value = milli as f64 / 1000.0;
    if milli % 1000 == 0 { format!("{value:.0}") } else { format!("{value:.3}") }
}
