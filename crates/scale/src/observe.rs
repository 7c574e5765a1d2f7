//! What a round can see: the scale, the instances, and one reading per metric.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Time;
use crate::calculate::MetricError;

/// Everything seen at one moment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Observation {
    /// The target's scale, absent when it could not be read.
    pub scale: Option<Scale>,
    /// Why the instances of the target cannot be told apart, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector_fault: Option<SelectorFault>,
    /// Every instance of the target, whatever its phase.
    pub instances: Vec<Instance>,
    /// One reading per metric, in the order of [`HpaSpec::effective_metrics`](crate::HpaSpec::effective_metrics), or of
    /// [`Policy::metrics_to_read`](crate::policy::Policy::metrics_to_read) for a policy. A missing entry is a failed reading.
    pub readings: Vec<Reading>,
}

/// Replica counts of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scale {
    /// What was asked for last.
    pub spec_replicas: u32,
    /// What exists.
    pub status_replicas: u32,
}

/// Why the instances of a target cannot be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SelectorFault {
    /// The selector is empty or unparsable.
    InvalidSelector,
    /// Another autoscaler selects the same instances.
    AmbiguousSelector,
}

/// One instance ("pod").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Unique name.
    pub name: Arc<str>,
    /// Where it is in its life.
    pub phase: Phase,
    /// True while it is being removed.
    #[serde(default)]
    pub deleting: bool,
    /// When it started, if it did.
    #[serde(default)]
    pub started_at: Option<Time>,
    /// Its readiness, absent before the first probe.
    #[serde(default)]
    pub readiness: Option<Readiness>,
    /// Its containers; a local process has one.
    #[serde(default)]
    pub containers: Vec<Container>,
    /// Requests set on the instance as a whole, which then hide those of the containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<Requests>,
}

/// Phase of an [`Instance`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Accepted, not running yet.
    Pending,
    /// Running.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended badly.
    Failed,
    /// State could not be obtained.
    Unknown,
}

/// A readiness and when it last changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// Ready to serve.
    pub ready: bool,
    /// When it became so.
    pub since: Time,
}

/// A container that counts towards the requests: ordinary, or an init container that restarts always.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Name.
    pub name: Arc<str>,
    /// What it asks for.
    pub requests: Requests,
}

/// Requested resources in milli-units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Requests {
    /// Milli-cores.
    pub cpu_milli: Option<i64>,
    /// Milli-bytes (bytes x 1000), as Kubernetes compares memory.
    pub memory_milli: Option<i64>,
}

/// What a metric source said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// One value per instance, for Resource, ContainerResource and Pods metrics.
    Instances(Vec<Sample>),
    /// One value, for Object and External metrics.
    Value {
        /// Value in milli-units.
        milli: i64,
        /// When it was measured.
        at: Time,
    },
    /// Several series that are summed, for External metrics.
    Series {
        /// Values in milli-units.
        milli: Vec<i64>,
        /// When they were measured.
        at: Time,
    },
    /// Nothing, and why.
    Failed(MetricError),
}

/// The value of one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Name of the instance.
    pub instance: Arc<str>,
    /// Value in milli-units: usage of the resource (of the named container for ContainerResource) or the metric.
    pub milli: i64,
    /// When it was measured.
    pub at: Time,
    /// Over how many seconds it was averaged.
    pub window_s: u32,
}

// === impl Instance ===

impl Instance {
    /// Running and ready: can serve now.
    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Running && self.readiness.is_some_and(|readiness| readiness.ready)
    }

    /// On its way to serving: exists, is neither ended nor leaving, and is not ready yet.
    pub fn is_starting(&self) -> bool {
        !self.deleting && matches!(self.phase, Phase::Pending | Phase::Running) && !self.is_ready()
    }
}

// === impl Requests ===

impl Requests {
    /// The request for a resource by its Kubernetes name.
    pub fn get(&self, resource: &str) -> Option<i64> {
        match resource {
            "cpu" => self.cpu_milli,
            "memory" => self.memory_milli,
            _ => None,
        }
    }

    /// True when nothing is requested.
    pub fn is_empty(&self) -> bool {
        self.cpu_milli.is_none() && self.memory_milli.is_none()
    }
}
