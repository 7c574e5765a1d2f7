//! One entry of `metrics`.

use std::collections::BTreeMap;

use plimsoll_scale::spec::{MetricId, MetricSpec, ObjectRef, Operator, Requirement, Selector};

use super::target::target;
use crate::decode::{At, Field, Fields, listed};
use crate::diagnostic::Sink;
use crate::node::{Node, Value};

/// Where a metric comes from. Each has its own key beside `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Resource,
    ContainerResource,
    Pods,
    Object,
    External,
}

const SOURCES: [(&str, Source); 5] = [
    ("Resource", Source::Resource),
    ("ContainerResource", Source::ContainerResource),
    ("Pods", Source::Pods),
    ("Object", Source::Object),
    ("External", Source::External),
];

/// The metrics, and where a percentage of which resource is meant.
pub(super) fn metrics(field: &Field<'_>, sink: &mut Sink) -> (Vec<MetricSpec>, Vec<At<String>>) {
    let items =
        field.list("each item starts with `- type: Resource` or another type", sink).unwrap_or_default();
    let mut utilization = Vec::new();
    let metrics = items.iter().filter_map(|item| metric(item, &mut utilization, sink)).collect();
    (metrics, utilization)
}

/// Whether the metric claims to be one that exists while no instance runs.
pub(super) fn is_measurable_at_zero(node: &Node) -> bool {
    let kind = node.get("type").map(|node| &node.value);
    matches!(kind, Some(Value::Scalar(scalar)) if matches!(scalar.text.as_str(), "Object" | "External"))
}

fn metric(field: &Field<'_>, utilization: &mut Vec<At<String>>, sink: &mut Sink) -> Option<MetricSpec> {
    let known = ["type", "resource", "containerResource", "pods", "object", "external"];
    let fields = Fields::open(field, &known, sink)?;
    let present = SOURCES.iter().find(|(_, source)| fields.optional(source.key()).is_some());
    let hint = match present {
        Some((name, source)) => format!("`type: {name}` goes with `{}`", source.key()),
        None => format!("one of {}", listed(&SOURCES.map(|(name, _)| name))),
    };
    let source = fields.required("type", &hint, sink)?.choice(&SOURCES, sink)?;
    for (_, other) in SOURCES.iter().filter(|(_, other)| *other != source) {
        if fields.optional(other.key()).is_some() {
            let what = format!("`{}` does not belong to a metric of type {}", other.key(), source.name());
            sink.hint(fields.key_at(other.key()), what, "write one metric for each source");
        }
    }
    let hint = format!("a metric of type {} is described under `{}`", source.name(), source.key());
    let body = fields.required(source.key(), &hint, sink)?;
    match source {
        Source::Resource | Source::ContainerResource => resource(source, &body, utilization, sink),
        Source::Pods | Source::External => {
            let fields = Fields::open(&body, &["metric", "target"], sink)?;
            let metric = metric_id(&fields, sink);
            let target = target(&fields, source, sink);
            let (metric, target) = (metric?, target?);
            Some(match source {
                Source::Pods => MetricSpec::Pods { metric, target },
                _ => MetricSpec::External { metric, target },
            })
        }
        Source::Object => {
            let fields = Fields::open(&body, &["describedObject", "metric", "target"], sink)?;
            let described_object = fields
                .required("describedObject", "such as `{ kind: Service, name: api }`", sink)
                .and_then(|field| object_ref(&field, sink));
            let metric = metric_id(&fields, sink);
            let target = target(&fields, source, sink);
            Some(MetricSpec::Object { described_object: described_object?, metric: metric?, target: target? })
        }
    }
}

fn resource(
    source: Source,
    body: &Field<'_>,
    utilization: &mut Vec<At<String>>,
    sink: &mut Sink,
) -> Option<MetricSpec> {
    let known: &[&str] = match source {
        Source::ContainerResource => &["name", "container", "target"],
        _ => &["name", "target"],
    };
    let fields = Fields::open(body, known, sink)?;
    let name = fields
        .required("name", "`cpu` or `memory`", sink)
        .and_then(|field| field.choice(&[("cpu", "cpu"), ("memory", "memory")], sink));
    let target = target(&fields, source, sink);
    let container = match source {
        Source::ContainerResource => {
            Some(fields.required("container", "the name of the container", sink).and_then(|f| f.text(sink))?)
        }
        _ => None,
    };
    let (name, target) = (name?, target?);
    if matches!(target, plimsoll_scale::spec::Target::Utilization(_)) {
        utilization.push(At { at: fields.key_at("target"), value: name.to_owned() });
    }
    let name = name.to_owned();
    Some(match container {
        Some(container) => MetricSpec::ContainerResource { name, container: container.to_owned(), target },
        None => MetricSpec::Resource { name, target },
    })
}

fn metric_id(fields: &Fields<'_>, sink: &mut Sink) -> Option<MetricId> {
    let field = fields.required("metric", "such as `metric: { name: queue_age_seconds }`", sink)?;
    metric_named(&field, sink)
}

/// `{ name: queue_depth, selector: {...} }`.
pub(super) fn metric_named(field: &Field<'_>, sink: &mut Sink) -> Option<MetricId> {
    let fields = Fields::open(field, &["name", "selector"], sink)?;
    let name = fields
        .required("name", "the name of the metric, such as `queue_age_seconds`", sink)
        .and_then(|field| field.text(sink));
    let selector = fields.optional("selector").map(|field| selector(&field, sink)).unwrap_or_default();
    Some(MetricId { name: name?.to_owned(), selector })
}

fn object_ref(field: &Field<'_>, sink: &mut Sink) -> Option<ObjectRef> {
    let fields = Fields::open(field, &["apiVersion", "kind", "name"], sink)?;
    let hint = "such as `{ apiVersion: v1, kind: Service, name: api }`";
    let kind = fields.required("kind", hint, sink).and_then(|field| field.text(sink));
    let name = fields.required("name", hint, sink).and_then(|field| field.text(sink));
    let api_version = fields.optional("apiVersion").and_then(|field| field.text(sink)).unwrap_or_default();
    Some(ObjectRef { api_version: api_version.to_owned(), kind: kind?.to_owned(), name: name?.to_owned() })
}

/// A label selector; parts that are wrong have been noted and are left out.
fn selector(field: &Field<'_>, sink: &mut Sink) -> Selector {
    let Some(fields) = Fields::open(field, &["matchLabels", "matchExpressions"], sink) else {
        return Selector::default();
    };
    let mut match_labels = BTreeMap::new();
    if let Some(labels) = fields.optional("matchLabels").and_then(|field| Fields::open_any(&field, sink)) {
        for (entry, field) in labels.entries() {
            if let Some(value) = label_value(&field, sink) {
                match_labels.insert(entry.key.clone(), value);
            }
        }
    }
    let hint = "such as `- { key: queue, operator: In, values: [evaluate] }`";
    let expressions =
        fields.optional("matchExpressions").and_then(|field| field.list(hint, sink)).unwrap_or_default();
    let match_expressions = expressions.iter().filter_map(|item| requirement(item, hint, sink)).collect();
    Selector { match_labels, match_expressions }
}

/// Text that may be empty; a number has to be quoted, as in Kubernetes.
fn label_value(field: &Field<'_>, sink: &mut Sink) -> Option<String> {
    match &field.node.value {
        Value::Scalar(scalar) if !scalar.plain && scalar.text.is_empty() => Some(String::new()),
        _ => field.text(sink).map(str::to_owned),
    }
}

fn requirement(field: &Field<'_>, hint: &str, sink: &mut Sink) -> Option<Requirement> {
    let operators = [
        ("In", Operator::In),
        ("NotIn", Operator::NotIn),
        ("Exists", Operator::Exists),
        ("DoesNotExist", Operator::DoesNotExist),
    ];
    let fields = Fields::open(field, &["key", "operator", "values"], sink)?;
    let key = fields.required("key", hint, sink).and_then(|field| field.text(sink));
    let operator = fields.required("operator", hint, sink).and_then(|field| field.choice(&operators, sink));
    let items = fields.optional("values").and_then(|field| field.list("such as `[evaluate]`", sink));
    let values: Vec<String> = items.iter().flatten().filter_map(|item| label_value(item, sink)).collect();
    let takes_values = matches!(operator?, Operator::In | Operator::NotIn);
    let count = items.map_or(0, |items| items.len());
    if takes_values && count == 0 {
        let hint = "such as `values: [evaluate]`; `Exists` takes none";
        sink.hint(fields.key_at("operator"), "`values` must name at least one value for In and NotIn", hint);
    }
    if !takes_values && count > 0 {
        let hint = "remove `values`, or compare with `operator: In`";
        sink.hint(fields.key_at("values"), "`values` must be empty for Exists and DoesNotExist", hint);
    }
    Some(Requirement { key: key?.to_owned(), operator: operator?, values })
}

// === impl Source ===

impl Source {
    pub(super) fn name(self) -> &'static str {
        SOURCES.iter().find(|(_, source)| *source == self).map_or("", |(name, _)| name)
    }

    fn key(self) -> &'static str {
        match self {
            Source::Resource => "resource",
            Source::ContainerResource => "containerResource",
            Source::Pods => "pods",
            Source::Object => "object",
            Source::External => "external",
        }
    }
}
