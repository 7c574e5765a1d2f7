//! What can only be seen by comparing sections.

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::decode::{At, did_you_mean, listed};
use crate::diagnostic::{Mark, Sink, quote};
use crate::gateway::RouteDraft;
use crate::types::defaults;

/// Every route leads to a service, and no two take the same requests.
pub(crate) fn routes(routes: &[RouteDraft], services: &[&str], sink: &mut Sink) {
    let mut seen: HashMap<(Option<&str>, &str), Mark> = HashMap::new();
    for route in routes {
        if let Some(At { at, value }) = &route.service
            && !services.contains(&value.as_str())
        {
            let hint = did_you_mean(value, services.iter().copied()).unwrap_or_else(|| match services {
                [] => "add it under `services`".to_owned(),
                _ => {
                    format!("add it under `services`, or use {}", listed(&services[..services.len().min(10)]))
                }
            });
            sink.hint(*at, format!("route to {}, which is not a service of this stack", quote(value)), hint);
        }
        let (Some(path), Some(host)) = (&route.path, &route.host) else { continue };
        // `/v1/` and `/v1` take the same requests.
        let key = (host.as_deref(), path.value.trim_end_matches('/'));
        if let Some(first) = seen.get(&key) {
            let host = match host {
                Some(host) => format!(" of host {}", quote(host)),
                None => String::new(),
            };
            let what = format!("a second route for path {}{host}", quote(&path.value));
            sink.hint(route.at, what, format!("the first is on line {}; remove one", first.line));
        } else {
            seen.insert(key, route.at);
        }
    }
}

/// The edge and the admin API cannot listen on the same address.
pub(crate) fn listeners(gateway: Option<At<SocketAddr>>, admin: Option<At<SocketAddr>>, sink: &mut Sink) {
    let Some(gateway) = gateway else { return };
    let other = admin.map_or(defaults::ADMIN_LISTEN, |admin| admin.value);
    let (edge, port) = (gateway.value.ip(), gateway.value.port());
    let same_address = edge == other.ip() || edge.is_unspecified() || other.ip().is_unspecified();
    // Port 0 is a different one each time.
    if port != 0 && port == other.port() && same_address {
        let (at, what) = match admin {
            Some(admin) => (admin.at, format!("the admin API listens on port {port}, as the gateway does")),
            None => {
                (gateway.at, format!("the gateway listens on port {port}, as the admin API does by default"))
            }
        };
        sink.hint(at, what, "give one of them another port");
    }
}
