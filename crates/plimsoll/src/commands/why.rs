//! `plimsoll why [ID or SERVICE]`: one decision, its inputs, what each metric alone would have asked for, and the rule that bound it.

use plimsoll_control::record::{Kind, Record};
use plimsoll_scale::{
    MetricReport,
    calculate::{Current, Held},
    policy::{
        Asking, By, PolicyDecision, Signals,
        forecast::Standing,
        formula::{self, Seen},
    },
    spec::{PolicyKind, Target, policy::ScalingPolicy},
    state::Reason,
};

use crate::{cli::Target as Admin, client, exit::ExitStatus, printer::Printer, units};

mod asked;

pub(crate) use asked::Asked;

pub(crate) async fn run(
    target: &Admin,
    asked: Asked,
    json: bool,
    printer: Printer,
) -> anyhow::Result<ExitStatus> {
    let client = client(target)?;
    let id = asked.find(&client).await?;
    let value = client.why(id).await?;
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
    // A shadow's decision is told apart from one that was acted on.
    let told = if record.kind == Kind::Shadow { &record.detail["shadow"] } else { &record.detail };
    let decision = serde_json::from_value::<PolicyDecision>(told["decision"].clone());
    let spec = serde_json::from_value::<ScalingPolicy>(told["spec"].clone());
    if let (Ok(decision), Ok(spec)) = (decision, spec) {
        let signals = serde_json::from_value(told["signals"].clone()).unwrap_or_default();
        lines.extend(reasoning(&decision, &spec, &signals));
    } else if let Some(sizes) = record.detail["size"]["lines"].as_array() {
        lines.push(String::new());
        lines.push("Usage said".to_owned());
        lines.extend(sizes.iter().filter_map(|line| line.as_str()).map(|line| format!("  {line}")));
    } else if let Some(log) = record.detail["last_log"].as_array() {
        lines.push(String::new());
        lines.push("Last log lines".to_owned());
        lines.extend(log.iter().filter_map(|line| line.as_str()).map(|line| format!("  {line}")));
    }
    lines
}

fn reasoning(decided: &PolicyDecision, spec: &ScalingPolicy, signals: &Signals) -> Vec<String> {
    let decision = &decided.decision;
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
    for (index, (asking, line)) in policy_lines(decided, spec, signals).into_iter().enumerate() {
        let head = if index == 0 { "Policies" } else { "" };
        let wins = told.winning_policy.is_some() && told.winning_policy == asking;
        let mark = if wins { "  <- asks for most" } else { "" };
        lines.push(format!("{head:<10} {line}{mark}"));
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
    for (index, one) in decided.overrides.iter().enumerate() {
        let head = if index == 0 { "Then" } else { "" };
        lines.push(format!("{head:<10} {} becomes {}: {}", one.from, one.to, override_name(&one.by)));
    }
    lines.push(format!("Decided    {}", decision.desired));
    if let Some(jump) = decided.jump_alert {
        let most = spec.step.alert_above.unwrap_or(0);
        lines.push(format!("Alert      a jump by {jump}, more than `step.alertAbove` {most}"));
    }
    if let Some(flapping) = decided.flapping {
        let (turns, window_s) = (flapping.reversals, flapping.window_s);
        lines.push(format!("Alert      flapping: {turns} changes of direction in {window_s} s"));
    }
    if let Some(error) = &decision.error {
        lines.push(format!("Error      {error}"));
    }
    if spec.hpa.behavior.is_none() {
        lines.push("Behavior   none in the spec: Kubernetes' older normalisation holds".to_owned());
    }
    lines
}

/// What each policy saw and asks for; `Some` for those that ask, `None` for floors.
fn policy_lines(
    decided: &PolicyDecision,
    spec: &ScalingPolicy,
    signals: &Signals,
) -> Vec<(Option<Asking>, String)> {
    let told = &decided.policies;
    let mut lines = Vec::new();
    if let (Some(rule), Some(report)) = (&spec.formula, &told.formula) {
        lines.push((None, formula_line(&rule.expression, report)));
    }
    if let (Some(rule), Some(report)) = (&spec.queue_latency, &told.queue_latency) {
        let queue = rule.queue.as_deref().map_or(String::new(), |queue| format!(" `{queue}`"));
        let measured = signals.queue.map_or(String::new(), |seen| {
            let takes = seen.service_us.map(|us| us as f64 / 1e6).or(rule.service_s);
            let takes = takes.map_or(String::new(), |s| format!(", one takes {s:.2} s"));
            format!(
                ", {} worked on, {:.2} a second come in{takes}",
                seen.in_service,
                per_s(seen.arrivals_milli_per_s)
            )
        });
        lines.push((
            Some(Asking::QueueLatency),
            format!(
                "queueLatency{queue}: {} wait{measured}; {} will wait when an instance started now is ready; {} keep the wait at {} s for good, {} work the backlog off in time: asks for {}",
                report.depth, report.depth_then, report.steady, rule.target_wait_s, report.backlog, report.asks
            ),
        ));
    }
    if let (Some(rule), Some(report)) = (&spec.concurrency, &told.concurrency) {
        let burst = if report.panicking { ", in a burst" } else { "" };
        lines.push((
            Some(Asking::Concurrency),
            format!(
                "concurrency: {} in flight over {} s, {} over {} s{burst} (target {} an instance): asks for {}",
                decimal_u(report.stable_milli),
                rule.stable_window_s,
                decimal_u(report.panic_milli),
                rule.panic_window_s,
                decimal(rule.target_milli),
                report.asks
            ),
        ));
    }
    if let (Some(rule), Some(report)) = (&spec.slo, &told.slo) {
        let traffic = signals.traffic.map_or(String::new(), |seen| {
            format!(
                "{:.2} requests a second of {:.3} s each, ",
                per_s(seen.arrivals_milli_per_s),
                seen.service_us as f64 / 1e6
            )
        });
        let then = match report.predicted_p95_us {
            Some(us) => format!("the model expects a p95 of {:.3} s", us as f64 / 1e6),
            None => "the model says they do not keep up".to_owned(),
        };
        let reach = if report.unreachable { ", the target is out of reach" } else { "" };
        lines.push((
            Some(Asking::Slo),
            format!("slo: {traffic}asks for {}; {then} (target {} s{reach})", report.asks, rule.p95_s),
        ));
    }
    if let (Some(rule), Some(report)) = (&spec.demand_quantile, &told.demand_quantile) {
        lines.push((
            Some(Asking::DemandQuantile),
            format!(
                "demandQuantile: {} of the requests of the last {} s met a demand of at most {}, now it is {} (target {} an instance): asks for {}",
                rule.quantile,
                rule.window_s,
                decimal_u(report.quantile_milli),
                decimal_u(report.now_milli),
                decimal(rule.per_instance_milli),
                report.asks
            ),
        ));
    }
    for (asking, error) in &told.failed {
        lines.push((Some(*asking), format!("{asking}: no say, {error}; so nothing is scaled in")));
    }
    for report in &told.schedule {
        let early = if report.early { ", early by the start-up time" } else { "" };
        lines.push((None, format!("schedule `{}`: at least {}{early}", report.name, report.asks)));
    }
    if let Some(report) = &told.forecast {
        let standing = match report.standing {
            Standing::On => "on",
            Standing::Losing => "off while it loses to last period's figures",
            Standing::Learning => "off while it is learning",
        };
        let expects = report.predicted_milli.map_or("nothing yet".to_owned(), decimal);
        let floor = report.asks.map_or(String::new(), |asks| format!(", at least {asks}"));
        lines.push((
            None,
            format!(
                "forecast: {standing}; expects {expects} in {} s{floor} (mean error {}, last period's {})",
                report.horizon_s,
                decimal(report.model_error_milli),
                decimal(report.naive_error_milli)
            ),
        ));
    }
    lines
}

/// Its value goes the way of a metric, which has a line of its own.
fn formula_line(expression: &str, report: &formula::Report) -> String {
    let signals = report.signals.iter().map(|signal| match &signal.seen {
        Seen::Milli(milli) => format!("{} is {}", signal.name, decimal(*milli)),
        Seen::Failed(error) => format!("{} has no value ({error})", signal.name),
    });
    let signals: Vec<String> = signals.collect();
    let expression = expression.split_whitespace().collect::<Vec<_>>().join(" ");
    let value = report.value_milli.map_or("no value".to_owned(), decimal);
    let missed = if report.missed.is_empty() || report.value_milli.is_none() {
        String::new()
    } else {
        format!("; computed without {}, so nothing is scaled in", report.missed.join(", "))
    };
    let rest = if report.active || report.value_milli.is_none() {
        ""
    } else {
        "; not above its activationTarget, so it asks for nobody"
    };
    format!("formula: `{expression}` is {value}, where {}{missed}{rest}", signals.join(", "))
}

fn override_name(by: &By) -> String {
    match by {
        By::Schedule(name) => format!("floor of schedule `{name}`"),
        By::Forecast => "floor of the forecast".to_owned(),
        By::Step => "`step.max` bounds one decision".to_owned(),
        By::PauseScaleIn => "`pause.scaleIn` is set".to_owned(),
        By::PauseScaleOut => "`pause.scaleOut` is set".to_owned(),
        By::Freeze => "`freeze` is set".to_owned(),
    }
}

fn per_s(milli: u64) -> f64 {
    milli as f64 / 1000.0
}

fn decimal_u(milli: u64) -> String {
    decimal(i64::try_from(milli).unwrap_or(i64::MAX))
}

fn metric_line(metric: &MetricReport) -> String {
    let target = metric.target.map_or_else(|| "?".to_owned(), target);
    let Some(proposal) = metric.proposal() else {
        let error = metric.failure().map(ToString::to_string).unwrap_or_default();
        let instead = metric.substitute.map_or(String::new(), |instead| {
            format!("; {instead} stands in and asks for {}", instead.replicas())
        });
        return format!("{} (target {target}): no say, {error}{instead}", metric.name);
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
