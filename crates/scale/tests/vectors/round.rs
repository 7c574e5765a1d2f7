//! `hpa_e2e.json`: one whole reconcile per case.

use plimsoll_scale::calculate::MetricError;
use plimsoll_scale::observe::{Reading, Sample, Scale, SelectorFault};
use plimsoll_scale::spec::{Behavior, MetricId, MetricSpec, ObjectRef, ScalingRules, Target};
use plimsoll_scale::state::{Condition, Conditions, Reason, Recommendation};
use plimsoll_scale::{HpaSpec, Observation, Settings, State, Time, Written, reconcile, settle};
use serde_json::{Map, Value, json};

use crate::Verdict;
use crate::behavior::{policies, select_policy};
use crate::calculator::compare;
use crate::cluster::{instance, list, text};

/// Every case must come out the same with the factor of the upstream tests and with that of production.
pub(crate) fn run(case: &Value) -> Verdict {
    run_with(case, 2.0)?;
    run_with(case, 8.0).map_err(|difference| format!("with factor 8: {difference}"))
}

fn run_with(case: &Value, scale_up_limit_factor: f64) -> Verdict {
    let spec = spec(&case["spec"])?;
    let gate = |name: &str, default| case["gates"][name].as_bool().unwrap_or(default);
    let settings = Settings {
        cpu_initialization_period_s: 120,
        initial_readiness_delay_s: 10,
        scale_up_limit_factor,
        scale_to_zero: gate("scale_to_zero", false),
        configurable_tolerance: gate("configurable_tolerance", true),
        ..Settings::default()
    };
    let now = Time::from_s(case["now"].as_i64().unwrap_or(1_000_000));
    let mut state = state(case, now)?;
    let observed = observation(case, now);
    let mut decision = reconcile(&spec, &settings, &mut state, &observed, now);
    let asked = decision.write;
    let failed = case["scale_update_fails"].as_bool() == Some(true);
    let written = if failed { Written::Failed("refused".into()) } else { Written::Succeeded };
    settle(&spec, &settings, &mut state, &mut decision, written, now);

    let got = json!({
        "desired": decision.desired,
        "scale_updated": asked && !failed,
        "reconcile_error": decision.error.is_some(),
        "conditions": conditions(&decision.conditions),
    });
    compare(&case["expect"], &got).map_err(|difference| format!("{difference}: {}", decision.summary()))
}

fn spec(value: &Value) -> Result<HpaSpec, String> {
    let direction = |rules: &Value| {
        (!rules.is_null()).then(|| ScalingRules {
            stabilization_window_s: rules["stabilization_window_s"].as_u64().map(|seconds| seconds as u32),
            select_policy: rules.get("select_policy").filter(|v| !v.is_null()).map(|_| select_policy(rules)),
            policies: rules.get("policies").filter(|v| !v.is_null()).map(|_| policies(rules)),
            tolerance: rules["tolerance"].as_f64(),
        })
    };
    let behavior = &value["behavior"];
    Ok(HpaSpec {
        min_replicas: value["min"].as_u64().map(|min| min as u32),
        max_replicas: value["max"].as_u64().ok_or("no max")? as u32,
        metrics: list(&value["metrics"]).iter().map(metric).collect(),
        behavior: (!behavior.is_null()).then(|| Behavior {
            scale_up: direction(&behavior["scale_up"]),
            scale_down: direction(&behavior["scale_down"]),
        }),
    })
}

fn metric(value: &Value) -> MetricSpec {
    let kind = text(&value["type"]);
    let target = if let Some(pct) = value["target_utilization_pct"].as_i64() {
        Some(Target::Utilization(pct as i32))
    } else if let Some(milli) = value["target_average_value_milli"].as_i64() {
        Some(Target::AverageValue(milli))
    } else {
        value["target_value_milli"].as_i64().map(Target::Value)
    };
    let named = |default: &str| value["resource"].as_str().unwrap_or(default).to_owned();
    let metric = MetricId { name: named("qps"), ..MetricId::default() };
    // Without a target the source is invalid, which a target of the wrong type expresses.
    let or_invalid = |invalid| target.unwrap_or(invalid);
    let (no_value, no_share) = (Target::Value(0), Target::Utilization(0));
    match kind {
        "Resource" => MetricSpec::Resource { name: named("cpu"), target: or_invalid(no_value) },
        "ContainerResource" => MetricSpec::ContainerResource {
            name: named("cpu"),
            container: text(&value["container"]).to_owned(),
            target: or_invalid(no_value),
        },
        "Pods" => MetricSpec::Pods { metric, target: or_invalid(no_share) },
        "Object" => MetricSpec::Object {
            described_object: ObjectRef::default(),
            metric,
            target: or_invalid(no_share),
        },
        "External" => MetricSpec::External { metric, target: or_invalid(no_share) },
        _ => MetricSpec::Unknown { kind: kind.to_owned() },
    }
}

fn state(case: &Value, now: Time) -> Result<State, String> {
    let recommendation = |entry: &Value| Recommendation {
        replicas: entry["value"].as_u64().unwrap_or(0) as u32,
        at: now.minus_s(entry["age_s"].as_u64().unwrap_or(0) as u32),
    };
    let recommendations = case["recommendations"].as_array();
    let mut conditions = Conditions::default();
    for (kind, value) in case["initial_conditions"].as_object().into_iter().flatten() {
        let reason: Reason = serde_json::from_value(value[1].clone()).map_err(|error| error.to_string())?;
        let condition = Some(Condition { status: text(&value[0]) == "True", reason, since: Time(0) });
        match kind.as_str() {
            "AbleToScale" => conditions.able_to_scale = condition,
            "ScalingActive" => conditions.scaling_active = condition,
            "ScalingLimited" => conditions.scaling_limited = condition,
            "ScaledToZero" => conditions.scaled_to_zero = condition,
            other => return Err(format!("unknown condition {other}")),
        }
    }
    Ok(State {
        recommendations: recommendations.map(|entries| entries.iter().map(recommendation).collect()),
        conditions,
        desired: case["scale"]["spec_replicas"].as_u64().map(|replicas| replicas as u32),
        ..State::default()
    })
}

fn observation(case: &Value, now: Time) -> Observation {
    let replicas = |key: &str| case["scale"][key].as_u64().unwrap_or(0) as u32;
    let scale =
        Scale { spec_replicas: replicas("spec_replicas"), status_replicas: replicas("status_replicas") };
    // Level i belongs to pod i, so a null is a pod without a sample.
    let reported: Vec<Option<i64>> = list(&case["reported_levels_milli"]).iter().map(Value::as_i64).collect();
    let levels: Vec<i64> = reported.iter().flatten().copied().collect();
    let at = case["metric_timestamp"].as_i64().map_or(now, Time::from_s);
    let window_s = case["metric_window_s"].as_u64().unwrap_or(60) as u32;
    let samples = |value: &dyn Fn(i64) -> i64| -> Vec<Sample> {
        let sample = |(index, level): (usize, &Option<i64>)| {
            let instance = format!("pod-{index}").into();
            level.map(|level| Sample { instance, milli: value(level), at, window_s })
        };
        reported.iter().enumerate().filter_map(sample).collect()
    };
    let reading = |metric: &Value| {
        if metric["fetch_fails"].as_bool() == Some(true) {
            return Reading::Failed(MetricError::Unavailable { message: "refused".into() });
        }
        match text(&metric["type"]) {
            // Usage is split evenly over two containers, each with a whole number of milli-units.
            "Resource" => Reading::Instances(samples(&|level| level / 2 * 2)),
            "ContainerResource" => Reading::Instances(samples(&|level| level / 2)),
            "Pods" => Reading::Instances(samples(&|level| level)),
            "Object" => match levels.first() {
                Some(&milli) => Reading::Value { milli, at },
                None => Reading::Failed(MetricError::NoMetricsReturned),
            },
            _ => Reading::Series { milli: levels.clone(), at },
        }
    };
    Observation {
        scale: (case["scale_get_fails"].as_bool() != Some(true)).then_some(scale),
        selector_fault: match text(&case["selector_error"]) {
            "" => None,
            "AmbiguousSelector" => Some(SelectorFault::AmbiguousSelector),
            _ => Some(SelectorFault::InvalidSelector),
        },
        instances: list(&case["pods"]).iter().map(instance).collect(),
        readings: match list(&case["spec"]["metrics"]) {
            // Then the default of a spec without metrics is measured.
            [] => vec![reading(&json!({"type": "Resource"}))],
            metrics => metrics.iter().map(reading).collect(),
        },
    }
}

fn conditions(conditions: &Conditions) -> Value {
    let named = [
        ("AbleToScale", conditions.able_to_scale),
        ("ScalingActive", conditions.scaling_active),
        ("ScalingLimited", conditions.scaling_limited),
        ("ScaledToZero", conditions.scaled_to_zero),
    ];
    let shown = |condition: Condition| {
        json!([if condition.status { "True" } else { "False" }, condition.reason.to_string()])
    };
    let map: Map<String, Value> = named
        .into_iter()
        .filter_map(|(name, condition)| condition.map(|condition| (name.to_owned(), shown(condition))))
        .collect();
    Value::Object(map)
}
