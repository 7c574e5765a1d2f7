//! The report for a terminal.

use super::{Coverage, Event, Range, Report, ServiceReport, SloReport};
use crate::{table::Table, units};

/// Events of one kind that are shown; `--json` has more.
const SHOWN: usize = 10;

/// The lines.
pub(crate) fn render(report: &Report) -> Vec<String> {
    let mut lines = vec![headline(report)];
    lines.extend(coverage(&report.coverage));
    if report.coverage.measured_s > 0.0 {
        section(&mut lines, "What it cost", hours(report));
        section(&mut lines, "What the edge answered", http(report));
        section(&mut lines, "What the queues carried", queues(report));
    }
    section(&mut lines, "How its size changed", scaling(report));
    section(&mut lines, "Shadow policies, which act on nothing", shadows(report));
    section(&mut lines, "Advice on the size of an instance", sizing(report));
    section(&mut lines, "Forecasts, as they score themselves", forecasts(report));
    section(&mut lines, "Latest decisions", events(&report.decisions));
    section(&mut lines, "Alerts", events(&report.alerts));
    section(&mut lines, "Crashes", events(&report.crashes));
    section(&mut lines, "What operators did", events(&report.orders));
    lines
}

fn section(lines: &mut Vec<String>, title: &str, content: Vec<String>) {
    if !content.is_empty() {
        lines.push(String::new());
        lines.push(title.to_owned());
        lines.extend(content.into_iter().map(|line| format!("  {line}").trim_end().to_owned()));
    }
}

pub(super) fn headline(report: &Report) -> String {
    format!("{}: {} to {}", report.stack, at(report.from_ms), at(report.to_ms))
}

/// What is known of the period and what is not.
pub(super) fn coverage(coverage: &Coverage) -> Vec<String> {
    let mut lines = Vec::new();
    let asked = units::age(coverage.asked_s);
    match (coverage.first_ms, coverage.last_ms) {
        (Some(first), Some(last)) => {
            let measured = units::age(coverage.measured_s.round() as u64);
            lines.push(format!("measured for {measured} of {asked}, from {} to {}", at(first), at(last)));
            for gap in coverage.gaps.iter().take(SHOWN) {
                lines.push(format!("  not measured from {} to {}", at(gap.from_ms), at(gap.to_ms)));
            }
            if coverage.gaps.len() > SHOWN {
                lines.push(format!("  and {} more gaps", coverage.gaps.len() - SHOWN));
            }
        }
        _ => lines.push(format!("nothing was measured in these {asked}: the stack did not run")),
    }
    if let Some(from_ms) = coverage.decisions_from_ms {
        lines.push(format!("decisions are known from {} on", at(from_ms)));
    }
    if coverage.damaged_lines > 0 {
        lines.push(format!("{} damaged lines of the logs are left out", coverage.damaged_lines));
    }
    lines
}

fn hours(report: &Report) -> Vec<String> {
    let priced = report.cost().is_some();
    let mut table = Table::new([
        "SERVICE",
        "INSTANCE HOURS",
        "READY HOURS",
        "MEAN",
        "MOST",
        "CPU",
        "MOST MEMORY",
        if priced { "COST" } else { "" },
    ]);
    let measured_hours = report.coverage.measured_s / 3600.0;
    for service in &report.services {
        table.row([
            service.name.clone(),
            hours_of(service.instance_hours),
            hours_of(service.ready_hours),
            format!("{:.2}", service.instance_hours / measured_hours),
            service.most_running.to_string(),
            format!("{:.0}m", service.cpu_cores * 1000.0),
            units::bytes(service.memory_max_bytes),
            service.cost.map_or(String::new(), money),
        ]);
    }
    let mut lines = table.lines();
    if let Some(cost) = report.cost() {
        lines.push(format!("{} in all, at the prices given", money(cost)));
    }
    lines
}

fn http(report: &Report) -> Vec<String> {
    let served = report.services.iter().filter_map(|service| Some((service, service.http.as_ref()?)));
    let mut table = Table::new(["SERVICE", "REQUESTS", "5XX", "P50", "P95", "P99", "SLO"]);
    let mut any = false;
    for (service, http) in served {
        any = true;
        table.row([
            service.name.clone(),
            http.requests.to_string(),
            format!("{} ({})", http.errors, percent(http.errors, http.requests)),
            range(http.p50),
            range(http.p95),
            range(http.p99),
            http.slo.as_ref().map_or_else(|| "none stated".to_owned(), |slo| self::slo(slo, http.requests)),
        ]);
    }
    if any { table.lines() } else { Vec::new() }
}

pub(super) fn slo(slo: &SloReport, requests: u64) -> String {
    let verdict = match slo.held {
        Some(true) => "held",
        Some(false) => "violated",
        None => "cannot be told",
    };
    let over = if slo.over_at_least == slo.over_at_most {
        percent(slo.over_at_most, requests)
    } else {
        format!("{} to {}", percent(slo.over_at_least, requests), percent(slo.over_at_most, requests))
    };
    format!("p95 {}: {verdict}, {over} took longer", duration(slo.p95_s))
}

fn queues(report: &Report) -> Vec<String> {
    if report.queues.is_empty() {
        return Vec::new();
    }
    let mut table = Table::new([
        "QUEUE",
        "ENQUEUED",
        "COMPLETED",
        "FAILED ATTEMPTS",
        "LEASES LOST",
        "DIED",
        "DEAD NOW",
        "MOST READY",
        "LONGEST WAIT",
        "WAIT TARGET",
    ]);
    for queue in &report.queues {
        table.row([
            queue.name.clone(),
            queue.enqueued.to_string(),
            queue.completed.to_string(),
            queue.failed_attempts.to_string(),
            queue.leases_lost.to_string(),
            queue.died.to_string(),
            queue.dead.to_string(),
            queue.most_ready.to_string(),
            duration(queue.oldest_s),
            queue.wait.map_or_else(
                || "none stated".to_owned(),
                |wait| {
                    format!(
                        "{}: over it in {} of {} minutes",
                        duration(wait.target_s),
                        wait.minutes_over,
                        wait.minutes
                    )
                },
            ),
        ]);
    }
    table.lines()
}

fn scaling(report: &Report) -> Vec<String> {
    let mut table =
        Table::new(["SERVICE", "OUT", "IN", "HELD", "JUMPS", "FLAPS", "CRASHES", "BECAUSE OF (OUT/IN)"]);
    for service in &report.services {
        let told = &service.scaling;
        table.row([
            service.name.clone(),
            told.out.to_string(),
            told.r#in.to_string(),
            told.held.to_string(),
            told.jumps.to_string(),
            told.flaps.to_string(),
            told.crashes.to_string(),
            because(service),
        ]);
    }
    table.lines()
}

pub(super) fn because(service: &ServiceReport) -> String {
    let reasons = service.scaling.because.iter();
    let reasons: Vec<String> = reasons.map(|it| format!("{} {}/{}", it.reason, it.out, it.r#in)).collect();
    reasons.join(", ")
}

fn shadows(report: &Report) -> Vec<String> {
    let lines =
        report.services.iter().filter_map(|service| Some(format!("{}: {}", service.name, shadow(service)?)));
    lines.collect()
}

/// One sentence on the shadow policy of a service.
pub(super) fn shadow(service: &ServiceReport) -> Option<String> {
    let shadow = service.shadow.as_ref()?;
    let difference = shadow.shadow_hours - shadow.live_hours;
    let than = if difference < 0.0 { "fewer" } else { "more" };
    let money =
        shadow.cost_difference.map_or(String::new(), |cost| format!(", {} at the price given", money(cost)));
    Some(format!(
        "it asked for {} instance hours where the live policy asked for {} ({} {than}{money}); they differed for {} of {} compared, by {} above and {} below at most; {} events",
        hours_of(shadow.shadow_hours),
        hours_of(shadow.live_hours),
        hours_of(difference.abs()),
        units::age(shadow.differed_s.round() as u64),
        units::age(shadow.compared_s.round() as u64),
        shadow.most_above,
        shadow.most_below,
        shadow.events,
    ))
}

fn sizing(report: &Report) -> Vec<String> {
    let advised: Vec<&ServiceReport> = report.services.iter().filter(|it| it.sizing.is_some()).collect();
    if advised.is_empty() {
        return Vec::new();
    }
    let mut table = Table::new(["SERVICE", "RESOURCE", "STATED", "ADVISED", "FITS", "VERDICT", "MODE"]);
    for service in advised {
        for row in sizes(service) {
            table.row(row);
        }
    }
    table.lines()
}

/// Cells of the advice on a service: name, resource, stated, advised, what fits, verdict, mode.
pub(super) fn sizes(service: &ServiceReport) -> Vec<[String; 7]> {
    let Some(sizing) = &service.sizing else { return Vec::new() };
    let cpu = |milli: i64| format!("{milli}m");
    let memory = |bytes: i64| units::bytes(u64::try_from(bytes).unwrap_or(0));
    let row = |resource: &str, size: &plimsoll_control::view::SizeView, amount: &dyn Fn(i64) -> String| {
        [
            service.name.clone(),
            resource.to_owned(),
            size.stated.map_or_else(|| "nothing".to_owned(), amount),
            amount(size.target),
            format!("{} to {}", amount(size.lower), amount(size.upper)),
            size.verdict.clone(),
            sizing.mode.clone(),
        ]
    };
    vec![row("cpu", &sizing.cpu, &cpu), row("memory", &sizing.memory, &memory)]
}

fn forecasts(report: &Report) -> Vec<String> {
    let lines = report
        .services
        .iter()
        .filter_map(|service| Some(format!("{}: {}", service.name, forecast(service)?)));
    lines.collect()
}

pub(super) fn forecast(service: &ServiceReport) -> Option<String> {
    let forecast = service.forecast.as_ref()?;
    Some(format!(
        "{} at decision {}: it was off by {:.2} on average, last period's figures by {:.2}",
        forecast.standing, forecast.decision, forecast.model_error, forecast.naive_error
    ))
}

fn events(events: &[Event]) -> Vec<String> {
    if events.is_empty() {
        return Vec::new();
    }
    let mut table = Table::new(["ID", "TIME", "SERVICE", "CHANGE", "WHY"]);
    for event in &events[events.len().saturating_sub(SHOWN)..] {
        table.row([
            event.id.to_string(),
            at(event.at_ms),
            if event.service.is_empty() { "-".to_owned() } else { event.service.clone() },
            change(event),
            units::plain(&event.summary),
        ]);
    }
    let mut lines = table.lines();
    if events.len() > SHOWN {
        lines.push(format!("and {} before them", events.len() - SHOWN));
    }
    lines
}

pub(super) fn change(event: &Event) -> String {
    if event.from == event.to { "-".to_owned() } else { format!("{} -> {}", event.from, event.to) }
}

pub(super) fn at(ms: u64) -> String {
    units::moment(i64::try_from(ms).unwrap_or(i64::MAX))
}

pub(super) fn range(range: Option<Range>) -> String {
    match range {
        None => "-".to_owned(),
        Some(Range { above, upto: None }) => format!("over {}", duration(above)),
        Some(Range { above: 0.0, upto: Some(upto) }) => format!("under {}", duration(upto)),
        Some(Range { above, upto: Some(upto) }) => format!("{} to {}", duration(above), duration(upto)),
    }
}

pub(super) fn duration(seconds: f64) -> String {
    if seconds >= 60.0 {
        units::age(seconds.round() as u64)
    } else if seconds >= 1.0 || seconds == 0.0 {
        format!("{seconds:.1}s")
    } else {
        let ms = seconds * 1000.0;
        if ms.fract() == 0.0 { format!("{ms:.0}ms") } else { format!("{ms:.1}ms") }
    }
}

/// Three digits while there are few of them.
pub(super) fn hours_of(hours: f64) -> String {
    if hours < 10.0 { format!("{hours:.3}") } else { format!("{hours:.1}") }
}

/// Small sums keep the digits that make them more than nothing.
pub(super) fn money(amount: f64) -> String {
    if amount == 0.0 || amount.abs() >= 1.0 { format!("{amount:.2}") } else { format!("{amount:.4}") }
}

pub(super) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    let percent = part as f64 * 100.0 / whole as f64;
    match percent {
        0.0 => "0 %".to_owned(),
        small if small < 0.01 => "under 0.01 %".to_owned(),
        _ => format!("{percent:.2} %"),
    }
}
