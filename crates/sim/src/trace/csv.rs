//! Comma-separated traces with a heading.

use super::{Columns, MAX_RECORDS, Record, ServiceTime, Trace, TraceError, rates, requests, seconds};
use crate::random::Random;
use crate::workload::RateStep;

pub(super) fn read(
    text: &str,
    columns: &Columns,
    service: &ServiceTime,
    random: &mut Random,
) -> Result<Trace, TraceError> {
    let text = text.trim_start_matches('\u{feff}');
    let mut lines = text.lines().enumerate().filter(|(_, line)| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with('#')
    });
    let Some((heading_line, heading)) = lines.next() else {
        return Err(TraceError::at(
            1,
            "the file is empty. hint: begin with a heading such as `arrival_s,service_s`, then one line per request",
        ));
    };
    let names: Vec<String> = fields(heading).map(|name| name.to_owned()).collect();
    let find = |what| columns.find(what, &names).map_err(|what| TraceError::at(heading_line + 1, what));
    let Some(time) = find("time")? else {
        let what = format!(
            "no column holds the time; the heading has {}. hint: name it with --time-column",
            names.join(", ")
        );
        return Err(TraceError::at(heading_line + 1, what));
    };
    let unit_s = columns.time_unit_s.unwrap_or(1.0);
    let (service_column, input, output) = (find("service")?, find("input_tokens")?, find("output_tokens")?);
    let rate = find("rate")?;
    let by_rate = rate.filter(|_| columns.rate.is_some() || (service_column.is_none() && output.is_none()));

    let (mut steps, mut records) = (Vec::new(), Vec::new());
    for (index, line) in lines {
        let cells: Vec<&str> = fields(line).collect();
        let wrong = |column: usize, what: &str| {
            let cell = cells.get(column).copied().unwrap_or("nothing");
            let name = &names[column];
            let what = format!(
                "`{cell}` in column `{name}` is not {what}. hint: mend or remove the line, or name another column"
            );
            TraceError::at(index + 1, what)
        };
        let number = |column: usize| {
            let value = cells.get(column).and_then(|cell| cell.parse::<f64>().ok());
            let value = value.filter(|value| value.is_finite() && *value >= 0.0);
            value.ok_or_else(|| wrong(column, "a number of at least 0"))
        };
        let maybe = |column: Option<usize>| column.map_or(Ok(0.0), number);
        let at_s = cells.get(time).and_then(|cell| seconds(cell, unit_s));
        let arrival_s = at_s.ok_or_else(|| wrong(time, "a time"))?;
        if let Some(rate) = by_rate {
            steps.push(RateStep { from_s: arrival_s, per_s: number(rate)? });
        } else {
            let service_s = service_column.map(number).transpose()?;
            let (input_tokens, output_tokens) = (maybe(input)?, maybe(output)?);
            records.push(Record { arrival_s, service_s, input_tokens, output_tokens });
        }
        if steps.len().max(records.len()) > MAX_RECORDS {
            return Err(TraceError::at(index + 1, "the trace is too long"));
        }
    }
    if by_rate.is_some() {
        rates(steps)
    } else {
        requests(records, service_column.is_some(), service, random)
    }
}

/// Cells without the blanks and quotes around them. A comma inside quotes is not expected in a trace.
fn fields(line: &str) -> impl Iterator<Item = &str> {
    line.split(',').map(|cell| cell.trim().trim_matches('"'))
}
