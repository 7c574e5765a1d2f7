//! The report's tables, the same ones for a terminal and for a page.

use plimsoll_control::view::SizeView;

use super::{
    Event, HttpReport, QueueReport, Report, ServiceReport,
    phrases::{at, because, change, duration, hours_of, money, percent, range, slo, wait},
};
use crate::units;

/// A table with its title.
pub(super) struct Sheet {
    pub(super) title: &'static str,
    pub(super) heading: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
}

/// What was measured: nothing to show where nothing was.
pub(super) fn measured(report: &Report) -> Vec<Sheet> {
    if report.coverage.measured_s > 0.0 {
        vec![cost(report), edge(report), queues(report)]
    } else {
        Vec::new()
    }
}

fn cost(report: &Report) -> Sheet {
    let mut heading = vec!["service", "instance hours", "ready hours", "mean", "most", "cpu", "most memory"];
    let priced = report.cost().is_some();
    if priced {
        heading.push("cost");
    }
    let measured_hours = report.coverage.measured_s / 3600.0;
    let row = |service: &ServiceReport| {
        let mut row = vec![
            service.name.clone(),
            hours_of(service.instance_hours),
            hours_of(service.ready_hours),
            format!("{:.2}", service.instance_hours / measured_hours),
            service.most_running.to_string(),
            format!("{:.0}m", service.cpu_cores * 1000.0),
            units::bytes(service.memory_max_bytes),
        ];
        if priced {
            row.push(service.cost.map_or("not priced".to_owned(), money));
        }
        row
    };
    Sheet { title: "What it cost", heading, rows: report.services.iter().map(row).collect() }
}

fn edge(report: &Report) -> Sheet {
    let row = |service: &ServiceReport, http: &HttpReport| {
        vec![
            service.name.clone(),
            http.requests.to_string(),
            format!("{} ({})", http.errors, percent(http.errors, http.requests)),
            range(http.p50),
            range(http.p95),
            range(http.p99),
            http.slo.as_ref().map_or_else(|| "none stated".to_owned(), |it| slo(it, http.requests)),
        ]
    };
    let served = report.services.iter().filter_map(|service| Some(row(service, service.http.as_ref()?)));
    Sheet {
        title: "What the edge answered",
        heading: vec!["service", "requests", "5xx", "p50", "p95", "p99", "slo"],
        rows: served.collect(),
    }
}

fn queues(report: &Report) -> Sheet {
    let row = |queue: &QueueReport| {
        vec![
            queue.name.clone(),
            queue.enqueued.to_string(),
            queue.completed.to_string(),
            queue.failed_attempts.to_string(),
            queue.leases_lost.to_string(),
            queue.died.to_string(),
            queue.dead.to_string(),
            queue.most_ready.to_string(),
            duration(queue.oldest_s),
            wait(queue.wait),
        ]
    };
    Sheet {
        title: "What the queues carried",
        heading: vec![
            "queue",
            "enqueued",
            "completed",
            "failed attempts",
            "leases lost",
            "died",
            "dead now",
            "most ready",
            "longest wait",
            "wait target",
        ],
        rows: report.queues.iter().map(row).collect(),
    }
}

pub(super) fn scaling(report: &Report) -> Sheet {
    let row = |service: &ServiceReport| {
        let told = &service.scaling;
        vec![
            service.name.clone(),
            told.out.to_string(),
            told.r#in.to_string(),
            told.held.to_string(),
            told.jumps.to_string(),
            told.flaps.to_string(),
            told.crashes.to_string(),
            because(service),
        ]
    };
    Sheet {
        title: "How its size changed",
        heading: vec!["service", "out", "in", "held", "jumps", "flaps", "crashes", "because of (out/in)"],
        rows: report.services.iter().map(row).collect(),
    }
}

pub(super) fn sizing(report: &Report) -> Sheet {
    Sheet {
        title: "Advice on the size of an instance",
        heading: vec!["service", "resource", "stated", "advised", "fits", "verdict", "mode"],
        rows: report.services.iter().flat_map(sizes).collect(),
    }
}

fn sizes(service: &ServiceReport) -> Vec<Vec<String>> {
    let Some(sizing) = &service.sizing else { return Vec::new() };
    let cpu = |milli: i64| format!("{milli}m");
    let memory = |bytes: i64| units::bytes(u64::try_from(bytes).unwrap_or(0));
    let row = |resource: &str, size: &SizeView, amount: &dyn Fn(i64) -> String| {
        vec![
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

/// What happened, in the order in which it did.
pub(super) fn events(report: &Report) -> Vec<Sheet> {
    let kinds = [
        ("Decisions", &report.decisions),
        ("Alerts", &report.alerts),
        ("Crashes", &report.crashes),
        ("What operators did", &report.orders),
    ];
    let row = |event: &Event| {
        vec![
            event.id.to_string(),
            at(event.at_ms),
            if event.service.is_empty() { "-".to_owned() } else { event.service.clone() },
            change(event),
            event.summary.clone(),
        ]
    };
    let sheet = |(title, events): (&'static str, &Vec<Event>)| Sheet {
        title,
        heading: vec!["id", "time", "service", "change", "why"],
        rows: events.iter().map(row).collect(),
    };
    kinds.map(sheet).into()
}
