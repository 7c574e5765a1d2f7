//! Which service a request goes to: host first, then the longest path prefix that ends at a segment.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use crate::metrics::RouteMetrics;
use crate::service::Service;

/// One route with what the hot path needs of it.
#[derive(Debug)]
pub(crate) struct Route {
    /// Lower case, without port; every host when absent.
    pub(crate) host: Option<String>,
    /// Without a slash at its end, so that the route `/` is empty.
    prefix: String,
    pub(crate) service: Arc<Service>,
    /// From the sent request to the head of the answer.
    pub(crate) response_timeout: Duration,
    pub(crate) metrics: Arc<RouteMetrics>,
}

/// All routes, in the order in which they are tried.
#[derive(Debug, Default)]
pub(crate) struct Router {
    /// Routes with a host before those without, then longer prefixes first.
    routes: Vec<Arc<Route>>,
}

/// The path climbs out of the root with `..`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OutsideRoot;

// === impl Route ===

impl Route {
    pub(crate) fn new(
        host: Option<String>,
        path: &str,
        service: Arc<Service>,
        response_timeout: Duration,
        metrics: Arc<RouteMetrics>,
    ) -> Self {
        let prefix = path.trim_end_matches('/').to_owned();
        Self { host, prefix, service, response_timeout, metrics }
    }

    fn matches(&self, host: &str, path: &str) -> bool {
        self.host.as_ref().is_none_or(|own| own.eq_ignore_ascii_case(host))
            && path.strip_prefix(&self.prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

// === impl Router ===

impl Router {
    pub(crate) fn new(mut routes: Vec<Arc<Route>>) -> Self {
        routes.sort_by_key(|route| (route.host.is_none(), std::cmp::Reverse(route.prefix.len())));
        Self { routes }
    }

    /// The route of a request; `authority` as in the `Host` header, `path` as from [`routing_path`].
    pub(crate) fn find(&self, authority: &str, path: &str) -> Option<&Arc<Route>> {
        let host = without_port(authority);
        self.routes.iter().find(|route| route.matches(host, path))
    }
}

/// `example.org` of `example.org:8080` and of `example.org.`; brackets of an IPv6 address stay.
fn without_port(authority: &str) -> &str {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    host.strip_suffix('.').unwrap_or(host)
}

/// The path as upstreams that normalise will understand it (RFC 3986 6.2.2): letters, digits and dots that were
/// written as `%41` or `%2e` decoded, dot segments resolved, doubled slashes as one. Routing by the raw path would let `/public/../admin` choose the route of `/public`. What is
/// forwarded stays as the client wrote it.
pub(crate) fn routing_path(path: &str) -> Result<Cow<'_, str>, OutsideRoot> {
    if !path.contains("/.") && !path.contains("//") && !path.contains('%') {
        return Ok(Cow::Borrowed(path));
    }
    let mut segments: Vec<Cow<'_, str>> = Vec::new();
    let ends_in_slash = path.ends_with('/');
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        let segment = if segment.contains('%') {
            Cow::Owned(decode_unreserved(segment))
        } else {
            Cow::Borrowed(segment)
        };
        match segment.as_ref() {
            "." => {}
            ".." => {
                segments.pop().ok_or(OutsideRoot)?;
            }
            _ => segments.push(segment),
        }
    }
    let mut normal = String::with_capacity(path.len());
    for segment in &segments {
        normal.push('/');
        normal.push_str(segment);
    }
    if ends_in_slash || segments.is_empty() {
        normal.push('/');
    }
    Ok(Cow::Owned(normal))
}

fn decode_unreserved(segment: &str) -> String {
    let mut decoded = String::with_capacity(segment.len());
    let mut rest = segment;
    while let Some((before, after)) = rest.split_once('%') {
        decoded.push_str(before);
        let byte = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.filter(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(byte)) {
            Some(byte) => {
                decoded.push(char::from(byte));
                rest = &after[2..];
            }
            None => {
                decoded.push('%');
                rest = after;
            }
        }
    }
    decoded.push_str(rest);
    decoded
}

#[cfg(test)]
mod tests;
