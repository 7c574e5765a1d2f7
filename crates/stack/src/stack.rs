//! The file as a whole.

use std::collections::BTreeMap;

use crate::check;
use crate::control::{admin, control, queue};
use crate::decode::{Field, Fields};
use crate::diagnostic::{Diagnostics, Sink};
use crate::gateway::{GatewayDraft, gateway};
use crate::load;
use crate::names::{MAX_SERVICE_NAME, check_label, file_path, stack_name};
use crate::node::Node;
use crate::service::service;
use crate::types::{Service, Stack};

/// Reads a stack file. `file_name` only appears in messages.
///
/// # Errors
/// Every mistake of the file with its position, sorted; a file over [`crate::MAX_FILE_BYTES`] is refused unread.
pub fn parse(file_name: &str, source: &[u8]) -> Result<Stack, Diagnostics> {
    if let Some(refusal) = load::too_large(file_name, source.len() as u64) {
        return Err(refusal);
    }
    let mut sink = Sink::default();
    let stack = load::document(source, &mut sink).and_then(|root| stack(&root, &mut sink));
    sink.finish(file_name, stack)
}

fn stack(root: &Node, sink: &mut Sink) -> Option<Stack> {
    let root = Field { label: "a stack file".to_owned(), node: root };
    let fields =
        Fields::open(&root, &["name", "state", "gateway", "services", "control", "admin", "queue"], sink)?;
    let name = fields
        .required("name", "such as `name: cv-evaluator`", sink)
        .and_then(|field| stack_name(&field, sink));
    let state = fields.optional("state").and_then(|field| file_path(&field, sink));
    let services = fields
        .required("services", "name at least one, such as `services: { api: { command: [api] } }`", sink)
        .and_then(|field| services(&field, sink));
    let gateway = fields.optional("gateway").and_then(|field| gateway(&field, sink));
    let admin = fields.optional("admin").and_then(|field| admin(&field, sink));
    let control = fields.optional("control").map(|field| control(&field, sink));

    if let (Some(gateway), Some(services)) = (&gateway, &services) {
        let names: Vec<&str> = services.iter().map(|(name, _)| name.as_str()).collect();
        check::routes(&gateway.routes, &names, sink);
    }
    if let Some(gateway) = &gateway {
        check::listeners(gateway.listen, admin.as_ref().and_then(|admin| admin.listen), sink);
    }

    let complete = |(name, service): (String, Option<Service>)| Some((name, service?));
    let finished = gateway.map(GatewayDraft::finish);
    Some(Stack {
        name: name?,
        state,
        gateway: match finished {
            Some(None) => return None,
            Some(gateway) => gateway,
            None => None,
        },
        services: services?.into_iter().map(complete).collect::<Option<BTreeMap<_, _>>>()?,
        control: control.unwrap_or_default(),
        admin: admin.map(|draft| draft.admin).unwrap_or_default(),
        queue: fields.optional("queue").map(|field| queue(&field, sink)).unwrap_or_default(),
    })
}

/// Every service by name; `None` in the place of one that could not be read, so that routes to it are not reported.
fn services(field: &Field<'_>, sink: &mut Sink) -> Option<Vec<(String, Option<Service>)>> {
    let fields = Fields::open_any(field, sink)?;
    let mut services = Vec::new();
    for (entry, field) in fields.entries() {
        check_label("service name", &entry.key, MAX_SERVICE_NAME, entry.at, sink);
        services.push((entry.key.clone(), service(&field, sink)));
    }
    if services.is_empty() {
        let hint = "name at least one, such as `services: { api: { command: [api] } }`";
        sink.hint(field.at(), "`services` must not be empty", hint);
    }
    Some(services)
}
