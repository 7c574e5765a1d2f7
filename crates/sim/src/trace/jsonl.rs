//! One JSON object a line.

use serde_json::{Map, Value};

use super::{Columns, MAX_RECORDS, Record, TraceError, seconds};

/// Mooncake counts milliseconds.
const UNIT_S: f64 = 1e-3;

pub(super) fn read(text: &str, columns: &Columns) -> Result<Vec<Record>, TraceError> {
    let unit_s = columns.time_unit_s.unwrap_or(UNIT_S);
    let mut records = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |what: String| TraceError::at(index + 1, what);
        let object: Map<String, Value> =
            serde_json::from_str(line).map_err(|error| wrong(format!("not a JSON object: {error}. hint: one object per line, such as {{\"timestamp\": 0, \"output_length\": 52}}")))?;
        let names: Vec<String> = object.keys().cloned().collect();
        let field = |what| {
            let found = columns.find(what, &names).map_err(&wrong)?;
            Ok(found.and_then(|index| object.get(&names[index])))
        };
        let number = |what: &'static str| match field(what)? {
            None => Ok(None),
            Some(value) => match value.as_f64().filter(|value| *value >= 0.0) {
                Some(value) => Ok(Some(value)),
                None => Err(wrong(format!("`{value}` is not a number of at least 0 ({what})"))),
            },
        };
        let time = field("time")?.ok_or_else(|| {
            wrong(format!(
                "no field holds the time, there are {}. hint: name it with --time-column",
                names.join(", ")
            ))
        })?;
        let arrival_s = match time {
            Value::Number(number) => number.as_f64().map(|number| number * unit_s),
            Value::String(text) => seconds(text, unit_s),
            _ => None,
        };
        let arrival_s = arrival_s.ok_or_else(|| wrong(format!("`{time}` is not a time")))?;
        records.push(Record {
            arrival_s,
            service_s: number("service")?,
            input_tokens: number("input_tokens")?.unwrap_or(0.0),
            output_tokens: number("output_tokens")?.unwrap_or(0.0),
        });
        if records.len() > MAX_RECORDS {
            return Err(wrong("the trace is too long".to_owned()));
        }
    }
    Ok(records)
}
