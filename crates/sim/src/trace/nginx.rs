//! Access logs of nginx.
//!
//! The time of a line is the second in which the request *ended*; `$request_time`, when it is the last field (bare or as
//! `rt=0.123`), is taken off again. Requests of one second are spread evenly over it, in their order.

use super::{MAX_RECORDS, Record, TraceError};

pub(super) fn read(text: &str) -> Result<Vec<Record>, TraceError> {
    let mut records: Vec<Record> = Vec::new();
    // The requests that ended in the same second begin here.
    let mut second = (f64::NAN, 0);
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |what: &str| TraceError::at(index + 1, what);
        let (_, rest) = line.split_once('[').ok_or_else(|| wrong("there is no `[time]`"))?;
        let (time, _) = rest.split_once(']').ok_or_else(|| wrong("there is no `]` after the time"))?;
        let ended =
            jiff::fmt::strtime::parse("%d/%b/%Y:%H:%M:%S %z", time).and_then(|parts| parts.to_timestamp());
        let ended_s = ended
            .map_err(|_| wrong(&format!("`{time}` is not a time such as 10/Oct/2025:13:55:36 +0000. hint: nginx writes it as `[$time_local]`")))?;
        let ended_s = ended_s.as_second() as f64;
        if ended_s.total_cmp(&second.0).is_ne() {
            spread(&mut records, second.1);
            second = (ended_s, records.len());
        }
        let last = line.rsplit(' ').next().unwrap_or_default();
        let last = last.trim_matches('"').trim_start_matches("rt=").trim_start_matches("request_time=");
        // In the common format the last field is the size; a time has a point in it.
        let taken_s = last.parse::<f64>().ok().filter(|taken_s| last.contains('.') && *taken_s >= 0.0);
        records.push(Record {
            arrival_s: ended_s,
            service_s: taken_s,
            input_tokens: 0.0,
            output_tokens: 0.0,
        });
        if records.len() > MAX_RECORDS {
            return Err(wrong("the log is too long"));
        }
    }
    spread(&mut records, second.1);
    for record in &mut records {
        record.arrival_s -= record.service_s.unwrap_or(0.0);
    }
    Ok(records)
}

fn spread(records: &mut [Record], from: usize) {
    let count = (records.len() - from) as f64;
    for (index, record) in records[from..].iter_mut().enumerate() {
        record.arrival_s += (index as f64 + 0.5) / count;
    }
}
