//! The report as one file that needs nothing else: no script, no font, no picture from elsewhere.

mod chart;

use std::fmt::Write as _;

use super::{Event, Report, text};
use crate::units;

const STYLE: &str = include_str!("html/style.css");

/// The page.
pub(crate) fn render(report: &Report) -> String {
    let mut page = String::new();
    let title = escape(&report.stack);
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n<title>{title} · report</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<header><h1>{title}</h1><p>{} to {}</p>",
        text::at(report.from_ms),
        text::at(report.to_ms)
    );
    for line in text::coverage(&report.coverage) {
        let _ = write!(page, "<p class=\"soft\">{}</p>", escape(line.trim()));
    }
    page.push_str("</header>\n");
    if report.coverage.measured_s > 0.0 {
        figures(report, &mut page);
        for chart in chart::all(report) {
            let title = escape(&chart.title);
            let _ = writeln!(page, "<figure><figcaption>{title}</figcaption>{}</figure>", chart.svg);
        }
        hours(report, &mut page);
        http(report, &mut page);
        queues(report, &mut page);
    }
    scaling(report, &mut page);
    sentences("Shadow policies, which act on nothing", report, text::shadow, &mut page);
    sizing(report, &mut page);
    sentences("Forecasts, as they score themselves", report, text::forecast, &mut page);
    events("Decisions", &report.decisions, &mut page);
    events("Alerts", &report.alerts, &mut page);
    events("Crashes", &report.crashes, &mut page);
    events("What operators did", &report.orders, &mut page);
    let _ = write!(
        page,
        "<footer>Measured by plimsoll {} once a second; a quantile is the pair of histogram bounds it lies between.</footer>\n</main>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION")
    );
    page
}

fn figures(report: &Report, page: &mut String) {
    let requests: u64 =
        report.services.iter().filter_map(|it| it.http.as_ref()).map(|http| http.requests).sum();
    let errors: u64 = report.services.iter().filter_map(|it| it.http.as_ref()).map(|http| http.errors).sum();
    let completed: u64 = report.queues.iter().map(|queue| queue.completed).sum();
    let died: u64 = report.queues.iter().map(|queue| queue.died).sum();
    let hours: f64 = report.services.iter().map(|service| service.instance_hours).sum();
    let mut cells = vec![
        ("requests answered", requests.to_string()),
        ("answered with 5xx", errors.to_string()),
        ("jobs completed", completed.to_string()),
        ("jobs that died", died.to_string()),
        ("instance hours", text::hours_of(hours)),
    ];
    if let Some(cost) = report.cost() {
        cells.push(("cost at the prices given", text::money(cost)));
    }
    page.push_str("<dl>");
    for (name, value) in cells {
        let _ = write!(page, "<div><dd>{value}</dd><dt>{name}</dt></div>");
    }
    page.push_str("</dl>\n");
}

fn hours(report: &Report, page: &mut String) {
    let priced = report.cost().is_some();
    let mut heading =
        vec!["service", "instance hours", "ready hours", "most at once", "mean cpu", "most memory"];
    if priced {
        heading.push("cost");
    }
    let rows = report.services.iter().map(|service| {
        let mut row = vec![
            service.name.clone(),
            text::hours_of(service.instance_hours),
            text::hours_of(service.ready_hours),
            service.most_running.to_string(),
            format!("{:.0}m", service.cpu_cores * 1000.0),
            units::bytes(service.memory_max_bytes),
        ];
        if priced {
            row.push(service.cost.map_or("not priced".to_owned(), text::money));
        }
        row
    });
    table("What it cost", &heading, rows.collect(), page);
}

fn http(report: &Report, page: &mut String) {
    let rows = report.services.iter().filter_map(|service| {
        let http = service.http.as_ref()?;
        let slo = http.slo.as_ref();
        Some(vec![
            service.name.clone(),
            http.requests.to_string(),
            format!("{} ({})", http.errors, text::percent(http.errors, http.requests)),
            text::range(http.p50),
            text::range(http.p95),
            text::range(http.p99),
            slo.map_or_else(|| "none stated".to_owned(), |slo| text::slo(slo, http.requests)),
        ])
    });
    let heading = ["service", "requests", "5xx", "p50", "p95", "p99", "slo"];
    table("What the edge answered", &heading, rows.collect(), page);
}

fn queues(report: &Report, page: &mut String) {
    let rows = report.queues.iter().map(|queue| {
        vec![
            queue.name.clone(),
            queue.enqueued.to_string(),
            queue.completed.to_string(),
            queue.failed_attempts.to_string(),
            queue.leases_lost.to_string(),
            queue.died.to_string(),
            queue.dead.to_string(),
            queue.most_ready.to_string(),
            text::duration(queue.oldest_s),
            queue.wait.map_or_else(
                || "none stated".to_owned(),
                |wait| {
                    let target = text::duration(wait.target_s);
                    format!("{target}: over it in {} of {} minutes", wait.minutes_over, wait.minutes)
                },
            ),
        ]
    });
    let heading = [
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
    ];
    table("What the queues carried", &heading, rows.collect(), page);
}

fn scaling(report: &Report, page: &mut String) {
    let rows = report.services.iter().map(|service| {
        let told = &service.scaling;
        vec![
            service.name.clone(),
            told.out.to_string(),
            told.r#in.to_string(),
            told.held.to_string(),
            told.jumps.to_string(),
            told.flaps.to_string(),
            told.crashes.to_string(),
            text::because(service),
        ]
    });
    let heading = ["service", "out", "in", "held", "jumps", "flaps", "crashes", "because of (out/in)"];
    table("How its size changed", &heading, rows.collect(), page);
}

fn sizing(report: &Report, page: &mut String) {
    let rows = report.services.iter().flat_map(text::sizes).map(|row| row.to_vec());
    let heading = ["service", "resource", "stated", "advised", "fits", "verdict", "mode"];
    table("Advice on the size of an instance", &heading, rows.collect(), page);
}

fn sentences(
    title: &str,
    report: &Report,
    say: impl Fn(&super::ServiceReport) -> Option<String>,
    page: &mut String,
) {
    let said: Vec<(&str, String)> =
        report.services.iter().filter_map(|service| Some((service.name.as_str(), say(service)?))).collect();
    if said.is_empty() {
        return;
    }
    let _ = write!(page, "<section><h2>{}</h2>", escape(title));
    for (name, sentence) in said {
        let _ = write!(page, "<p><b>{}</b>: {}</p>", escape(name), escape(&sentence));
    }
    page.push_str("</section>\n");
}

fn events(title: &str, events: &[Event], page: &mut String) {
    let rows = events.iter().rev().map(|event| {
        vec![
            event.id.to_string(),
            text::at(event.at_ms),
            if event.service.is_empty() { "-".to_owned() } else { event.service.clone() },
            text::change(event),
            event.summary.clone(),
        ]
    });
    table(title, &["id", "time", "service", "change", "why"], rows.collect(), page);
}

/// A section with a table; nothing when there are no rows.
fn table(title: &str, heading: &[&str], rows: Vec<Vec<String>>, page: &mut String) {
    if rows.is_empty() {
        return;
    }
    let _ = write!(page, "<section><h2>{}</h2><div class=\"scroll\"><table><thead><tr>", escape(title));
    for name in heading {
        let _ = write!(page, "<th>{}</th>", escape(name));
    }
    page.push_str("</tr></thead><tbody>");
    for row in rows {
        page.push_str("<tr>");
        for cell in row {
            let _ = write!(page, "<td>{}</td>", escape(&cell));
        }
        page.push_str("</tr>");
    }
    page.push_str("</tbody></table></div></section>\n");
}

/// Text that cannot become markup, in content and in attributes.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() && c != '\n' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
