//! What the report says in words and amounts, wherever it is shown.

use super::{Coverage, Event, Range, Report, ServiceReport, SloReport, WaitReport};
use crate::units;

/// Stretches without a measurement that are named one by one.
const GAPS: usize = 10;

pub(super) fn headline(report: &Report) -> String {
    format!("{}: {} to {}", report.stack, at(report.from_ms), at(report.to_ms))
}

pub(super) fn coverage(coverage: &Coverage) -> Vec<String> {
    let mut lines = Vec::new();
    let asked = units::age(coverage.asked_s);
    match (coverage.first_ms, coverage.last_ms) {
        (Some(first), Some(last)) => {
            let measured = units::age(coverage.measured_s.round() as u64);
            lines.push(format!("measured for {measured} of {asked}, from {} to {}", at(first), at(last)));
            for gap in coverage.gaps.iter().take(GAPS) {
                lines.push(format!("  not measured from {} to {}", at(gap.from_ms), at(gap.to_ms)));
            }
            if coverage.gaps.len() > GAPS {
                lines.push(format!("  and {} more gaps", coverage.gaps.len() - GAPS));
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

pub(super) fn wait(wait: Option<WaitReport>) -> String {
    let Some(wait) = wait else { return "none stated".to_owned() };
    format!("{}: over it in {} of {} minutes", duration(wait.target_s), wait.minutes_over, wait.minutes)
}

pub(super) fn because(service: &ServiceReport) -> String {
    let reasons = service.scaling.because.iter();
    let reasons: Vec<String> = reasons.map(|it| format!("{} {}/{}", it.reason, it.out, it.r#in)).collect();
    reasons.join(", ")
}

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

pub(super) fn forecast(service: &ServiceReport) -> Option<String> {
    let forecast = service.forecast.as_ref()?;
    Some(format!(
        "{} at decision {}: it was off by {:.2} on average, last period's figures by {:.2}",
        forecast.standing, forecast.decision, forecast.model_error, forecast.naive_error
    ))
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

pub(super) fn hours_of(hours: f64) -> String {
    if hours < 10.0 { format!("{hours:.3}") } else { format!("{hours:.1}") }
}

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
