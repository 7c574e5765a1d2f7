//! Published ports.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::decode::Field;
use crate::diagnostic::{Mark, quote};
use crate::import::draft::Draft;
use crate::node::{Node, Value};

/// A port that Compose publishes on the host.
pub(super) struct Port {
    pub(super) at: Mark,
    pub(super) listen: SocketAddr,
}

/// The published TCP ports of a service; what cannot be published is noted.
pub(super) fn ports(field: &Field<'_>, draft: &mut Draft) -> Vec<Port> {
    let Value::List(items) = &field.node.value else {
        draft.mention(field.at(), "`ports` is not a list and is left out");
        return Vec::new();
    };
    let mut ports = Vec::new();
    for item in items {
        match listen(item) {
            Ok(Some(listen)) => ports.push(Port { at: item.at, listen }),
            Ok(None) => draft.mention(item.at, "a port that is not published has no equivalent"),
            Err(what) => draft.mention(item.at, what),
        }
    }
    ports
}

/// The address a port is published on; `None` when only the container side is stated.
fn listen(item: &Node) -> Result<Option<SocketAddr>, String> {
    let word = |node: Option<&Node>| match node.map(|node| &node.value) {
        Some(Value::Scalar(scalar)) => scalar.text.clone(),
        _ => String::new(),
    };
    let (host, published, protocol) = match &item.value {
        Value::Map(_) => (word(item.get("host_ip")), word(item.get("published")), word(item.get("protocol"))),
        Value::Scalar(scalar) => {
            let (address, protocol) = scalar.text.split_once('/').unwrap_or((&scalar.text, "tcp"));
            // host:published:target, published:target or target; a host in brackets holds colons itself.
            let mut parts = address.rsplitn(3, ':');
            let _target = parts.next();
            let published = parts.next().unwrap_or_default().to_owned();
            (parts.next().unwrap_or_default().to_owned(), published, protocol.to_owned())
        }
        Value::List(_) => return Err("a port that is a list has no meaning".to_owned()),
    };
    if published.is_empty() {
        return Ok(None);
    }
    if !protocol.is_empty() && protocol != "tcp" {
        return Err(format!(
            "port {} is {} and the edge is HTTP over TCP",
            quote(&published),
            quote(&protocol)
        ));
    }
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host = match host {
        "" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        _ => host.parse().map_err(|_| format!("{} is no address to listen on", quote(host)))?,
    };
    let port: u16 = published
        .parse()
        .map_err(|_| format!("{} is not one port and is not published", quote(&published)))?;
    Ok(Some(SocketAddr::new(host, port)))
}
