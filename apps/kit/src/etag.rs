//! Strong entity tags and `If-None-Match` (RFC 9110, sections 8.8.3 and 13.1.2).

use axum::response::{IntoResponse as _, Response};
use http::header::{ETAG, HeaderValue, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};

/// A strong entity tag: quoted, of characters that need no escape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityTag(String);

// === impl EntityTag ===

impl EntityTag {
    /// A tag from the digest of the very bytes sent.
    #[must_use]
    pub fn from_digest(digest: &[u8]) -> Self {
        Self(format!("\"{}\"", hex::encode(digest)))
    }

    /// The header's value.
    #[must_use]
    pub fn value(&self) -> HeaderValue {
        // Quoted hexadecimal is always a valid header value.
        HeaderValue::from_str(&self.0).unwrap_or(HeaderValue::from_static("\"\""))
    }

    /// Whether `If-None-Match` names this tag: any of the listed ones by weak comparison, or `*`.
    #[must_use]
    pub fn matches(&self, headers: &HeaderMap) -> bool {
        headers
            .get_all(IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.trim() == "*" || tags(value).any(|tag| tag == self.0))
    }

    /// Puts the tag on the response; turns it into a 304 without a body when the client has these bytes already.
    #[must_use]
    pub fn apply(&self, request: &HeaderMap, mut response: Response) -> Response {
        response.headers_mut().insert(ETAG, self.value());
        if !response.status().is_success() || !self.matches(request) {
            return response;
        }
        let mut bare = StatusCode::NOT_MODIFIED.into_response();
        // RFC 9110, section 15.4.5: a 304 carries the fields a 200 would have had that guide caches.
        for name in [http::header::CACHE_CONTROL, ETAG, http::header::VARY] {
            if let Some(value) = response.headers().get(&name) {
                bare.headers_mut().insert(name, value.clone());
            }
        }
        bare
    }
}

/// The opaque tags of a list, quotes kept and the weak mark `W/` dropped. A comma inside the quotes belongs to the tag.
fn tags(list: &str) -> impl Iterator<Item = &str> {
    let mut rest = list;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        rest = rest.strip_prefix("W/").unwrap_or(rest);
        let end = rest.strip_prefix('"')?.find('"')? + 2;
        let (tag, remainder) = rest.split_at(end);
        rest = remainder;
        Some(tag)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(header: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(IF_NONE_MATCH, header.parse().unwrap());
        EntityTag::from_digest(&[0xab, 0xcd]).matches(&headers)
    }

    #[test]
    fn w32_tag_is_found_in_every_form_of_the_header() {
        assert!(matches("\"abcd\""));
        assert!(matches("W/\"abcd\""));
        assert!(matches("\"x\", \"abcd\""));
        assert!(matches("\"a,b\",W/\"abcd\""));
        assert!(matches("*"));
    }

    #[test]
    fn w32_other_tags_do_not_match() {
        assert!(!matches("abcd"));
        assert!(!matches("\"abc\""));
        assert!(!matches("\"x, abcd\""));
        assert!(!matches("\"abcd"));
        assert!(!matches(""));
    }
}
