//! The shapes of the Kubernetes API, where the type tag and the body sit side by side.

use serde::{Deserialize, Serialize};

use super::{MetricId, ObjectRef, Target};

/// `{type: External, external: {...}}`.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MetricSpec {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resource: Option<Resource>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    container_resource: Option<ContainerResource>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pods: Option<Named>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    object: Option<Object>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    external: Option<Named>,
}

#[derive(Serialize, Deserialize)]
struct Resource {
    name: String,
    target: Target,
}

#[derive(Serialize, Deserialize)]
struct ContainerResource {
    name: String,
    container: String,
    target: Target,
}

#[derive(Serialize, Deserialize)]
struct Named {
    metric: MetricId,
    target: Target,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    described_object: ObjectRef,
    metric: MetricId,
    target: Target,
}

// === impl MetricSpec ===

impl From<super::MetricSpec> for MetricSpec {
    fn from(spec: super::MetricSpec) -> Self {
        let base = Self { kind: spec.kind().to_owned(), ..Self::default() };
        match spec {
            super::MetricSpec::Resource { name, target } => {
                Self { resource: Some(Resource { name, target }), ..base }
            }
            super::MetricSpec::ContainerResource { name, container, target } => {
                Self { container_resource: Some(ContainerResource { name, container, target }), ..base }
            }
            super::MetricSpec::Pods { metric, target } => {
                Self { pods: Some(Named { metric, target }), ..base }
            }
            super::MetricSpec::Object { described_object, metric, target } => {
                Self { object: Some(Object { described_object, metric, target }), ..base }
            }
            super::MetricSpec::External { metric, target } => {
                Self { external: Some(Named { metric, target }), ..base }
            }
            super::MetricSpec::Unknown { .. } => base,
        }
    }
}

impl TryFrom<MetricSpec> for super::MetricSpec {
    type Error = String;

    fn try_from(wire: MetricSpec) -> Result<Self, String> {
        let missing = |field: &str| format!("metric of type {} needs `{field}`", wire.kind);
        Ok(match wire.kind.as_str() {
            "Resource" => {
                let Resource { name, target } = wire.resource.ok_or_else(|| missing("resource"))?;
                Self::Resource { name, target }
            }
            "ContainerResource" => {
                let ContainerResource { name, container, target } =
                    wire.container_resource.ok_or_else(|| missing("containerResource"))?;
                Self::ContainerResource { name, container, target }
            }
            "Pods" => {
                let Named { metric, target } = wire.pods.ok_or_else(|| missing("pods"))?;
                Self::Pods { metric, target }
            }
            "Object" => {
                let Object { described_object, metric, target } =
                    wire.object.ok_or_else(|| missing("object"))?;
                Self::Object { described_object, metric, target }
            }
            "External" => {
                let Named { metric, target } = wire.external.ok_or_else(|| missing("external"))?;
                Self::External { metric, target }
            }
            _ => Self::Unknown { kind: wire.kind },
        })
    }
}
