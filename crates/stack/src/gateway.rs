//! The `gateway` section.

use std::net::SocketAddr;

use crate::decode::{At, Field, Fields};
use crate::diagnostic::{Mark, Sink, quote};
use crate::names::{ANY_TIME, SOME_TIME, url_path};
use crate::network::{IpNetwork, NetworkError};
use crate::types::{Gateway, Route, Timeouts, defaults};

/// The most connections or waiting requests that can be asked for: what one process can hold open.
const MOST: usize = 1_000_000;

/// The section as far as it could be read; absent parts have been reported.
pub(crate) struct GatewayDraft {
    pub(crate) listen: Option<At<SocketAddr>>,
    pub(crate) routes: Vec<RouteDraft>,
    rest: Gateway,
}

/// A route as far as it could be read.
pub(crate) struct RouteDraft {
    pub(crate) at: Mark,
    /// The outer `None` is a host that could not be read, the inner one every host.
    pub(crate) host: Option<Option<String>>,
    pub(crate) path: Option<At<String>>,
    pub(crate) service: Option<At<String>>,
    timeout: Option<std::time::Duration>,
}

/// Reads the section.
pub(crate) fn gateway(field: &Field<'_>, sink: &mut Sink) -> Option<GatewayDraft> {
    let known = [
        "listen",
        "trusted_proxies",
        "max_connections",
        "timeouts",
        "wait_for_upstream",
        "max_waiting",
        "routes",
    ];
    let fields = Fields::open(field, &known, sink)?;
    let listen = fields
        .required("listen", "such as `listen: 127.0.0.1:8080`", sink)
        .and_then(|field| Some(At { at: field.at(), value: field.socket_addr(sink)? }));
    let rest = Gateway {
        // Replaced by what was read once it is known to be right.
        listen: defaults::ADMIN_LISTEN,
        trusted_proxies: fields
            .optional("trusted_proxies")
            .map(|field| trusted_proxies(&field, sink))
            .unwrap_or_default(),
        max_connections: fields
            .optional("max_connections")
            .and_then(|field| field.integer(1..=MOST, sink))
            .unwrap_or(defaults::MAX_CONNECTIONS),
        timeouts: fields.optional("timeouts").map(|field| timeouts(&field, sink)).unwrap_or_default(),
        wait_for_upstream: fields
            .optional("wait_for_upstream")
            .and_then(|field| field.duration(ANY_TIME, sink))
            .unwrap_or(defaults::WAIT_FOR_UPSTREAM),
        max_waiting: fields
            .optional("max_waiting")
            .and_then(|field| field.integer(0..=MOST, sink))
            .unwrap_or(defaults::MAX_WAITING),
        routes: Vec::new(),
    };
    let hint = "a list such as `- { path: /, service: api }`";
    let routes = fields.required("routes", hint, sink).and_then(|field| {
        let items = field.list(hint, sink)?;
        if items.is_empty() {
            sink.hint(field.at(), "`routes` must not be empty", "such as `- { path: /, service: api }`");
        }
        Some(items.iter().filter_map(|item| route(item, sink)).collect())
    });
    Some(GatewayDraft { listen, routes: routes.unwrap_or_default(), rest })
}

fn trusted_proxies(field: &Field<'_>, sink: &mut Sink) -> Vec<IpNetwork> {
    let hint = "such as `[10.0.0.0/8, 127.0.0.1]`";
    let items = field.list(hint, sink).unwrap_or_default();
    let network = |item: &Field<'_>, sink: &mut Sink| match IpNetwork::read(item.text(sink)?) {
        Ok(network) => Some(network),
        Err(NetworkError::Syntax) => {
            item.wrong(sink, "an address or a range of addresses", "such as `10.0.0.0/8` or `::1`");
            None
        }
        Err(NetworkError::HostBits(meant)) => {
            let what = format!("{} has bits set behind its prefix", item.label);
            sink.hint(item.at(), what, format!("did you mean `{meant}`?"));
            None
        }
    };
    items.iter().filter_map(|item| network(item, sink)).collect()
}

fn timeouts(field: &Field<'_>, sink: &mut Sink) -> Timeouts {
    let mut timeouts = Timeouts::default();
    let Some(fields) = Fields::open(field, &["connect", "response", "idle", "header_read"], sink) else {
        return timeouts;
    };
    for (key, slot) in [
        ("connect", &mut timeouts.connect),
        ("response", &mut timeouts.response),
        ("idle", &mut timeouts.idle),
        ("header_read", &mut timeouts.header_read),
    ] {
        if let Some(duration) = fields.optional(key).and_then(|field| field.duration(SOME_TIME, sink)) {
            *slot = duration;
        }
    }
    timeouts
}

fn route(field: &Field<'_>, sink: &mut Sink) -> Option<RouteDraft> {
    let fields = Fields::open(field, &["path", "host", "service", "timeout"], sink)?;
    let path = fields
        .required("path", "`path: /` takes every request", sink)
        .and_then(|field| Some(At { at: field.at(), value: url_path(&field, sink)? }));
    let service = fields
        .required("service", "name one of `services`", sink)
        .and_then(|field| Some(At { at: field.at(), value: field.text(sink)?.to_owned() }));
    Some(RouteDraft {
        at: field.at(),
        host: match fields.optional("host") {
            Some(field) => host(&field, sink).map(Some),
            None => Some(None),
        },
        path,
        service,
        timeout: fields.optional("timeout").and_then(|field| field.duration(SOME_TIME, sink)),
    })
}

/// A host name or address as a `Host` header carries it, without port; case does not matter.
fn host(field: &Field<'_>, sink: &mut Sink) -> Option<String> {
    let text = field.text(sink)?;
    let hint = match text.rsplit_once(':') {
        _ if text.contains("://") => "leave out the scheme".to_owned(),
        Some((host, port)) if port.parse::<u16>().is_ok() && !host.contains(':') => {
            format!("leave out the port: {}", quote(host))
        }
        _ if text.contains('*') => "write one route for each host; patterns are not matched".to_owned(),
        _ => "such as `api.example.org`".to_owned(),
    };
    let label = |part: &str| {
        !part.is_empty()
            && part.len() <= 63
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let good = match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => text.len() <= 253 && text.split('.').all(label),
    };
    if !good {
        field.wrong(sink, "a host name", &hint);
        return None;
    }
    Some(text.to_ascii_lowercase())
}

// === impl GatewayDraft ===

impl GatewayDraft {
    /// The section, when nothing was missing.
    pub(crate) fn finish(self) -> Option<Gateway> {
        let routes = self.routes.into_iter().map(RouteDraft::finish).collect::<Option<_>>()?;
        Some(Gateway { listen: self.listen?.value, routes, ..self.rest })
    }
}

// === impl RouteDraft ===

impl RouteDraft {
    fn finish(self) -> Option<Route> {
        Some(Route {
            host: self.host?,
            path: self.path?.value,
            service: self.service?.value,
            timeout: self.timeout,
        })
    }
}
