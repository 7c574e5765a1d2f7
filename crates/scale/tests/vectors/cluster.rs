//! Reads the instances and samples of a vector.

use std::sync::Arc;

use plimsoll_scale::Time;
use plimsoll_scale::observe::{Container, Instance, Phase, Readiness, Requests, Sample};
use serde_json::Value;

pub(crate) fn time(value: &Value) -> Option<Time> {
    value.as_i64().map(Time::from_s)
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

pub(crate) fn name(value: &Value) -> Arc<str> {
    Arc::from(text(value))
}

pub(crate) fn instance(pod: &Value) -> Instance {
    let phase = match text(&pod["phase"]) {
        "Pending" => Phase::Pending,
        "Succeeded" => Phase::Succeeded,
        "Failed" => Phase::Failed,
        "Unknown" => Phase::Unknown,
        _ => Phase::Running,
    };
    let readiness = pod["ready"]
        .as_bool()
        .map(|ready| Readiness { ready, since: time(&pod["ready_transition"]).unwrap_or_default() });
    let restarting = |init: &&Value| init["restart_always"].as_bool() == Some(true);
    let inits = list(&pod["init_containers"]).iter().filter(restarting);
    Instance {
        name: name(&pod["name"]),
        phase,
        deleting: pod["deleted"].as_bool().unwrap_or(false),
        started_at: time(&pod["start_time"]),
        readiness,
        containers: list(&pod["containers"]).iter().chain(inits).map(container).collect(),
        whole: pod["pod_level_request_milli"].as_i64().map(|milli| requests(Some(milli))),
    }
}

fn container(container: &Value) -> Container {
    Container { name: name(&container["name"]), requests: requests(container["request_milli"].as_i64()) }
}

/// A vector names one resource only, so both get the value.
fn requests(milli: Option<i64>) -> Requests {
    Requests { cpu_milli: milli, memory_milli: milli }
}

/// The sample of one instance: of the named container, else summed over all. Without that container: no sample.
pub(crate) fn resource_sample(metric: &Value, container: &str) -> Option<Sample> {
    let mut containers = list(&metric["containers"]).iter();
    let usage = |one: &Value| one["usage_milli"].as_i64();
    let milli = if container.is_empty() {
        containers.map(usage).sum::<Option<i64>>()?
    } else {
        usage(containers.find(|one| text(&one["name"]) == container)?)?
    };
    Some(sample(metric, milli))
}

pub(crate) fn sample(metric: &Value, milli: i64) -> Sample {
    Sample {
        instance: name(&metric["pod"]),
        milli,
        at: time(&metric["timestamp"]).unwrap_or_default(),
        window_s: metric["window"].as_u64().unwrap_or(0) as u32,
    }
}
