//! The report as one file that needs nothing else: no script, no font, no picture from elsewhere.

mod chart;

use std::fmt::Write as _;

use super::{
    Report, ServiceReport, phrases,
    sheets::{self, Sheet},
};

const STYLE: &str = include_str!("html/style.css");

/// The page.
pub(crate) fn render(report: &Report) -> String {
    let mut page = String::new();
    let title = escape(&report.stack);
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n<title>{title} · report</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<header><h1>{title}</h1><p>{} to {}</p>",
        phrases::at(report.from_ms),
        phrases::at(report.to_ms)
    );
    for line in phrases::coverage(&report.coverage) {
        let _ = write!(page, "<p class=\"soft\">{}</p>", escape(line.trim()));
    }
    page.push_str("</header>\n");
    if report.coverage.measured_s > 0.0 {
        figures(report, &mut page);
        for chart in chart::all(report) {
            let title = escape(&chart.title);
            let _ = writeln!(page, "<figure><figcaption>{title}</figcaption>{}</figure>", chart.svg);
        }
    }
    sheets::measured(report).iter().for_each(|sheet| table(sheet, &mut page));
    table(&sheets::scaling(report), &mut page);
    sentences("Shadow policies, which act on nothing", report, phrases::shadow, &mut page);
    table(&sheets::sizing(report), &mut page);
    sentences("Forecasts, as they score themselves", report, phrases::forecast, &mut page);
    for mut sheet in sheets::events(report) {
        // The page has room for all of them: the newest first.
        sheet.rows.reverse();
        table(&sheet, &mut page);
    }
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
        ("instance hours", phrases::hours_of(hours)),
    ];
    if let Some(cost) = report.cost() {
        cells.push(("cost at the prices given", phrases::money(cost)));
    }
    page.push_str("<dl>");
    for (name, value) in cells {
        let _ = write!(page, "<div><dd>{value}</dd><dt>{name}</dt></div>");
    }
    page.push_str("</dl>\n");
}

fn sentences(
    title: &str,
    report: &Report,
    say: impl Fn(&ServiceReport) -> Option<String>,
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

/// A section with a table; nothing when there are no rows.
fn table(sheet: &Sheet, page: &mut String) {
    if sheet.rows.is_empty() {
        return;
    }
    let title = escape(sheet.title);
    let _ = write!(page, "<section><h2>{title}</h2><div class=\"scroll\"><table><thead><tr>");
    for name in &sheet.heading {
        let _ = write!(page, "<th>{}</th>", escape(name));
    }
    page.push_str("</tr></thead><tbody>");
    for row in &sheet.rows {
        page.push_str("<tr>");
        for cell in row {
            let _ = write!(page, "<td>{}</td>", escape(cell));
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
