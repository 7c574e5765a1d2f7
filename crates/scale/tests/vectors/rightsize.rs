//! `vpa.json`.

use plimsoll_scale::Time;
use plimsoll_scale::vpa::{
    Amounts, Buckets, ContainerUsage, Histogram, amount, confidence, confidence_factor, oom_sample,
    pod_minimum, scale_amount, with_margin,
};
use serde_json::{Value, json};

use crate::Verdict;
use crate::calculator::compare;
use crate::cluster::{list, text};

pub(crate) fn runner(function: &str) -> Option<fn(&Value) -> Verdict> {
    Some(match function {
        "histogram" => run_histogram,
        "buckets" => run_buckets,
        "confidence" => run_confidence,
        "percentile_estimate" => run_percentiles,
        "margin" => run_margin,
        "recommend_min" => run_minimum,
        "oom_bump" => run_oom,
        "bound_factor" => run_bound,
        _ => return None,
    })
}

fn number(input: &Value, key: &str) -> f64 {
    input[key].as_f64().unwrap_or(0.0)
}

fn buckets(options: &Value) -> Buckets {
    let max = number(options, "max");
    if text(&options["kind"]) == "linear" {
        return Buckets::Linear { max, size: number(options, "bucket") };
    }
    Buckets::Exponential { max, first: number(options, "first"), ratio: number(options, "ratio") }
}

/// Floating-point sums depend on their order: equal to nine digits is equal.
fn near(want: f64, got: f64) -> bool {
    (want - got).abs() <= 1e-9 * want.abs().max(1e-9)
}

fn check(what: &str, want: f64, got: f64) -> Verdict {
    if near(want, got) { Ok(()) } else { Err(format!("{what}: expected {want}, got {got}")) }
}

fn run_histogram(case: &Value) -> Verdict {
    let half_life_s = case["half_life_s"].as_u64().map(|seconds| seconds as u32);
    let mut histogram =
        Histogram::new(buckets(&case["options"]), number(&case["options"], "epsilon"), half_life_s);
    for op in list(&case["ops"]) {
        let (value, weight) = (number(op, "value"), number(op, "weight"));
        let at = Time::from_s(op["time"].as_i64().unwrap_or(0));
        match text(&op["op"]) {
            "add" => histogram.add(value, weight, at),
            "subtract" => histogram.subtract(value, weight, at),
            other => return Err(format!("unknown operation {other}")),
        }
    }
    let expect = &case["expect"];
    for pair in list(&expect["percentiles"]) {
        let (share, want) = (pair[0].as_f64().unwrap_or(0.0), pair[1].as_f64().unwrap_or(0.0));
        check(&format!("percentile {share}"), want, histogram.percentile(share))?;
    }
    if let Some(empty) = expect["empty"].as_bool()
        && empty != histogram.is_empty()
    {
        return Err(format!("expected empty to be {empty}"));
    }
    if let Some(want) = expect.get("checkpoint") {
        let got = histogram.checkpoint();
        check("checkpoint total", number(want, "total"), got.total)?;
        compare(&json!({"buckets": want["buckets"]}), &json!({"buckets": got.buckets}))?;
    }
    Ok(())
}

fn run_buckets(case: &Value) -> Verdict {
    let buckets = buckets(&case["options"]);
    let expect = &case["expect"];
    if let Some(count) = expect["num_buckets"].as_u64()
        && count != buckets.count() as u64
    {
        return Err(format!("expected {count} buckets, got {}", buckets.count()));
    }
    for pair in list(&expect["bucket_start"]) {
        let bucket = pair[0].as_u64().unwrap_or(0) as usize;
        check(&format!("start of {bucket}"), pair[1].as_f64().unwrap_or(0.0), buckets.start(bucket))?;
    }
    for pair in list(&expect["find_bucket"]) {
        let value = pair[0].as_f64().unwrap_or(0.0);
        check(&format!("bucket of {value}"), pair[1].as_f64().unwrap_or(0.0), buckets.find(value) as f64)?;
    }
    Ok(())
}

/// Amounts of a vector in the integers of the recommender.
fn amounts(input: &Value) -> (i64, i64) {
    (amount(number(input, "base_cpu_cores") * 1000.0), amount(number(input, "base_memory_bytes")))
}

fn run_confidence(case: &Value) -> Verdict {
    let (input, expect) = (&case["input"], &case["expect"]);
    let samples = input["samples"].as_u64().unwrap_or(0);
    let lifespan_s = number(input, "sample_spacing_s") * samples.saturating_sub(1) as f64;
    let interval_s = input["confidence_interval_s"].as_f64().unwrap_or(86_400.0);
    let confidence = confidence(lifespan_s, samples, interval_s);
    let factor = confidence_factor(confidence, number(input, "multiplier"), number(input, "exponent"));
    let (cpu_milli, memory_bytes) = amounts(input);
    let (cpu_milli, memory_bytes) = (scale_amount(cpu_milli, factor), scale_amount(memory_bytes, factor));
    if let Some(want) = expect["confidence"].as_f64() {
        check("confidence", want, confidence)?;
    }
    check_amounts(expect, cpu_milli, memory_bytes)
}

fn check_amounts(expect: &Value, cpu_milli: i64, memory_bytes: i64) -> Verdict {
    for (key, got) in [
        ("cpu_cores", cpu_milli as f64 / 1000.0),
        ("cpu_millicores", cpu_milli as f64),
        ("memory_bytes", memory_bytes as f64),
    ] {
        if let Some(want) = expect[key].as_f64() {
            check(key, want, got)?;
        }
    }
    Ok(())
}

fn run_percentiles(case: &Value) -> Verdict {
    let (input, expect) = (&case["input"], &case["expect"]);
    let mut usage = ContainerUsage::default();
    let mut memory = usage.memory().clone();
    for (second, cores) in (1_i64..).zip(list(&input["cpu_samples"])) {
        usage.add_cpu(cores.as_f64().unwrap_or(0.0), Time::from_s(second));
    }
    for bytes in list(&input["memory_samples"]) {
        memory.add(bytes.as_f64().unwrap_or(0.0), 1.0, Time::from_s(1));
    }
    let tolerance = number(expect, "relative_tolerance");
    for (key, got) in [
        ("cpu_cores", usage.cpu().percentile(number(input, "cpu_percentile"))),
        ("memory_bytes", memory.percentile(number(input, "memory_percentile"))),
    ] {
        let want = number(expect, key);
        if (want - got).abs() > want * tolerance {
            return Err(format!("{key}: expected {want}, got {got}"));
        }
    }
    Ok(())
}

fn run_margin(case: &Value) -> Verdict {
    let input = &case["input"];
    let margin = number(input, "margin");
    let (cpu_milli, memory_bytes) =
        (amount(number(input, "cpu_cores") * 1000.0), amount(number(input, "memory_bytes")));
    check_amounts(&case["expect"], with_margin(cpu_milli, margin), with_margin(memory_bytes, margin))
}

fn run_minimum(case: &Value) -> Verdict {
    let (input, expect) = (&case["input"], &case["expect"]);
    let least = Amounts {
        cpu_milli: amount(number(input, "pod_min_cpu_millicores")),
        memory_bytes: amount(number(input, "pod_min_memory_mb") * 1024.0 * 1024.0),
    };
    let minimum = pod_minimum(least, input["containers"].as_u64().unwrap_or(1) as u32);
    let (cpu_milli, memory_bytes) = amounts(input);
    let (cpu_milli, memory_bytes) =
        (cpu_milli.max(minimum.cpu_milli), memory_bytes.max(minimum.memory_bytes));
    match expect["cpu_millicores_each_truncated"].as_f64() {
        Some(want) => check("cpu_millicores_each_truncated", want, cpu_milli as f64)?,
        None => check("cpu_cores_each", number(expect, "cpu_cores_each"), cpu_milli as f64 / 1000.0)?,
    }
    check("memory_bytes_each", number(expect, "memory_bytes_each"), memory_bytes as f64)
}

fn run_oom(case: &Value) -> Verdict {
    let input = &case["input"];
    let bytes = |key: &str| input[key].as_i64().unwrap_or(0);
    let sample = oom_sample(
        bytes("request_bytes"),
        bytes("usage_peak_bytes"),
        number(input, "ratio"),
        bytes("min_bump_bytes"),
    );
    compare(&case["expect"], &json!({"sample_bytes": sample}))
}

fn run_bound(case: &Value) -> Verdict {
    let input = &case["input"];
    let days = number(input, "history_days");
    let samples = (days * 1440.0).round() as u64;
    let confidence = confidence(days * 86_400.0, samples, 86_400.0);
    let factor = confidence_factor(confidence, number(input, "multiplier"), number(input, "exponent"));
    check("factor", number(&case["expect"], "factor"), factor)
}
