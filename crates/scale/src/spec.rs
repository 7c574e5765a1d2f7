//! The `autoscaling/v2` spec body, with the vocabulary and the defaults of Kubernetes.
//!
//! The types keep what the user wrote (an absent field stays absent), so that a spec read from YAML and written to
//! the decision log is the same spec. Serde speaks the camelCase shape of the Kubernetes API; quantities are held as
//! integer milli-units and written as Kubernetes quantities.

pub mod policy;
mod quantity;
mod rules;
mod target;
mod validate;
mod wire;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::rules::{Behavior, PolicyKind, RatePolicy, Rules, ScalingRules, SelectPolicy};
pub use self::target::Target;
pub use self::validate::Problem;

/// Values that Kubernetes uses when the spec is silent, and the limits its validation enforces.
pub mod defaults {
    use super::{PolicyKind, RatePolicy};

    /// Seconds between two reconciles of one target (kube-controller-manager
    /// `--horizontal-pod-autoscaler-sync-period`).
    pub const SYNC_PERIOD_S: u32 = 15;
    /// Half-width of the dead band around a ratio of 1 (`--horizontal-pod-autoscaler-tolerance`).
    pub const TOLERANCE: f64 = 0.1;
    /// How long a falling recommendation is held (`--horizontal-pod-autoscaler-downscale-stabilization`).
    pub const DOWNSCALE_STABILIZATION_S: u32 = 300;
    /// Age below which CPU samples of an instance are suspect (`--horizontal-pod-autoscaler-cpu-initialization-period`).
    pub const CPU_INITIALIZATION_PERIOD_S: u32 = 300;
    /// Age below which becoming unready means "never was ready" (`--horizontal-pod-autoscaler-initial-readiness-delay`).
    pub const INITIAL_READINESS_DELAY_S: u32 = 30;
    /// `minReplicas` when absent (`apis/autoscaling/v2/defaults.go`).
    pub const MIN_REPLICAS: u32 = 1;
    /// CPU utilisation target of a spec without metrics (`apis/autoscaling/v2/defaults.go`).
    pub const CPU_UTILIZATION_PCT: i32 = 80;
    /// Without `behavior` an upscale may multiply the replicas by this much (`scaleUpLimitFactor`).
    pub const SCALE_UP_LIMIT_FACTOR: f64 = 2.0;
    /// Without `behavior` an upscale may always reach this many replicas (`scaleUpLimitMinimum`).
    pub const SCALE_UP_LIMIT_MINIMUM: f64 = 4.0;
    /// `behavior.scaleUp.stabilizationWindowSeconds` when absent (`apis/autoscaling/v2/defaults.go`).
    pub const SCALE_UP_STABILIZATION_S: u32 = 0;
    /// `behavior.scaleUp.policies` when absent: 4 instances or 100 % per 15 s (`apis/autoscaling/v2/defaults.go`).
    pub const SCALE_UP_POLICIES: &[RatePolicy] = &[
        RatePolicy { kind: PolicyKind::Pods, value: 4, period_s: 15 },
        RatePolicy { kind: PolicyKind::Percent, value: 100, period_s: 15 },
    ];
    /// `behavior.scaleDown.policies` when absent: 100 % per 15 s (`apis/autoscaling/v2/defaults.go`).
    pub const SCALE_DOWN_POLICIES: &[RatePolicy] =
        &[RatePolicy { kind: PolicyKind::Percent, value: 100, period_s: 15 }];
    /// Largest `stabilizationWindowSeconds` (`apis/autoscaling/validation`).
    pub const MAX_STABILIZATION_S: u32 = 3600;
    /// Largest `periodSeconds` of a rate policy (`apis/autoscaling/validation`).
    pub const MAX_PERIOD_S: u32 = 1800;
}

/// The body of a HorizontalPodAutoscaler v2 (without `scaleTargetRef`: a stack names the service itself).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HpaSpec {
    /// Lower bound; [`defaults::MIN_REPLICAS`] when absent. Zero needs an Object or External metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_replicas: Option<u32>,
    /// Upper bound, at least 1 and at least the lower bound.
    pub max_replicas: u32,
    /// Signals; the one that asks for most wins. Empty means CPU at [`defaults::CPU_UTILIZATION_PCT`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<MetricSpec>,
    /// Rate limits and stabilisation; absent means the older normalisation (HPA.md section 5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behavior: Option<Behavior>,
}

/// One signal and its target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "wire::MetricSpec", into = "wire::MetricSpec")]
pub enum MetricSpec {
    /// `cpu` or `memory`, summed over an instance.
    Resource {
        /// Resource name.
        name: String,
        /// Utilization (per cent of the request) or AverageValue.
        target: Target,
    },
    /// `cpu` or `memory` of one named container of each instance.
    ContainerResource {
        /// Resource name.
        name: String,
        /// Container name.
        container: String,
        /// Utilization (per cent of the request) or AverageValue.
        target: Target,
    },
    /// A metric that each instance reports.
    Pods {
        /// Which metric.
        metric: MetricId,
        /// AverageValue only.
        target: Target,
    },
    /// A metric that describes one other object.
    Object {
        /// The object described.
        described_object: ObjectRef,
        /// Which metric.
        metric: MetricId,
        /// Value or AverageValue.
        target: Target,
    },
    /// A metric from outside, one or many series that are summed.
    External {
        /// Which metric.
        metric: MetricId,
        /// Value or AverageValue.
        target: Target,
    },
    /// A source type this version does not know; it fails at run time as `InvalidMetricSourceType`, as in Kubernetes.
    Unknown {
        /// The `type` as written.
        kind: String,
    },
}

/// A metric by name, narrowed by labels.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MetricId {
    /// Metric name, for instance `queue_age_seconds`.
    pub name: String,
    /// Which series of that name.
    #[serde(default, skip_serializing_if = "Selector::is_empty")]
    pub selector: Selector,
}

/// A Kubernetes label selector.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Selector {
    /// Labels that must be equal.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// Further requirements, all of which must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<Requirement>,
}

/// One requirement of a [`Selector`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// Label name.
    pub key: String,
    /// How the label is compared.
    pub operator: Operator,
    /// Values for `In` and `NotIn`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// Operator of a [`Requirement`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operator {
    /// The label is present with one of the values.
    In,
    /// The label is absent or has none of the values.
    NotIn,
    /// The label is present.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

/// The object an Object metric describes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// API group and version, may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// Kind, for instance `Service`.
    pub kind: String,
    /// Name.
    pub name: String,
}

// === impl HpaSpec ===

impl HpaSpec {
    /// The lower bound with its default.
    pub fn min(&self) -> u32 {
        self.min_replicas.unwrap_or(defaults::MIN_REPLICAS)
    }

    /// The metrics to evaluate: those written, or the default CPU target when none is.
    pub fn effective_metrics(&self) -> std::borrow::Cow<'_, [MetricSpec]> {
        if !self.metrics.is_empty() {
            return std::borrow::Cow::Borrowed(&self.metrics);
        }
        std::borrow::Cow::Owned(vec![MetricSpec::Resource {
            name: "cpu".into(),
            target: Target::Utilization(defaults::CPU_UTILIZATION_PCT),
        }])
    }

    /// True when a metric does not come from the instances themselves, so that zero instances can still be measured.
    pub fn has_object_or_external(&self) -> bool {
        self.metrics.iter().any(MetricSpec::measurable_at_zero)
    }

    /// Every rule of the Kubernetes validation that this spec breaks, each with the path of the field.
    pub fn problems(&self) -> Vec<Problem> {
        validate::problems(self)
    }
}

// === impl MetricSpec ===

impl MetricSpec {
    /// The name people know the signal by: resource or metric name, or the unknown type.
    pub fn name(&self) -> &str {
        match self {
            Self::Resource { name, .. } | Self::ContainerResource { name, .. } => name,
            Self::Pods { metric, .. } | Self::Object { metric, .. } | Self::External { metric, .. } => {
                &metric.name
            }
            Self::Unknown { kind } => kind,
        }
    }

    /// The `type` field.
    pub fn kind(&self) -> &str {
        match self {
            Self::Resource { .. } => "Resource",
            Self::ContainerResource { .. } => "ContainerResource",
            Self::Pods { .. } => "Pods",
            Self::Object { .. } => "Object",
            Self::External { .. } => "External",
            Self::Unknown { kind } => kind,
        }
    }

    /// The target, absent only for an unknown type.
    pub fn target(&self) -> Option<Target> {
        match self {
            Self::Resource { target, .. }
            | Self::ContainerResource { target, .. }
            | Self::Pods { target, .. }
            | Self::Object { target, .. }
            | Self::External { target, .. } => Some(*target),
            Self::Unknown { .. } => None,
        }
    }

    /// True for Object and External: their value exists while no instance runs.
    pub fn measurable_at_zero(&self) -> bool {
        matches!(self, Self::Object { .. } | Self::External { .. })
    }
}

// === impl Selector ===

impl Selector {
    /// True when every series matches.
    pub fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }

    /// True when the labels satisfy every requirement; `label` looks one up by name.
    pub fn matches<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        let equal = |(key, value): (&String, &String)| label(key) == Some(value.as_str());
        let satisfied = |requirement: &Requirement| {
            let found = label(&requirement.key);
            let listed = found.is_some_and(|value| requirement.values.iter().any(|one| one == value));
            match requirement.operator {
                Operator::In => listed,
                Operator::NotIn => !listed,
                Operator::Exists => found.is_some(),
                Operator::DoesNotExist => found.is_none(),
            }
        };
        self.match_labels.iter().all(equal) && self.match_expressions.iter().all(satisfied)
    }
}
