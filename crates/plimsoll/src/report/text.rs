//! The report for a terminal.

use super::{
    Report, ServiceReport, phrases,
    sheets::{self, Sheet},
};
use crate::{table::Table, units};

/// Events of one kind that are shown; `--json` has more.
const SHOWN: usize = 10;

/// The lines.
pub(crate) fn render(report: &Report) -> Vec<String> {
    let mut lines = vec![phrases::headline(report)];
    lines.extend(phrases::coverage(&report.coverage));
    for sheet in sheets::measured(report) {
        section(&mut lines, sheet.title, table(&sheet));
        if let Some(cost) = report.cost().filter(|_| sheet.heading.contains(&"cost")) {
            lines.push(format!("  {} in all, at the prices given", phrases::money(cost)));
        }
    }
    let scaling = sheets::scaling(report);
    section(&mut lines, scaling.title, table(&scaling));
    let shadows = sentences(report, phrases::shadow);
    section(&mut lines, "Shadow policies, which act on nothing", shadows);
    let sizing = sheets::sizing(report);
    section(&mut lines, sizing.title, table(&sizing));
    let forecasts = sentences(report, phrases::forecast);
    section(&mut lines, "Forecasts, as they score themselves", forecasts);
    for sheet in sheets::events(report) {
        section(&mut lines, sheet.title, latest(sheet));
    }
    lines
}

fn section(lines: &mut Vec<String>, title: &str, content: Vec<String>) {
    if !content.is_empty() {
        lines.push(String::new());
        lines.push(title.to_owned());
        lines.extend(content.into_iter().map(|line| format!("  {line}").trim_end().to_owned()));
    }
}

/// Nothing when there are no rows.
fn table(sheet: &Sheet) -> Vec<String> {
    if sheet.rows.is_empty() {
        return Vec::new();
    }
    let mut table = Table::new(sheet.heading.iter().map(|name| name.to_uppercase()));
    for row in &sheet.rows {
        table.row(row.iter().map(|cell| units::plain(cell)));
    }
    table.lines()
}

fn latest(mut sheet: Sheet) -> Vec<String> {
    let before = sheet.rows.len().saturating_sub(SHOWN);
    sheet.rows.drain(..before);
    let mut lines = table(&sheet);
    if before > 0 {
        lines.push(format!("and {before} before them"));
    }
    lines
}

fn sentences(report: &Report, say: impl Fn(&ServiceReport) -> Option<String>) -> Vec<String> {
    let said = |service: &ServiceReport| Some(format!("{}: {}", service.name, say(service)?));
    report.services.iter().filter_map(said).collect()
}
