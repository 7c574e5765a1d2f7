//! One trigger. Each of the kinds below becomes a metric whose name is the one that the usual exporter of that system
//! gives it, where there is one, with the labels that exporter uses.

use plimsoll_quantity::Quantity;

use super::super::draft::{Draft, typed};
use super::super::emit::{Yaml, map, number, text};
use super::super::hpa::note_signal;
use super::super::promql;
use super::modifiers::Role;
use super::{note_utilization, policy, words};
use crate::decode::{Field, Fields};
use crate::diagnostic::{Sink, quote, quote_up_to};

/// Characters of a query that a note shows.
const QUERY: usize = 300;

/// An External metric in the making.
struct External {
    name: String,
    labels: Vec<(String, String)>,
    /// The metadata key of the target, and the target when the key is absent.
    target: (&'static str, Option<&'static str>),
    /// Metadata keys that have been understood.
    read: &'static [&'static str],
}

/// What becomes of a trigger.
pub(super) enum Part {
    /// An entry of `metrics`.
    Metric(Yaml),
    /// A signal of the formula, by its name.
    Signal(String, Yaml),
    /// An entry of `schedule`.
    Schedule(Yaml),
}

/// What a trigger becomes; `None` when it has no equivalent, which has been noted.
pub(super) fn trigger(
    field: &Field<'_>,
    index: usize,
    role: &Role,
    service: &str,
    draft: &mut Draft,
    sink: &mut Sink,
) -> Option<Part> {
    if *role == Role::Silent {
        return None;
    }
    let fields = Fields::open_any(field, sink)?;
    let kind = fields.required("type", "such as `type: prometheus`", sink)?.text(sink)?;
    draft.note_others(
        "the trigger",
        &fields,
        &["type", "name", "metadata", "metricType", "authenticationRef"],
    );
    if let Some(reference) = fields.optional("authenticationRef") {
        let what = format!("the credentials {} are not read", quote(&words(reference.node.get("name"))));
        draft.note(fields.key_at("authenticationRef"), what, "give them to whoever emits the metric");
    }
    let metadata = fields.required("metadata", "every trigger has `metadata`", sink)?;
    let metadata = Fields::open_any(&metadata, sink)?;
    let own_name =
        fields.optional("name").map(|field| words(Some(field.node))).filter(|name| !name.is_empty());
    if matches!(kind, "cpu" | "memory") {
        return resource(kind, field, &fields, &metadata, service, draft, sink).map(Part::Metric);
    }
    if kind == "cron" {
        let name = own_name.unwrap_or_else(|| format!("cron-{index}"));
        return policy::schedule(field, &metadata, &name, draft, sink).map(Part::Schedule);
    }
    let found = external(kind, &metadata, own_name, index, draft);
    let external = match (found, role) {
        (Some(external), _) => external,
        // What KEDA asks of such a source has no name here; the formula's stands for it.
        (None, Role::Signal(name)) => {
            let what = format!("a trigger of type {} becomes the metric {}", quote(kind), quote(name));
            draft.mention(field.at(), what);
            External { name: name.clone(), labels: Vec::new(), target: ("", None), read: &[] }
        }
        (None, _) => {
            let what = format!("a trigger of type {} has no equivalent", quote(kind));
            let hint = "prometheus, kafka, redis, postgresql, rabbitmq, cpu and memory triggers are read; \
                        another can be an External metric of any name";
            draft.note(field.at(), what, hint);
            return None;
        }
    };
    note_metadata(kind, &metadata, &external, draft);
    note_signal(&external.name, field.at(), draft);
    let target = match role {
        // The formula has a target of its own.
        Role::Signal(_) => None,
        _ => Some(target(&fields, &metadata, &external, sink)?),
    };
    let mut metric = vec![("name".to_owned(), text(external.name))];
    if !external.labels.is_empty() {
        let labels = external.labels.into_iter().map(|(label, value)| (label, text(value))).collect();
        metric.push(("selector".to_owned(), map([("matchLabels", Yaml::Map(labels))])));
    }
    let metric = Yaml::Map(metric);
    Some(match (role, target) {
        (Role::Signal(name), _) => Part::Signal(name.clone(), metric),
        (_, target) => {
            let mut external = vec![("metric".to_owned(), metric)];
            external.extend(target.map(|target| ("target".to_owned(), target)));
            Part::Metric(typed("External", "external", Yaml::Map(external)))
        }
    })
}

/// What a kind of trigger measures.
fn external(
    kind: &str,
    metadata: &Fields<'_>,
    own_name: Option<String>,
    index: usize,
    draft: &mut Draft,
) -> Option<External> {
    let word = |key: &str| metadata.optional(key).map(|field| words(Some(field.node))).unwrap_or_default();
    let labels = |pairs: &[(&str, &str)]| {
        let filled = pairs.iter().map(|(label, key)| ((*label).to_owned(), word(key)));
        filled.filter(|(_, value)| !value.is_empty()).collect::<Vec<_>>()
    };
    // A query has no name of its own; the trigger's, or its number, tells it apart.
    let made_up = || own_name.clone().unwrap_or_else(|| format!("{kind}_{index}"));
    Some(match kind {
        "prometheus" => {
            let query = word("query");
            let read: &[&str] = &["query", "threshold"];
            match promql::as_external(&query) {
                Some((name, labels)) => External { name, labels, target: ("threshold", None), read },
                None => {
                    let name = made_up();
                    let at = metadata.optional("query").map_or(metadata.at, |field| field.at());
                    let what = format!(
                        "the query {} becomes the metric {}",
                        quote_up_to(QUERY, &query),
                        quote(&name)
                    );
                    draft.note(
                        at,
                        what,
                        "a recording rule of that name keeps the query where it is evaluated",
                    );
                    External { name, labels: Vec::new(), target: ("threshold", None), read }
                }
            }
        }
        "kafka" => {
            if !matches!(word("allowIdleConsumers").as_str(), "true" | "1") {
                let what =
                    "KEDA asks for no more instances than the topic has partitions; here nothing knows them";
                draft.note(metadata.at, what, "set `maxReplicas` to the number of partitions");
            }
            External {
                name: "kafka_consumergroup_lag".to_owned(),
                labels: labels(&[("consumergroup", "consumerGroup"), ("topic", "topic")]),
                target: ("lagThreshold", Some("10")),
                read: &["consumerGroup", "topic", "lagThreshold"],
            }
        }
        "redis" => External {
            name: "redis_key_size".to_owned(),
            labels: labels(&[("key", "listName")]),
            target: ("listLength", Some("5")),
            read: &["listName", "listLength"],
        },
        "rabbitmq" => {
            rabbitmq(labels(&[("queue", "queueName"), ("vhost", "vhostName")]), &word("mode"), metadata)
        }
        "postgresql" => {
            let name = made_up();
            let at = metadata.optional("query").map_or(metadata.at, |field| field.at());
            let what = format!(
                "the query {} becomes the metric {}",
                quote_up_to(QUERY, &word("query")),
                quote(&name)
            );
            draft.note(at, what, "an exporter has to run it under that name");
            let read: &[&str] = &["query", "targetQueryValue"];
            External { name, labels: Vec::new(), target: ("targetQueryValue", None), read }
        }
        _ => return None,
    })
}

fn rabbitmq(labels: Vec<(String, String)>, mode: &str, metadata: &Fields<'_>) -> External {
    let (name, target): (_, &'static str) = match mode {
        // Before `mode` existed a trigger said `queueLength` alone.
        "" if metadata.optional("queueLength").is_some() => ("rabbitmq_queue_messages", "queueLength"),
        "MessageRate" => ("rabbitmq_queue_messages_published_per_second", "value"),
        "DeliverGetRate" => ("rabbitmq_queue_messages_delivered_per_second", "value"),
        "PublishedToDeliveredRatio" => ("rabbitmq_queue_published_to_delivered_ratio", "value"),
        "ExpectedQueueConsumptionTime" => ("rabbitmq_queue_expected_consumption_seconds", "value"),
        _ => ("rabbitmq_queue_messages", "value"),
    };
    let read = &["queueName", "vhostName", "mode", "value", "queueLength"];
    External { name: name.to_owned(), labels, target: (target, None), read }
}

/// Notes the metadata that says how KEDA reaches the source, and the thresholds of its own loop.
fn note_metadata(kind: &str, metadata: &Fields<'_>, external: &External, draft: &mut Draft) {
    for (entry, field) in metadata.entries() {
        let key = entry.key.as_str();
        if external.read.contains(&key) || field.node.is_null() {
            continue;
        }
        if key.starts_with("activation") {
            let what = format!("{} has no equivalent", quote(key));
            draft.note(entry.at, what, "the first instance starts as soon as the metric is above zero");
        } else if key == "ignoreNullValues" {
            let what = "`ignoreNullValues` has no equivalent";
            draft.note(entry.at, what, "a missing reading is a failure here and never scales in");
        } else {
            draft.mention(entry.at, format!("{} of the {kind} trigger has no equivalent", quote(key)));
        }
    }
}

fn target(fields: &Fields<'_>, metadata: &Fields<'_>, external: &External, sink: &mut Sink) -> Option<Yaml> {
    let kinds = [("AverageValue", true), ("Value", false)];
    let average = match fields.optional("metricType") {
        Some(field) => field.choice(&kinds, sink)?,
        None => true,
    };
    let (key, default) = external.target;
    let value = match (metadata.optional(key), default) {
        (Some(field), _) => {
            field.positive_milli(sink)?;
            words(Some(field.node))
        }
        (None, Some(default)) => default.to_owned(),
        (None, None) => {
            let hint = format!("the target of the trigger, such as `{key}: \"10\"`");
            metadata.required(key, &hint, sink)?;
            return None;
        }
    };
    let (kind, key) = if average { ("AverageValue", "averageValue") } else { ("Value", "value") };
    // The canonical form: KEDA accepts forms such as `5.50` that read oddly as a quantity.
    let value = value.parse::<Quantity>().map_or(value, |quantity| quantity.to_string());
    Some(typed(kind, key, text(value)))
}

fn resource(
    kind: &str,
    field: &Field<'_>,
    fields: &Fields<'_>,
    metadata: &Fields<'_>,
    service: &str,
    draft: &mut Draft,
    sink: &mut Sink,
) -> Option<Yaml> {
    draft.note_others(&format!("the {kind} trigger"), metadata, &["type", "value", "containerName"]);
    if let Some(container) = metadata.optional("containerName") {
        draft.mention(container.at(), "a metric of one container is that of the whole instance here");
    }
    let kinds = [("Utilization", true), ("AverageValue", false)];
    // Older manifests state the type inside the metadata.
    let utilization = match fields.optional("metricType").or_else(|| metadata.optional("type")) {
        Some(field) => field.choice(&kinds, sink)?,
        None => true,
    };
    let value = metadata.required("value", "such as `value: \"70\"`", sink)?;
    let target = if utilization {
        let written = words(Some(value.node));
        let Ok(percent @ 1..=i32::MAX) = written.parse::<i32>() else {
            value.wrong(
                sink,
                "a whole number above zero",
                "such as `value: \"70\"`, per cent of the request",
            );
            return None;
        };
        note_utilization(kind, service, field, draft);
        typed("Utilization", "averageUtilization", number(percent))
    } else {
        value.positive_milli(sink)?;
        typed("AverageValue", "averageValue", text(words(Some(value.node))))
    };
    Some(typed("Resource", "resource", map([("name", text(kind)), ("target", target)])))
}
