//! From instances and signals to what the scaling decision looks at.

use std::{sync::Arc, time::Instant};

use plimsoll_fleet::{Instance, State};
use plimsoll_scale::{
    Observation, Time,
    calculate::MetricError,
    observe::{self as scale, Reading, Sample},
    spec::MetricSpec,
};

use crate::signal::Signals;

/// The moment of an observation, on both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Wall clock, which survives a restart.
    pub(crate) at: Time,
    /// Monotonic clock, which the fleet measures with.
    pub(crate) instant: Instant,
}

/// Seconds over which the fleet averages CPU.
const USAGE_WINDOW_S: u32 = 1;
/// Name of the CPU resource.
const CPU: &str = "cpu";
/// Name of the memory resource.
const MEMORY: &str = "memory";

// === impl Moment ===

impl Moment {
    /// The wall-clock time of an instant in the past.
    fn time_of(self, instant: Instant) -> Time {
        let ago = self.instant.saturating_duration_since(instant).as_millis();
        Time(self.at.0.saturating_sub(i64::try_from(ago).unwrap_or(i64::MAX)))
    }
}

/// What the policy of one service sees. Of an instance comes whether it is
/// being drained; `requests` says what it requests.
pub(crate) fn observe(
    metrics: &[MetricSpec],
    desired: u32,
    requests: impl Fn(&Instance) -> scale::Requests,
    instances: &[(&Instance, bool)],
    signals: &Signals,
    moment: Moment,
) -> Observation {
    let staying = instances.iter().filter(|(_, leaving)| !leaving).count();
    Observation {
        scale: Some(scale::Scale {
            spec_replicas: desired,
            status_replicas: u32::try_from(staying).unwrap_or(u32::MAX),
        }),
        selector_fault: None,
        instances: instances.iter().map(|(it, leaving)| pod(it, *leaving, requests(it), moment)).collect(),
        readings: readings(metrics, instances, signals, moment),
    }
}

/// One reading per metric, in their order.
pub(crate) fn readings(
    metrics: &[MetricSpec],
    instances: &[(&Instance, bool)],
    signals: &Signals,
    moment: Moment,
) -> Vec<Reading> {
    metrics.iter().map(|metric| read(metric, instances, signals, moment)).collect()
}

fn pod(instance: &Instance, leaving: bool, requests: scale::Requests, moment: Moment) -> scale::Instance {
    let started_at = instance.started_at.map(|started| moment.time_of(started));
    let (phase, ready) = match instance.state {
        State::Ready => (scale::Phase::Running, true),
        State::NotReady | State::Draining => (scale::Phase::Running, false),
        State::Starting if instance.pid.is_some() => (scale::Phase::Running, false),
        State::Starting | State::CrashLoop { .. } => (scale::Phase::Pending, false),
        State::Stopped => (scale::Phase::Succeeded, false),
    };
    let since = match instance.ready_since {
        Some(since) if ready => Some(moment.time_of(since)),
        _ => started_at,
    };
    scale::Instance {
        name: Arc::from(instance.id.to_string()),
        phase,
        deleting: leaving || instance.state == State::Draining,
        started_at,
        readiness: since.map(|since| scale::Readiness { ready, since }),
        // A local process has one container, named like its service.
        containers: vec![scale::Container { name: Arc::from(instance.service.as_str()), requests }],
        whole: None,
    }
}

fn read(metric: &MetricSpec, instances: &[(&Instance, bool)], signals: &Signals, moment: Moment) -> Reading {
    match metric {
        MetricSpec::Resource { name, .. } | MetricSpec::ContainerResource { name, .. } => {
            Reading::Instances(samples(name, instances, moment.at))
        }
        MetricSpec::External { metric, .. } => signals.read(metric, moment.at),
        MetricSpec::Pods { metric, .. } | MetricSpec::Object { metric, .. } => {
            let message = format!("`{}`: this version reads Resource and External metrics only", metric.name);
            Reading::Failed(MetricError::Unavailable { message })
        }
        MetricSpec::Unknown { kind } => Reading::Failed(MetricError::UnknownType { kind: kind.clone() }),
    }
}

fn samples(resource: &str, instances: &[(&Instance, bool)], at: Time) -> Vec<Sample> {
    let usage_milli = |instance: &Instance| match resource {
        CPU => instance.cpu_milli.and_then(|milli| i64::try_from(milli).ok()),
        MEMORY => instance.memory_bytes.and_then(|bytes| i64::try_from(bytes).ok()?.checked_mul(1000)),
        _ => None,
    };
    let sample = |instance: &Instance| {
        let milli = usage_milli(instance)?;
        Some(Sample { instance: Arc::from(instance.id.to_string()), milli, at, window_s: USAGE_WINDOW_S })
    };
    instances.iter().filter_map(|(instance, _)| sample(instance)).collect()
}
