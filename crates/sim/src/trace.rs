//! Traces as people have them, from the bytes of a file to requests or rates.

mod csv;
mod jsonl;
mod nginx;
mod prometheus;

use serde::{Deserialize, Serialize};

use crate::random::Random;
use crate::service::Delay;
use crate::workload::{RateStep, Request, sort};

/// What a trace is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Comma-separated with a heading: one request a line (Azure LLM traces and request lists among them), or one rate a
    /// line when a column holds rates.
    Csv,
    /// One JSON object a line (Mooncake).
    Jsonl,
    /// Answer of a Prometheus range query; its series are summed to a rate per second.
    Prometheus,
    /// Access log of nginx, common or combined, perhaps with `$request_time` at the end.
    Nginx,
}

/// Which column or field is what; those that are absent are looked for under the names of [`Columns::KNOWN`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Columns {
    /// Arrival: a number, or a date and time.
    pub time: Option<String>,
    /// Seconds of service.
    pub service: Option<String>,
    /// Tokens read.
    pub input_tokens: Option<String>,
    /// Tokens written.
    pub output_tokens: Option<String>,
    /// Requests per second from this time on.
    pub rate: Option<String>,
    /// What a time that is a number counts, in seconds; by default milliseconds for `jsonl` and else seconds.
    pub time_unit_s: Option<f64>,
}

/// How long a request takes when the trace does not say.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ServiceTime {
    /// A language model: time to the first token, then token by token.
    Tokens {
        /// Seconds to the first token.
        ttft_s: f64,
        /// Seconds per token read.
        s_per_input_token: f64,
        /// Seconds per token written.
        s_per_output_token: f64,
    },
    /// Drawn, whatever the request.
    Drawn {
        /// From this.
        delay: Delay,
    },
}

/// What a file held.
#[derive(Debug, Clone, PartialEq)]
pub enum Trace {
    /// Requests in order of arrival. The first is at 0, except in an exact list: seconds with seconds of service keep their
    /// own zero, so that another simulator with the same clocks sees the same world.
    Requests(Vec<Request>),
    /// Rates in order of time, the first at 0, and when the last one ends.
    Rates(Vec<RateStep>, f64),
}

/// What is wrong with a trace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}: {what}")]
pub struct TraceError {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong and how to mend it.
    pub what: String,
}

/// One line of a trace of requests.
struct Record {
    arrival_s: f64,
    service_s: Option<f64>,
    input_tokens: f64,
    output_tokens: f64,
}

/// The most requests or rates of one trace.
const MAX_RECORDS: usize = 200_000_000;

/// Guesses the format from the first line that says something.
pub fn detect(text: &str) -> Format {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim_start();
    if first.starts_with('{')
        && (first.contains("\"status\"") || first.contains("\"data\"") || first.trim_end() == "{")
    {
        Format::Prometheus
    } else if first.starts_with('{') {
        Format::Jsonl
    } else if first.contains(" [") && first.contains("] \"") {
        Format::Nginx
    } else {
        Format::Csv
    }
}

/// Reads a trace. `seed` is for drawn service times.
///
/// # Errors
/// The first line that cannot be read, and a trace without anything in it.
pub fn read(
    text: &str,
    format: Format,
    columns: &Columns,
    service: &ServiceTime,
    seed: u64,
) -> Result<Trace, TraceError> {
    let mut random = Random::new(seed);
    match format {
        Format::Csv => csv::read(text, columns, service, &mut random),
        Format::Jsonl => {
            jsonl::read(text, columns).and_then(|records| requests(records, false, service, &mut random))
        }
        Format::Nginx => nginx::read(text).and_then(|records| requests(records, false, service, &mut random)),
        Format::Prometheus => prometheus::read(text).and_then(rates),
    }
}

/// Seconds above this are a date: they are so many since 1970.
const DATES_FROM_S: f64 = 1e8;

/// Puts records in order and moves the first to 0, unless they are an exact list.
fn requests(
    records: Vec<Record>,
    is_exact: bool,
    service: &ServiceTime,
    random: &mut Random,
) -> Result<Trace, TraceError> {
    let first_s = records.iter().map(|record| record.arrival_s).fold(f64::INFINITY, f64::min);
    let zero_s = if is_exact && (0.0..DATES_FROM_S).contains(&first_s) { 0.0 } else { first_s };
    if records.is_empty() {
        return Err(TraceError::at(
            1,
            "there is no request in it. hint: one line per request, below the heading if the format has one",
        ));
    }
    let mut requests: Vec<Request> = records
        .iter()
        .map(|record| Request { arrival_s: record.arrival_s - zero_s, service_s: service.of(record, random) })
        .collect();
    sort(&mut requests);
    Ok(Trace::Requests(requests))
}

/// Puts rates in order and moves the first to 0; the last lasts as long as the one before it.
fn rates(mut steps: Vec<RateStep>) -> Result<Trace, TraceError> {
    steps.sort_by(|a, b| a.from_s.total_cmp(&b.from_s));
    let Some(first_s) = steps.first().map(|step| step.from_s) else {
        return Err(TraceError::at(
            1,
            "there is no rate in it. hint: one line per step, such as `0,12.5` below `t_seconds,req_per_s`",
        ));
    };
    steps.iter_mut().for_each(|step| step.from_s -= first_s);
    let until_s = match steps.as_slice() {
        [.., before, last] => 2.0 * last.from_s - before.from_s,
        _ => 60.0,
    };
    Ok(Trace::Rates(steps, until_s))
}

// === impl Columns ===

impl Columns {
    /// Names under which a column is found when nothing else is said, in lower case.
    pub const KNOWN: [(&'static str, &'static [&'static str]); 5] = [
        ("time", &["timestamp", "arrival_s", "arrival", "arrived_at", "time", "t", "t_seconds", "ts"]),
        ("service", &["service_s", "service", "service_seconds", "duration_s", "request_time"]),
        ("input_tokens", &["contexttokens", "input_length", "input_tokens", "num_prefill_tokens"]),
        ("output_tokens", &["generatedtokens", "output_length", "output_tokens", "num_decode_tokens"]),
        ("rate", &["rate", "req_per_s", "requests_per_second", "rps", "value"]),
    ];

    /// The column for `what` among `names`.
    fn find(&self, what: &str, names: &[String]) -> Result<Option<usize>, String> {
        let asked = match what {
            "time" => &self.time,
            "service" => &self.service,
            "input_tokens" => &self.input_tokens,
            "output_tokens" => &self.output_tokens,
            _ => &self.rate,
        };
        if let Some(asked) = asked {
            let found = names.iter().position(|name| name == asked);
            return match found {
                Some(index) => Ok(Some(index)),
                None => Err(format!("there is no column `{asked}`, there are {}", names.join(", "))),
            };
        }
        let known = Self::KNOWN.iter().find(|(key, _)| *key == what).map_or(&[][..], |(_, names)| names);
        Ok(names.iter().position(|name| known.contains(&name.to_ascii_lowercase().as_str())))
    }
}

// === impl ServiceTime ===

impl ServiceTime {
    fn of(&self, record: &Record, random: &mut Random) -> f64 {
        match (record.service_s, self) {
            (Some(service_s), _) => service_s,
            (None, Self::Tokens { ttft_s, s_per_input_token, s_per_output_token }) => {
                ttft_s + s_per_input_token * record.input_tokens + s_per_output_token * record.output_tokens
            }
            (None, Self::Drawn { delay }) => delay.draw(random),
        }
    }
}

// === impl TraceError ===

impl TraceError {
    fn at(line: usize, what: impl Into<String>) -> Self {
        Self { line, what: what.into() }
    }
}

/// A time of a trace in seconds: a number times `unit_s`, a date and time, or one with a zone.
fn seconds(text: &str, unit_s: f64) -> Option<f64> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        return (number.is_finite()).then_some(number * unit_s);
    }
    let since_epoch = |timestamp: jiff::Timestamp| timestamp.as_nanosecond() as f64 / 1e9;
    if let Ok(timestamp) = text.parse::<jiff::Timestamp>() {
        return Some(since_epoch(timestamp));
    }
    let moment = text.parse::<jiff::civil::DateTime>().ok()?;
    Some(since_epoch(moment.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp()))
}

#[cfg(test)]
mod tests;
