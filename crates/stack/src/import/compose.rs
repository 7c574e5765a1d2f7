//! A Compose file. Its services run in containers and those of a stack are local processes, so images, networks and
//! volumes stay behind, and what describes the program itself comes along.

mod interpolate;
mod ports;
mod service;

use super::draft::{Draft, part};
use super::emit::{map, text};
use crate::decode::{Field, Fields};
use crate::diagnostic::{Sink, quote};
use crate::names::suggestion;
use crate::types::defaults;
use ports::Port;

/// Reads a whole file.
pub(super) fn compose(field: &Field<'_>, file_name: &str, draft: &mut Draft, sink: &mut Sink) {
    let Some(fields) = Fields::open_any(field, sink) else { return };
    for (entry, field) in fields.entries() {
        match entry.key.as_str() {
            "name" | "services" => {}
            // Obsolete for years; it never changed what a service does.
            "version" => {}
            key if key.starts_with("x-") || field.node.is_null() => {}
            key => draft.mention(entry.at, format!("top-level {} has no equivalent", quote(key))),
        }
    }
    let Some(services) = fields.required("services", "a Compose file has `services`", sink) else { return };
    let Some(services) = Fields::open_any(&services, sink) else { return };
    let mut published = Vec::new();
    for (entry, field) in services.entries() {
        service::service(&entry.key, entry.at, &field, &mut published, draft, sink);
    }
    edge(&published, draft);
    draft.name = Some(stack_name(&fields, file_name));
}

/// The name in the file, else one made of the file's own.
fn stack_name(fields: &Fields<'_>, file_name: &str) -> String {
    let own = fields.optional("name").and_then(|field| match &field.node.value {
        crate::node::Value::Scalar(scalar) => Some(scalar.text.clone()),
        _ => None,
    });
    let base = file_name.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = base.split('.').next().unwrap_or_default();
    let name = own.unwrap_or_else(|| stem.to_owned());
    let name: String = suggestion(&name).unwrap_or(name).chars().take(52).collect();
    let name = name.trim_end_matches('-');
    if name.is_empty() || !name.is_ascii() { "imported".to_owned() } else { name.to_owned() }
}

/// The first published port becomes the edge; there is one edge, so the others are noted.
fn edge(published: &[(String, Port)], draft: &mut Draft) {
    let Some(((service, port), others)) = published.split_first() else { return };
    let route = map([("path", text("/")), ("service", text(service.clone()))]);
    draft.gateway = Some(map([
        ("listen", text(port.listen.to_string())),
        ("routes", super::emit::Yaml::List(vec![route])),
    ]));
    let what = format!("the edge listens on `{}` and `{service}` on the port it is given", port.listen);
    draft.note(port.at, what, "let the program read `PORT` (and `HOST`) from its environment");
    for (service, port) in others {
        let what = format!("`{}` of `{service}` is not published: a stack has one edge", port.listen);
        draft.note(port.at, what, "add a route with a path or host of its own to `gateway.routes`");
    }
    let admin = defaults::ADMIN_LISTEN;
    if port.listen.port() == admin.port() {
        let free = std::net::SocketAddr::new(admin.ip(), admin.port() + 1);
        draft.admin = Some(super::emit::Yaml::Map(vec![part("listen", text(free.to_string()))]));
        draft.mention(port.at, format!("the admin API moves to `{free}`, as its port is taken"));
    }
}
