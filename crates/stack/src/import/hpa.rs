//! A HorizontalPodAutoscaler of `autoscaling/v2`, whose spec body a stack file takes as it is.

use super::draft::{Draft, part};
use super::emit::Yaml;
use crate::decode::{Field, Fields};
use crate::diagnostic::{Mark, Sink, quote};
use crate::node::{Node, Value};
use crate::scaling;

/// Reads a whole manifest.
pub(super) fn hpa(field: &Field<'_>, version: Option<&str>, draft: &mut Draft, sink: &mut Sink) {
    if version != Some("autoscaling/v2") {
        let what =
            format!("a HorizontalPodAutoscaler of {} is not read", quote(version.unwrap_or("no version")));
        let hint = "`kubectl get hpa.v2.autoscaling NAME -o yaml` gives the same one as `autoscaling/v2`";
        sink.hint(field.at(), what, hint);
        return;
    }
    let Some(fields) = Fields::open_any(field, sink) else { return };
    // What the cluster observed is no part of the description.
    draft.note_others("the manifest", &fields, &["apiVersion", "kind", "metadata", "spec", "status"]);
    note_metadata(&fields, draft, sink);
    let Some(spec) = fields.required("spec", "a HorizontalPodAutoscaler has a `spec`", sink) else { return };
    let (name, at) = target_name(&spec, &fields, draft);
    if scaling::scaling(&spec, sink).is_none() {
        return;
    }
    note_metrics(&spec, &name, draft);
    let Yaml::Map(body) = Yaml::from(spec.node) else { return };
    let body = body.into_iter().filter(|(key, _)| key != "scaleTargetRef");
    let body = body
        .map(|(key, value)| if key == "metrics" { (key, whole_instances(value)) } else { (key, value) })
        .collect();
    draft.add(name, at, vec![part("scaling", Yaml::Map(body))]);
}

/// Turns metrics of one container into metrics of the instance, which has no parts here.
fn whole_instances(metrics: Yaml) -> Yaml {
    let Yaml::List(metrics) = metrics else { return metrics };
    let whole = |metric: Yaml| match metric {
        Yaml::Map(entries) => Yaml::Map(entries.into_iter().map(whole_instance).collect()),
        other => other,
    };
    Yaml::List(metrics.into_iter().map(whole).collect())
}

fn whole_instance((key, value): (String, Yaml)) -> (String, Yaml) {
    match (key.as_str(), value) {
        ("type", Yaml::Text(kind)) if kind == "ContainerResource" => (key, Yaml::Text("Resource".to_owned())),
        ("containerResource", Yaml::Map(entries)) => {
            let entries = entries.into_iter().filter(|(key, _)| key != "container");
            ("resource".to_owned(), Yaml::Map(entries.collect()))
        }
        (_, value) => (key, value),
    }
}

/// Notes labels, annotations and namespace; what the API server adds by itself says nothing.
pub(super) fn note_metadata(manifest: &Fields<'_>, draft: &mut Draft, sink: &mut Sink) {
    let server = ["uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink"];
    let Some(metadata) = manifest.optional("metadata") else { return };
    let Some(metadata) = Fields::open_any(&metadata, sink) else { return };
    for (entry, field) in metadata.entries() {
        match entry.key.as_str() {
            "name" | "annotations" => {}
            key if server.contains(&key) || field.node.is_null() => {}
            key => draft.mention(entry.at, format!("{} of the metadata has no equivalent", quote(key))),
        }
    }
    let Some(annotations) = metadata.optional("annotations") else { return };
    let Some(annotations) = Fields::open_any(&annotations, sink) else { return };
    for (entry, _) in annotations.entries() {
        let own =
            entry.key.starts_with("kubectl.kubernetes.io/") || entry.key.starts_with("autoscaling.keda.sh/");
        if !own {
            draft.mention(entry.at, format!("annotation {} has no equivalent", quote(&entry.key)));
        }
    }
}

/// The name of the service: that of the scale target, else that of the manifest.
pub(super) fn target_name(spec: &Field<'_>, manifest: &Fields<'_>, draft: &mut Draft) -> (String, Mark) {
    let word = |node: Option<&Node>| match node.map(|node| (&node.value, node.at)) {
        Some((Value::Scalar(scalar), at)) if !scalar.text.is_empty() => Some((scalar.text.clone(), at)),
        _ => None,
    };
    let target = spec.node.get("scaleTargetRef");
    if let Some((kind, at)) = word(target.and_then(|target| target.get("kind")))
        && !matches!(kind.as_str(), "Deployment" | "StatefulSet" | "ReplicaSet")
    {
        let what = format!("the target is a {}, which is taken for a service", quote(&kind));
        draft.mention(at, what);
    }
    let metadata = manifest.optional("metadata").and_then(|field| word(field.node.get("name")));
    let (name, at) = word(target.and_then(|target| target.get("name")))
        .or(metadata)
        .unwrap_or_else(|| ("service".to_owned(), manifest.at));
    (draft.service_name(&name, at), at)
}

/// Notes what a metric needs that the spec alone does not say.
fn note_metrics(spec: &Field<'_>, service: &str, draft: &mut Draft) {
    let Some(Value::List(metrics)) = spec.node.get("metrics").map(|node| &node.value) else {
        note_request("cpu", service, spec.at(), draft);
        return;
    };
    if metrics.is_empty() {
        note_request("cpu", service, spec.at(), draft);
    }
    let word = |node: Option<&Node>| match node.map(|node| &node.value) {
        Some(Value::Scalar(scalar)) => scalar.text.clone(),
        _ => String::new(),
    };
    for metric in metrics {
        let resource = metric.get("resource").or_else(|| metric.get("containerResource"));
        let utilization = |resource: &Node| {
            resource.get("target").is_some_and(|target| word(target.get("type")) == "Utilization")
        };
        if let Some(resource) = resource.filter(|resource| utilization(resource)) {
            note_request(&word(resource.get("name")), service, resource.at, draft);
        }
        if let Some(container) = metric.get("containerResource") {
            let what = "a metric of one container is that of the whole instance here";
            draft.mention(container.at, what);
        }
        for source in ["pods", "object", "external"] {
            if let Some(body) = metric.get(source) {
                let name = word(body.get("metric").and_then(|metric| metric.get("name")));
                note_signal(&name, body.at, draft);
            }
        }
    }
}

/// Notes that a percentage needs its hundred per cent.
pub(super) fn note_request(resource: &str, service: &str, at: Mark, draft: &mut Draft) {
    let example = if resource == "cpu" { "cpu: 500m" } else { "memory: 512Mi" };
    let what = format!("a utilisation of {resource} is a share of what `{service}` requests");
    draft.note(at, what, format!("state it: `resources: {{ {example} }}`"));
}

/// Notes that a metric has to come from somewhere.
pub(super) fn note_signal(name: &str, at: Mark, draft: &mut Draft) {
    let what = format!("the metric {} is kept by name; whoever emits it has to be there", quote(name));
    let hint = "the queues and the edge of a stack emit `queue_age_seconds`, `queue_depth`, \
                `queue_time_to_drain_seconds`, `http_requests_in_flight`, `http_requests_waiting` and \
                `http_requests_per_second`";
    draft.note(at, what, hint);
}
