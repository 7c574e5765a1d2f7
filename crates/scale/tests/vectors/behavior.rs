//! `behavior.json`.

use plimsoll_scale::normalize::{
    Bounds, Past, change_within, clamp, down_limit, hold_down, rate_limit, record, stabilize, store, up_limit,
};
use plimsoll_scale::spec::{PolicyKind, RatePolicy, Rules, SelectPolicy};
use plimsoll_scale::state::{Recommendation, ScaleEvent};
use plimsoll_scale::{Settings, Time};
use serde_json::{Value, json};

use crate::Verdict;
use crate::calculator::compare;
use crate::cluster::{list, text};

const NOW: Time = Time::from_s(1_000_000);

pub(crate) fn runner(function: &str) -> Option<fn(&Value) -> Verdict> {
    Some(match function {
        "clamp_without_behavior" => run_clamp,
        "scale_up_limit" => run_up_limit,
        "scale_down_limit" => run_down_limit,
        "rate_limit" => run_rate_limit,
        "stabilize_without_behavior" => run_hold_down,
        "stabilize_with_behavior" => run_stabilize,
        "store_scale_event" => run_store,
        _ => return None,
    })
}

fn number(input: &Value, key: &str) -> u32 {
    input[key].as_u64().unwrap_or(0) as u32
}

fn at(entry: &Value) -> Time {
    NOW.minus_s(number(entry, "age_s"))
}

fn events(value: &Value) -> Vec<ScaleEvent> {
    let event = |entry: &Value| ScaleEvent {
        change: number(entry, "change"),
        at: at(entry),
        outdated: entry["outdated"].as_bool().unwrap_or(false),
    };
    list(value).iter().map(event).collect()
}

fn recommendations(value: &Value) -> Vec<Recommendation> {
    list(value)
        .iter()
        .map(|entry| Recommendation { replicas: number(entry, "value"), at: at(entry) })
        .collect()
}

pub(crate) fn policies(rules: &Value) -> Vec<RatePolicy> {
    let policy = |entry: &Value| RatePolicy {
        kind: if text(&entry["type"]) == "Pods" { PolicyKind::Pods } else { PolicyKind::Percent },
        value: entry["value"].as_i64().unwrap_or(0) as i32,
        period_s: number(entry, "period_s"),
    };
    list(&rules["policies"]).iter().map(policy).collect()
}

pub(crate) fn select_policy(rules: &Value) -> SelectPolicy {
    match text(&rules["select_policy"]) {
        "Min" => SelectPolicy::Min,
        "Disabled" => SelectPolicy::Disabled,
        _ => SelectPolicy::Max,
    }
}

fn rules<'a>(value: &Value, policies: &'a [RatePolicy]) -> Rules<'a> {
    Rules {
        stabilization_window_s: number(value, "stabilization_window_s"),
        select_policy: select_policy(value),
        policies,
    }
}

fn run_clamp(case: &Value) -> Verdict {
    let input = &case["input"];
    let settings = Settings {
        scale_up_limit_factor: input["scale_up_limit_factor"].as_f64().unwrap_or(2.0),
        scale_up_limit_minimum: input["scale_up_limit_minimum"].as_f64().unwrap_or(4.0),
        ..Settings::default()
    };
    let bounds = Bounds { min: number(input, "min"), max: number(input, "max") };
    let limited = clamp(&settings, bounds, number(input, "current"), number(input, "desired"));
    compare(&case["expect"], &json!({"replicas": limited.replicas, "reason": limited.reason.to_string()}))
}

fn run_up_limit(case: &Value) -> Verdict {
    let input = &case["input"];
    let (up, down) = (events(&input["scale_up_events"]), events(&input["scale_down_events"]));
    let past = Past { up: &up, down: &down, now: NOW };
    let policies = policies(&input["rules"]);
    let (limit, _) = up_limit(number(input, "current"), rules(&input["rules"], &policies), past);
    compare(&case["expect"], &json!({"limit": limit}))
}

fn run_down_limit(case: &Value) -> Verdict {
    let input = &case["input"];
    let (up, down) = (events(&input["scale_up_events"]), events(&input["scale_down_events"]));
    let past = Past { up: &up, down: &down, now: NOW };
    let policies = policies(&input["rules"]);
    let (limit, _) = down_limit(number(input, "current"), rules(&input["rules"], &policies), past);
    compare(&case["expect"], &json!({"limit": limit}))
}

fn run_rate_limit(case: &Value) -> Verdict {
    let input = &case["input"];
    let (up, down) = (events(&input["scale_up_events"]), events(&input["scale_down_events"]));
    let past = Past { up: &up, down: &down, now: NOW };
    let (up_policies, down_policies) = (policies(&input["scale_up"]), policies(&input["scale_down"]));
    let bounds = Bounds { min: number(input, "min"), max: number(input, "max") };
    let limited = rate_limit(
        bounds,
        number(input, "current"),
        number(input, "desired"),
        rules(&input["scale_up"], &up_policies),
        rules(&input["scale_down"], &down_policies),
        past,
    );
    compare(&case["expect"], &json!({"replicas": limited.replicas, "reason": limited.reason.to_string()}))
}

fn run_hold_down(case: &Value) -> Verdict {
    let input = &case["input"];
    let mut log = recommendations(&input["recommendations"]);
    let (desired, window_s) = (number(input, "desired"), number(input, "downscale_window_s"));
    let stabilized = hold_down(&log, desired, window_s, NOW);
    record(&mut log, desired, window_s, NOW);
    check_log(case, stabilized.replicas, &stabilized.reason.to_string(), &log)
}

fn run_stabilize(case: &Value) -> Verdict {
    let input = &case["input"];
    let mut log = recommendations(&input["recommendations"]);
    let (current, desired) = (number(input, "current"), number(input, "desired"));
    let (up_s, down_s) = (number(input, "scale_up_window_s"), number(input, "scale_down_window_s"));
    let stabilized = stabilize(&log, current, desired, up_s, down_s, NOW);
    record(&mut log, desired, up_s.max(down_s), NOW);
    check_log(case, stabilized.replicas, &stabilized.reason.to_string(), &log)
}

/// In the expected log a null stands for a value that is not checked.
fn check_log(case: &Value, replicas: u32, reason: &str, log: &[Recommendation]) -> Verdict {
    let mut want = case["expect"].clone();
    let mut values: Vec<Value> = log.iter().map(|one| json!(one.replicas)).collect();
    if let Some(expected) = want["log"].as_array_mut() {
        for (slot, value) in expected.iter().zip(&mut values) {
            if slot.is_null() {
                *value = Value::Null;
            }
        }
    }
    let got = json!({
        "replicas": replicas, "reason_if_changed": reason, "log_length": log.len(), "log": values,
    });
    compare(&want, &got)
}

fn run_store(case: &Value) -> Verdict {
    let input = &case["input"];
    let mut stored = events(&input["previous_events"]);
    let before = change_within(&stored, number(input, "window_s"), NOW);
    if !input["rules"].is_null() {
        let longest_s = policies(&input["rules"]).iter().map(|policy| policy.period_s).max().unwrap_or(0);
        store(&mut stored, number(input, "change"), longest_s, NOW);
    }
    let after: Vec<Value> =
        stored.iter().map(|event| json!({"change": event.change, "outdated": event.outdated})).collect();
    compare(&case["expect"], &json!({"change_in_window_before": before, "events_after": after}))
}
