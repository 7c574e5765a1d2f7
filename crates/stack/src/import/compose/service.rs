//! One service of a Compose file.

use plimsoll_quantity::{Quantity, format_duration, parse_duration};

use super::interpolate::fill;
use super::ports::{Port, ports};
use crate::decode::{Field, Fields};
use crate::diagnostic::{Mark, Sink, quote};
use crate::import::draft::{Draft, part};
use crate::import::emit::{Yaml, map, number, text};
use crate::import::words::split;
use crate::names::{is_env_name, is_reserved_env};
use crate::node::{Kind, Node, Value};

/// Keys that are read below; every other one is noted.
const READ: [&str; 17] = [
    "command",
    "entrypoint",
    "working_dir",
    "environment",
    "deploy",
    "scale",
    "cpus",
    "mem_limit",
    "stop_grace_period",
    "healthcheck",
    "ports",
    "image",
    "build",
    "depends_on",
    "restart",
    "env_file",
    "expose",
];
/// More than a stack file takes, and more than anyone means.
const MAX_REPLICAS: u64 = 10_000;

/// Reads a service and adds it, unless nothing says which program it runs.
pub(super) fn service(
    key: &str,
    at: Mark,
    field: &Field<'_>,
    published: &mut Vec<(String, Port)>,
    draft: &mut Draft,
    sink: &mut Sink,
) {
    let Some(fields) = Fields::open_any(field, sink) else { return };
    let Some(command) = command(&fields, key, draft) else { return };
    let name = draft.service_name(key, at);
    note_surroundings(&fields, &name, draft);
    let mut parts = vec![part("command", Yaml::List(command.into_iter().map(text).collect()))];
    if let Some(directory) = fields.optional("working_dir") {
        let what = format!("the working directory {} is one inside the image", quote(&word(directory.node)));
        draft.note(directory.at(), what, "set `directory`, relative to the stack file");
    }
    let env = fields.optional("environment").map(|field| environment(&field, draft)).unwrap_or_default();
    if !env.is_empty() {
        parts.push(part("env", Yaml::Map(env)));
    }
    parts.extend(fields.optional("healthcheck").and_then(|field| health(&field, draft, sink)));
    parts.extend(fields.optional("stop_grace_period").and_then(|field| drain(&field, draft)));
    let deploy = fields.optional("deploy").and_then(|field| Fields::open_any(&field, sink));
    if let Some(deploy) = &deploy {
        draft.note_others("`deploy`", deploy, &["replicas", "resources"]);
    }
    parts.extend(resources(&fields, deploy.as_ref(), draft, sink));
    let replicas = deploy.as_ref().and_then(|deploy| deploy.optional("replicas"));
    parts
        .extend(replicas.or_else(|| fields.optional("scale")).and_then(|field| replica_count(&field, draft)));
    let ports = fields.optional("ports").map(|field| ports(&field, draft)).unwrap_or_default();
    published.extend(ports.into_iter().map(|port| (name.clone(), port)));
    draft.add(name, at, parts);
}

/// Notes what surrounds the program: its image, its order of start, its files.
fn note_surroundings(fields: &Fields<'_>, name: &str, draft: &mut Draft) {
    draft.note_others(&format!("`{name}`"), fields, &READ);
    for key in ["image", "build"] {
        if let Some(field) = fields.optional(key) {
            let what = format!("`{name}` runs as a local process, not from its {key}");
            draft.note(field.at(), what, "the command has to work on this machine");
        }
    }
    for (key, instead) in [
        ("depends_on", "a service that waits for another answers its readiness path only then"),
        ("restart", "instances that end are started again with growing pauses, always"),
        ("env_file", "write the values under `env`"),
        ("expose", "every instance gets a port of its own"),
    ] {
        if fields.optional(key).is_some() {
            draft.note(fields.key_at(key), format!("`{key}` of `{name}` has no equivalent"), instead);
        }
    }
}

/// Entry point and command in one list. Without either only the image knows what runs.
fn command(fields: &Fields<'_>, key: &str, draft: &mut Draft) -> Option<Vec<String>> {
    let mut command = Vec::new();
    for key in ["entrypoint", "command"] {
        let Some(field) = fields.optional(key) else { continue };
        let words = match &field.node.value {
            Value::List(items) => Some(items.iter().map(word).collect()),
            Value::Scalar(scalar) => split(&scalar.text),
            Value::Map(_) => None,
        };
        match words {
            Some(words) => command.extend(words.iter().map(|word| filled(word, field.at(), draft))),
            None => draft.mention(field.at(), format!("`{key}` cannot be taken apart into words")),
        }
    }
    if command.first().is_none_or(String::is_empty) {
        let image = fields.optional("image").map(|field| word(field.node)).unwrap_or_default();
        let what = match image.as_str() {
            "" => format!("{} is left out: it names no program", quote(key)),
            image => {
                format!("{} is left out: only its image {} knows what it runs", quote(key), quote(image))
            }
        };
        draft.note(fields.at, what, "start it beside the stack, or import it again with a `command`");
        return None;
    }
    Some(command)
}

/// A text with its variables filled in; which ones is noted.
fn filled(text: &str, at: Mark, draft: &mut Draft) -> String {
    let filled = fill(text);
    for name in &filled.defaulted {
        draft.mention(at, format!("the default of `${{{name}}}` is used"));
    }
    for name in &filled.unknown {
        let what = format!("`${{{name}}}` is not filled in");
        draft.note(at, what, "write the value; a stack file reads nothing from its environment");
    }
    filled.text
}

/// `environment`, a mapping or a list of `NAME=value`.
fn environment(field: &Field<'_>, draft: &mut Draft) -> Vec<(String, Yaml)> {
    let pairs: Vec<(Mark, String, Option<String>)> = match &field.node.value {
        Value::Map(entries) => entries
            .iter()
            .map(|entry| {
                let value = (!entry.value.is_null()).then(|| word(&entry.value));
                (entry.at, entry.key.clone(), value)
            })
            .collect(),
        Value::List(items) => items
            .iter()
            .map(|item| {
                let line = word(item);
                match line.split_once('=') {
                    Some((name, value)) => (item.at, name.to_owned(), Some(value.to_owned())),
                    None => (item.at, line, None),
                }
            })
            .collect(),
        Value::Scalar(_) => Vec::new(),
    };
    let mut env: Vec<(String, Yaml)> = Vec::new();
    for (at, name, value) in pairs {
        if is_reserved_env(&name) {
            draft.mention(at, format!("{} is left out: plimsoll sets it for every instance", quote(&name)));
        } else if !is_env_name(&name) {
            draft
                .mention(at, format!("{} is left out: it cannot name an environment variable", quote(&name)));
        } else if let Some(value) = value {
            let unknown = fill(&value).unknown;
            if let Some(variable) = unknown.first() {
                // Its own name in braces would pass for a value, and for a password at that.
                let what = format!("{} is left out: `${{{variable}}}` is not known here", quote(&name));
                draft.note(at, what, "write the value under `env`");
                continue;
            }
            let value = filled(&value, at, draft).replace('\0', "");
            env.retain(|(other, _)| *other != name);
            env.push((name, text(value)));
        } else {
            let what = format!("{} is left out: its value comes from the environment", quote(&name));
            draft.note(at, what, "write the value under `env`");
        }
    }
    env
}

/// A health check that asks a URL becomes that path; a program that is run instead has no equivalent.
fn health(field: &Field<'_>, draft: &mut Draft, sink: &mut Sink) -> Option<(String, Yaml)> {
    let test = field.node.get("test");
    let line = match test.map(|test| &test.value) {
        Some(Value::List(items)) => items.iter().map(word).collect::<Vec<_>>().join(" "),
        Some(Value::Scalar(scalar)) => scalar.text.clone(),
        _ => String::new(),
    };
    if let Some(fields) = Fields::open_any(field, sink) {
        for (entry, _) in fields.entries().filter(|(entry, _)| entry.key != "test") {
            let what = format!("{} of the health check has no equivalent", quote(&entry.key));
            match entry.key.as_str() {
                "start_period" => {
                    draft.note(entry.at, what, "`start_timeout` says how long a start may take")
                }
                "disable" => {}
                _ => draft.mention(entry.at, what),
            }
        }
    }
    let Some(path) = url_path(&line) else {
        let what = "the health check asks no URL and has no equivalent";
        draft.note(field.at(), what, "set `health` to paths that answer 2xx");
        return None;
    };
    let what =
        format!("the health check becomes {} for both questions, asked by plimsoll itself", quote(&path));
    draft.note(
        field.at(),
        what,
        "let `readiness` have a path of its own that says when the instance can serve",
    );
    Some(part("health", map([("liveness", text(path.clone())), ("readiness", text(path))])))
}

/// The path of the first URL of a command line.
fn url_path(line: &str) -> Option<String> {
    let url =
        line.split(['"', '\'', ' ', '\t', '\n', ';', '|', '&', ')']).find(|word| word.contains("://"))?;
    let (_, rest) = url.split_once("://")?;
    let path = rest.find('/').map_or("/", |start| &rest[start..]);
    let path = path.split(['?', '#']).next().unwrap_or("/");
    let plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '/' | '-' | '_' | '.' | '~');
    let resolved = path.len() == 1
        || !path.trim_end_matches('/').split('/').skip(1).any(|s| matches!(s, "" | "." | ".."));
    (path.chars().all(plain) && resolved && !path.starts_with("//")).then(|| path.to_owned())
}

fn drain(field: &Field<'_>, draft: &mut Draft) -> Option<(String, Yaml)> {
    let day = std::time::Duration::from_secs(86_400);
    match parse_duration(&word(field.node)) {
        Ok(duration) if duration <= day => Some(part("drain", text(format_duration(duration)))),
        _ => {
            draft.mention(
                field.at(),
                "`stop_grace_period` is not a duration of at most a day and is left out",
            );
            None
        }
    }
}

fn replica_count(field: &Field<'_>, draft: &mut Draft) -> Option<(String, Yaml)> {
    match word(field.node).parse::<u64>() {
        Ok(count) if count <= MAX_REPLICAS => Some(part("replicas", number(count))),
        _ => {
            draft.mention(field.at(), format!("{} is no number of instances and is left out", field.label));
            None
        }
    }
}

/// CPU is what is reserved, since it is the hundred per cent of a utilisation; memory is the limit.
fn resources(
    fields: &Fields<'_>,
    deploy: Option<&Fields<'_>>,
    draft: &mut Draft,
    sink: &mut Sink,
) -> Option<(String, Yaml)> {
    let declared = deploy.and_then(|deploy| deploy.optional("resources"));
    let declared = declared.and_then(|field| Fields::open_any(&field, sink));
    let mut section = |key: &str, draft: &mut Draft| {
        let section = Fields::open_any(&declared.as_ref()?.optional(key)?, sink)?;
        draft.note_others(&format!("`{key}`"), &section, &["cpus", "memory"]);
        Some(section)
    };
    let (limits, reserved) = (section("limits", draft), section("reservations", draft));
    let get = |section: &Option<_>, key: &str| {
        section.as_ref().and_then(|fields: &Fields<'_>| fields.optional(key))
    };

    let mut parts = Vec::new();
    let limit = get(&limits, "cpus").or_else(|| fields.optional("cpus"));
    if let Some(limit) = &limit {
        let what = "a limit of CPU has no equivalent; `resources.cpu` is what an instance is expected to use";
        draft.mention(limit.at(), what);
    }
    if let Some(cpus) = get(&reserved, "cpus").or(limit) {
        match word(cpus.node).parse::<Quantity>() {
            Ok(quantity) if quantity.milli() > 0 => parts.push(part("cpu", text(quantity.to_string()))),
            _ => draft.mention(cpus.at(), format!("{} is no number of CPUs and is left out", cpus.label)),
        }
    }
    if let Some(memory) = get(&reserved, "memory") {
        draft
            .mention(memory.at(), "a reservation of memory has no equivalent; `resources.memory` is a limit");
    }
    if let Some(memory) = get(&limits, "memory").or_else(|| fields.optional("mem_limit")) {
        match byte_size(&word(memory.node)) {
            Some(size) if size.value() >= 1 << 20 => parts.push(part("memory", text(size.to_string()))),
            _ => draft.mention(
                memory.at(),
                format!("{} is no size of at least 1 MiB and is left out", memory.label),
            ),
        }
    }
    (!parts.is_empty()).then(|| part("resources", Yaml::Map(parts)))
}

/// A size as Compose writes it: `512m`, `1gb`, `1073741824`; every unit is a power of 1024.
fn byte_size(written: &str) -> Option<Quantity> {
    let lower = written.trim().to_ascii_lowercase();
    let end = lower.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap_or(lower.len());
    let (digits, unit) = lower.split_at(end);
    let suffix = match unit {
        "" | "b" => "",
        "k" | "kb" | "kib" => "Ki",
        "m" | "mb" | "mib" => "Mi",
        "g" | "gb" | "gib" => "Gi",
        _ => return None,
    };
    let quantity: Quantity = format!("{digits}{suffix}").parse().ok()?;
    Some(Quantity::from_bytes(u64::try_from(quantity.value()).ok()?))
}

/// The words of a scalar as Compose reads them; empty for anything else.
fn word(node: &Node) -> String {
    match &node.value {
        Value::Scalar(scalar) if scalar.kind() != Kind::Null => scalar.text.clone(),
        _ => String::new(),
    }
}
