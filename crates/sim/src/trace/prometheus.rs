//! Answers of Prometheus range queries.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::TraceError;
use crate::workload::RateStep;

#[derive(Deserialize)]
struct Answer {
    status: Option<String>,
    error: Option<String>,
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "resultType")]
    kind: String,
    result: Vec<Series>,
}

#[derive(Deserialize)]
struct Series {
    #[serde(default)]
    values: Vec<(f64, String)>,
}

pub(super) fn read(text: &str) -> Result<Vec<RateStep>, TraceError> {
    let answer: Answer = serde_json::from_str(text)
        .map_err(|error| TraceError::at(error.line(), format!("not the answer of a range query: {error}")))?;
    let failed = answer.error.filter(|_| answer.status.as_deref() == Some("error"));
    if let Some(error) = failed {
        return Err(TraceError::at(1, format!("the query failed: {error}")));
    }
    let data = answer.data.ok_or_else(|| {
        TraceError::at(1, "there is no `data` in it. hint: save the whole answer of /api/v1/query_range")
    })?;
    if data.kind != "matrix" {
        let what = format!("the result is a {}, not a matrix. hint: use /api/v1/query_range", data.kind);
        return Err(TraceError::at(1, what));
    }
    // Series are summed; a gap in one of them counts as nothing. Times are kept as milliseconds to be comparable.
    let mut sums: BTreeMap<i64, f64> = BTreeMap::new();
    for (at_s, value) in data.result.iter().flat_map(|series| &series.values) {
        let value: f64 =
            value.parse().map_err(|_| TraceError::at(1, format!("`{value}` is not a number")))?;
        if value.is_finite() {
            *sums.entry((at_s * 1000.0).round() as i64).or_default() += value.max(0.0);
        }
    }
    Ok(sums.into_iter().map(|(at_ms, per_s)| RateStep { from_s: at_ms as f64 / 1000.0, per_s }).collect())
}
