//! One entry of `services`.

use std::collections::BTreeMap;

use plimsoll_balance::Policy;

use crate::decode::{Field, Fields};
use crate::diagnostic::{Sink, quote};
use crate::names::{ANY_TIME, SOME_TIME, file_path, is_env_name, is_reserved_env, url_path};
use crate::scaling;
use crate::types::{Health, Resources, Service, defaults};
use crate::vertical;

const KNOWN: [&str; 12] = [
    "command",
    "directory",
    "env",
    "health",
    "start_timeout",
    "drain",
    "balance",
    "resources",
    "replicas",
    "scaling",
    "shadow",
    "vertical_scaling",
];
/// More instances than this on one machine are a slip of the pen.
const MAX_REPLICAS: u32 = 10_000;
/// Less memory than this is a forgotten suffix.
const MIN_MEMORY_BYTES: i64 = 1 << 20;

/// Reads a service; everything in it is looked at even when a part is wrong.
pub(crate) fn service(field: &Field<'_>, sink: &mut Sink) -> Option<Service> {
    let fields = Fields::open(field, &KNOWN, sink)?;
    let command = fields
        .required("command", "a list of program and arguments, such as `[cv-evaluator, serve]`", sink)
        .and_then(|field| command(&field, sink));
    let resources = fields.optional("resources").and_then(|field| resources(&field, sink));
    let scaling = fields.optional("scaling").and_then(|field| scaling::scaling(&field, sink));
    if let Some(scaling) = &scaling {
        scaling.check_requests(fields.optional("resources").map(|field| field.node), sink);
    }
    let shadow = fields.optional("shadow").and_then(|field| scaling::scaling(&field, sink));
    if let Some(shadow) = &shadow {
        shadow.check_requests(fields.optional("resources").map(|field| field.node), sink);
        if fields.optional("scaling").is_none() {
            let hint = "a shadow is compared with the policy under `scaling`; call it that to let it act";
            sink.hint(fields.key_at("shadow"), "`shadow` without `scaling`", hint);
        }
    }
    let vertical = fields.optional("vertical_scaling").and_then(|field| {
        vertical::vertical(&field, resources.as_ref(), scaling.as_ref().and_then(|draft| draft.spec()), sink)
    });
    let replicas = fields.optional("replicas").and_then(|field| field.integer(0..=MAX_REPLICAS, sink));
    if fields.optional("replicas").is_some() && fields.optional("scaling").is_some() {
        let hint = "remove `replicas`; `minReplicas` is the lower bound";
        sink.hint(fields.key_at("replicas"), "`replicas` and `scaling` exclude each other", hint);
    }
    let start_timeout = fields.optional("start_timeout").and_then(|field| field.duration(SOME_TIME, sink));
    let drain = fields.optional("drain").and_then(|field| field.duration(ANY_TIME, sink));
    let service = Service {
        command: Vec::new(),
        directory: fields.optional("directory").and_then(|field| file_path(&field, sink)),
        env: fields.optional("env").map(|field| env(&field, sink)).unwrap_or_default(),
        health: fields.optional("health").and_then(|field| health(&field, sink)),
        start_timeout: start_timeout.unwrap_or(defaults::START_TIMEOUT),
        drain: drain.unwrap_or(defaults::DRAIN),
        balance: fields.optional("balance").and_then(|field| balance(&field, sink)).unwrap_or_default(),
        resources: resources.unwrap_or_default(),
        replicas: replicas.unwrap_or(defaults::REPLICAS),
        scaling: scaling.and_then(scaling::ScalingDraft::finish),
        shadow: shadow.and_then(scaling::ScalingDraft::finish),
        vertical,
    };
    Some(Service { command: command?, ..service })
}

fn command(field: &Field<'_>, sink: &mut Sink) -> Option<Vec<String>> {
    if let crate::node::Value::Scalar(scalar) = &field.node.value {
        let words: Vec<&str> = scalar.text.split_whitespace().collect();
        let hint = format!(
            "write a list, such as {}; no shell is involved",
            quote(&format!("[{}]", words.join(", ")))
        );
        field.wrong(sink, "a list of program and arguments", &hint);
        return None;
    }
    let items = field.list("such as `[cv-evaluator, serve]`", sink)?;
    let words: Vec<Option<String>> =
        items.iter().map(|item| item.any_text(sink).map(str::to_owned)).collect();
    if items.is_empty() || words.first().is_some_and(|word| word.as_deref() == Some("")) {
        sink.hint(field.at(), "`command` names no program", "such as `[cv-evaluator, serve]`");
        return None;
    }
    words.into_iter().collect()
}

fn env(field: &Field<'_>, sink: &mut Sink) -> BTreeMap<String, String> {
    let Some(fields) = Fields::open_any(field, sink) else { return BTreeMap::new() };
    let mut env = BTreeMap::new();
    for (entry, field) in fields.entries() {
        if !is_env_name(&entry.key) {
            let what = format!("{} cannot name an environment variable", quote(&entry.key));
            sink.hint(entry.at, what, "letters, digits and `_`, not starting with a digit");
        } else if is_reserved_env(&entry.key) {
            let what = format!("{} is set by plimsoll for every instance", quote(&entry.key));
            let hint =
                "`PORT`, `HOST` and names that start with `PLIMSOLL_` are reserved; choose another name";
            sink.hint(entry.at, what, hint);
        }
        if let Some(value) = field.any_text(sink) {
            env.insert(entry.key.clone(), value.to_owned());
        }
    }
    env
}

fn health(field: &Field<'_>, sink: &mut Sink) -> Option<Health> {
    let fields = Fields::open(field, &["liveness", "readiness"], sink)?;
    let hint = |key| format!("both are paths, such as `{key}`; they may be the same");
    let liveness = fields
        .required("liveness", &hint("liveness: /healthz"), sink)
        .and_then(|field| url_path(&field, sink));
    let readiness = fields
        .required("readiness", &hint("readiness: /readyz"), sink)
        .and_then(|field| url_path(&field, sink));
    Some(Health { liveness: liveness?, readiness: readiness? })
}

fn balance(field: &Field<'_>, sink: &mut Sink) -> Option<Policy> {
    let fields = Fields::open(field, &["policy"], sink)?;
    let policies = [("round-robin", Policy::RoundRobin), ("least-conn", Policy::LeastConn)];
    fields.optional("policy")?.choice(&policies, sink)
}

fn resources(field: &Field<'_>, sink: &mut Sink) -> Option<Resources> {
    let fields = Fields::open(field, &["cpu", "memory"], sink)?;
    Some(Resources {
        cpu_milli: fields.optional("cpu").and_then(|field| field.positive_milli(sink)),
        memory_bytes: fields.optional("memory").and_then(|field| memory_bytes(&field, sink)),
    })
}

pub(crate) fn memory_bytes(field: &Field<'_>, sink: &mut Sink) -> Option<u64> {
    let quantity = field.quantity(sink)?;
    let bytes = quantity.value();
    if bytes < MIN_MEMORY_BYTES {
        let written = field.any_text(sink).unwrap_or_default();
        let number = written.trim_end_matches(|char: char| !char.is_ascii_digit());
        let hint = match written.strip_prefix(number) {
            Some("m" | "" | "M") if !number.is_empty() => format!("did you mean `{number}Mi`?"),
            _ => "such as `256Mi`".to_owned(),
        };
        let what = format!("{} must be at least 1Mi, not {}", field.label, field.node.describe());
        sink.hint(field.at(), what, hint);
        return None;
    }
    u64::try_from(bytes).ok()
}
