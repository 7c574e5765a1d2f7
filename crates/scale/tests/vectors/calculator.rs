//! `replica_calculator.json`.

use plimsoll_scale::calculate::{
    Current, Group, MetricError, Proposal, Round, TotalOf, average_value, group, per_instance_target,
    per_instance_usage, request, sum, utilization, value_target,
};
use plimsoll_scale::observe::{Instance, Sample};
use plimsoll_scale::settings::Tolerances;
use plimsoll_scale::{Settings, Time};
use serde_json::{Map, Value, json};

use crate::Verdict;
use crate::cluster::{instance, list, resource_sample, sample, text};

pub(crate) fn runner(function: &str) -> Option<fn(&Value) -> Verdict> {
    Some(match function {
        "resource_utilization" => run_utilization,
        "pods_average_value" => run_average_value,
        "object_value" | "external_value" => run_value,
        "object_average_value" | "external_average_value" => run_per_instance,
        "group_pods" => run_group,
        "pod_requests" => run_requests,
        "per_pod_usage" => run_per_pod_usage,
        _ => return None,
    })
}

/// Everything a [`Round`] borrows.
struct Setting {
    settings: Settings,
    tolerances: Tolerances,
    instances: Vec<Instance>,
    spec_replicas: u32,
    status_replicas: u32,
    now: Time,
}

impl Setting {
    fn of(case: &Value) -> Self {
        let params = &case["params"];
        let seconds = |key: &str, default: u32| params[key].as_u64().map_or(default, |value| value as u32);
        let settings = Settings {
            cpu_initialization_period_s: seconds("cpu_initialization_period_s", 300),
            initial_readiness_delay_s: seconds("initial_readiness_delay_s", 30),
            ..Settings::default()
        };
        let tolerance = |side: &str| params["tolerance"][side].as_f64().unwrap_or(settings.tolerance);
        let replicas = |key: &str| case[key].as_u64().unwrap_or(0) as u32;
        Self {
            tolerances: Tolerances { down: tolerance("down"), up: tolerance("up") },
            instances: list(&case["pods"]).iter().map(instance).collect(),
            spec_replicas: replicas("current_replicas"),
            status_replicas: replicas("status_replicas"),
            now: Time::from_s(params["now"].as_i64().unwrap_or(1_000_000)),
            settings,
        }
    }

    fn round(&self) -> Round<'_> {
        Round {
            settings: &self.settings,
            tolerances: self.tolerances,
            instances: &self.instances,
            spec_replicas: self.spec_replicas,
            status_replicas: self.status_replicas,
            now: self.now,
            settle_s: None,
        }
    }
}

fn run_utilization(case: &Value) -> Verdict {
    let setting = Setting::of(case);
    let container = text(&case["container"]);
    let samples: Vec<Sample> =
        list(&case["pod_metrics"]).iter().filter_map(|metric| resource_sample(metric, container)).collect();
    let target = case["target_utilization_pct"].as_i64().ok_or("no target")? as i32;
    let resource = case["resource"].as_str().unwrap_or("cpu");
    let container = Some(container).filter(|name| !name.is_empty());
    check(case, utilization(&setting.round(), resource, container, target, &samples))
}

fn run_average_value(case: &Value) -> Verdict {
    let setting = Setting::of(case);
    let value = |metric: &Value| metric["value_milli"].as_i64().map(|milli| sample(metric, milli));
    let samples: Vec<Sample> = list(&case["pod_metrics"]).iter().filter_map(value).collect();
    let target = case["target_average_value_milli"].as_i64().ok_or("no target")?;
    let cpu = case["resource"].as_str() == Some("cpu");
    check(case, average_value(&setting.round(), cpu, target, &samples))
}

fn run_value(case: &Value) -> Verdict {
    let setting = Setting::of(case);
    let target = case["target_value_milli"].as_i64().ok_or("no target")?;
    let total = total(case, TotalOf::Value);
    check(case, total.and_then(|total| value_target(&setting.round(), total, target)))
}

fn run_per_instance(case: &Value) -> Verdict {
    let setting = Setting::of(case);
    let target = case["target_average_value_milli"].as_i64().ok_or("no target")?;
    let total = total(case, TotalOf::PerInstance);
    check(case, total.map(|total| per_instance_target(&setting.round(), total, target)))
}

fn total(case: &Value, of: TotalOf) -> Result<i64, MetricError> {
    let series: Vec<i64> = list(&case["metric_values_milli"]).iter().filter_map(Value::as_i64).collect();
    if series.is_empty() { Err(MetricError::NoMetricsReturned) } else { Ok(sum(&series, of)) }
}

fn run_group(case: &Value) -> Verdict {
    let setting = Setting::of(case);
    let samples: Vec<Sample> = list(&case["metrics"])
        .iter()
        .map(|metric| sample(metric, metric["value"].as_i64().unwrap_or(0)))
        .collect();
    let cpu = text(&case["resource"]) == "cpu";
    let (mut unready, mut missing, mut ignored) = (Vec::new(), Vec::new(), Vec::new());
    let groups =
        group(&setting.instances, &samples, cpu, &setting.settings, setting.now, |instance, _, group| {
            match group {
                Group::Ready => {}
                Group::Unready => unready.push(instance.name.to_string()),
                Group::Missing => missing.push(instance.name.to_string()),
                Group::Ignored => ignored.push(instance.name.to_string()),
            }
        });
    let got =
        json!({"ready_count": groups.ready, "unready": unready, "missing": missing, "ignored": ignored});
    let mut want = case["expect"].clone();
    for key in ["unready", "missing", "ignored"] {
        if let Some(names) = want[key].as_array_mut() {
            names.sort_by_key(Value::to_string);
        }
    }
    compare(&want, &got)
}

fn run_requests(case: &Value) -> Verdict {
    let container = Some(text(&case["container"])).filter(|name| !name.is_empty());
    let resource = case["resource"].as_str().unwrap_or("cpu");
    let pod_level = case["pod_level_resources_enabled"].as_bool().unwrap_or(false);
    let mut requests = Map::new();
    for pod in list(&case["pods"]) {
        let instance = instance(pod);
        match request(&instance, resource, container, pod_level) {
            Ok(milli) => requests.insert(instance.name.to_string(), json!(milli)),
            Err(error) => return compare(&case["expect"], &json!({"error": code(&error)})),
        };
    }
    compare(&case["expect"], &json!({"requests_milli": requests}))
}

fn run_per_pod_usage(case: &Value) -> Verdict {
    let usage = case["usage_milli"].as_i64().ok_or("no usage")?;
    let replicas = case["status_replicas"].as_u64().ok_or("no replicas")? as u32;
    compare(&case["expect"], &json!({"usage_milli": per_instance_usage(usage, replicas)}))
}

fn check(case: &Value, result: Result<Proposal, MetricError>) -> Verdict {
    let got = match result {
        // The schema has no name of its own for these two, so one of its names for "nothing to measure" will do.
        Err(MetricError::NoMetricsForCountedInstances | MetricError::NoInstances)
            if matches!(
                text(&case["expect"]["error"]),
                "no_metrics_returned" | "no_metrics_matched_known_pods"
            ) =>
        {
            return Ok(());
        }
        Err(error) => json!({"error": code(&error)}),
        Ok(proposal) => match proposal.current {
            Current::Utilization { pct, average_milli } => {
                json!({"replicas": proposal.replicas, "utilization_pct": pct, "raw_average_milli": average_milli})
            }
            Current::Average { milli } | Current::PerInstance { milli, .. } | Current::Total { milli } => {
                json!({"replicas": proposal.replicas, "usage_milli": milli})
            }
        },
    };
    compare(&case["expect"], &got)
}

/// The name that vectors use for an error.
fn code(error: &MetricError) -> &'static str {
    match error {
        MetricError::NoMetricsReturned => "no_metrics_returned",
        MetricError::NoMetricsMatchedKnownInstances => "no_metrics_matched_known_pods",
        MetricError::NoMetricsForCountedInstances => "no_metrics_for_targeted_pods",
        MetricError::NoInstances => "no_pods",
        MetricError::MissingRequest { .. } => "missing_request",
        MetricError::ContainerNotFound { .. } => "container_not_found",
        _ => "other",
    }
}

/// Every expected key must be there with the expected value; keys that are not expected are not compared.
pub(crate) fn compare(want: &Value, got: &Value) -> Verdict {
    let Some(fields) = want.as_object() else { return Err("no `expect`".into()) };
    for (key, value) in fields {
        if value.is_null() {
            continue;
        }
        if got.get(key) != Some(value) {
            return Err(format!("expected {want}, got {got}"));
        }
    }
    Ok(())
}
