//! What the decision log tells: decisions and why, alerts, crashes, orders.

use plimsoll_control::record::{Kind, Record};
use plimsoll_scale::policy::{By, PolicyDecision, forecast::Standing};

use super::{Because, Event, ForecastReport, ScalingReport};

/// Most events of one kind that a report lists; it counts them all.
const LISTED: usize = 50;

/// Events by what they are, oldest first.
pub(super) struct Told {
    pub(super) decisions: Vec<Event>,
    pub(super) alerts: Vec<Event>,
    pub(super) crashes: Vec<Event>,
    pub(super) orders: Vec<Event>,
    pub(super) runs: Vec<Event>,
}

pub(super) fn sort(records: &[&Record]) -> Told {
    let of = |is_meant: &dyn Fn(&Record) -> bool| {
        let meant: Vec<Event> =
            records.iter().filter(|record| is_meant(record)).map(|it| event(it)).collect();
        meant[meant.len().saturating_sub(LISTED)..].to_vec()
    };
    Told {
        decisions: of(&|record| record.kind == Kind::Scale),
        alerts: of(&|record| record.kind == Kind::Alert),
        crashes: of(&|record| record.kind == Kind::Crash),
        orders: of(&|record| record.kind == Kind::Operator),
        runs: of(&|record| record.kind == Kind::Lifecycle && record.service.is_empty()),
    }
}

fn event(record: &Record) -> Event {
    Event {
        id: record.id,
        at_ms: record.at_ms,
        service: record.service.clone(),
        from: record.from,
        to: record.to,
        summary: record.summary.clone(),
    }
}

pub(super) fn count(records: &[&Record], kind: Kind) -> u32 {
    u32::try_from(records.iter().filter(|record| record.kind == kind).count()).unwrap_or(u32::MAX)
}

/// Decisions on one service.
pub(super) fn scaling(own: &[&Record]) -> ScalingReport {
    let mut report = ScalingReport {
        held: count(own, Kind::Hold),
        crashes: count(own, Kind::Crash),
        ..ScalingReport::default()
    };
    for record in own {
        match record.kind {
            Kind::Scale => {
                let (out, into) = (u32::from(record.to > record.from), u32::from(record.to < record.from));
                report.out += out;
                report.r#in += into;
                let reason = reason(record);
                match report.because.iter_mut().find(|because| because.reason == reason) {
                    Some(because) => {
                        because.out += out;
                        because.r#in += into;
                    }
                    None => report.because.push(Because { reason, out, r#in: into }),
                }
            }
            Kind::Alert if record.summary.starts_with("flapping") => report.flaps += 1,
            Kind::Alert if record.summary.contains("jump") => report.jumps += 1,
            _ => {}
        }
    }
    report.because.sort_by_key(|because| std::cmp::Reverse(because.out + because.r#in));
    report
}

fn decision(record: &Record) -> Option<PolicyDecision> {
    serde_json::from_value(record.detail.get("decision")?.clone()).ok()
}

/// What had the last word: what raised or held the number after all, else what asked for the most.
fn reason(record: &Record) -> String {
    let Some(decided) = decision(record) else { return "not recorded".to_owned() };
    if let Some(last) = decided.overrides.last() {
        return match &last.by {
            By::Schedule(name) => format!("schedule {name}"),
            By::Forecast => "forecast".to_owned(),
            By::Step => "step".to_owned(),
            By::PauseScaleIn | By::PauseScaleOut => "pause".to_owned(),
            By::Freeze => "freeze".to_owned(),
        };
    }
    let told = &decided.decision.explanation;
    if let Some(asking) = told.winning_policy {
        return asking.to_string();
    }
    let winner = told.winner.and_then(|index| told.metrics.get(index));
    winner.map_or_else(|| "bounds".to_owned(), |metric| metric.name.clone())
}

/// The forecast's own score, as of the latest decision that tells it.
pub(super) fn forecast(own: &[&Record]) -> Option<ForecastReport> {
    own.iter().rev().find_map(|record| {
        let report = decision(record)?.policies.forecast?;
        let standing = match report.standing {
            Standing::On => "on",
            Standing::Losing => "losing",
            Standing::Learning => "learning",
        };
        Some(ForecastReport {
            decision: record.id,
            at_ms: record.at_ms,
            standing: standing.to_owned(),
            model_error: report.model_error_milli as f64 / 1000.0,
            naive_error: report.naive_error_milli as f64 / 1000.0,
        })
    })
}
