//! `Accept` (RFC 9110, section 12.5.1) for operations that answer in JSON.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::HeaderMap;
use http::header::ACCEPT;
use serde_json::json;

use crate::{ApiError, Code};

/// Whether the client takes `application/json`: it sent no `Accept`, or the most specific range that matches has
/// a weight above 0.
#[must_use]
pub fn takes_json(headers: &HeaderMap) -> bool {
    let mut best: Option<(u8, f32)> = None;
    let mut any = false;
    for value in headers.get_all(ACCEPT) {
        // A header that is not text names no type we could serve.
        let Ok(text) = value.to_str() else {
            any = true;
            continue;
        };
        for range in text.split(',').map(str::trim).filter(|range| !range.is_empty()) {
            any = true;
            let mut parts = range.split(';').map(str::trim);
            let specificity = match parts.next().map(str::to_ascii_lowercase).as_deref() {
                Some("application/json") => 3,
                Some("application/*") => 2,
                Some("*/*") => 1,
                _ => continue,
            };
            let weight = parts.find_map(weight).unwrap_or(1.0);
            if best.is_none_or(|(known, _)| specificity > known) {
                best = Some((specificity, weight));
            }
        }
    }
    !any || best.is_some_and(|(_, weight)| weight > 0.0)
}

/// Middleware: 406 before any work is done when the client does not take JSON.
pub async fn json_only(request: Request, next: Next) -> Response {
    if takes_json(request.headers()) {
        return next.run(request).await;
    }
    let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    ApiError::new(Code::NOT_ACCEPTABLE, "this operation answers in application/json only")
        .details(json!({ "accept": accept, "available": ["application/json"] }))
        .into_response()
}

fn weight(parameter: &str) -> Option<f32> {
    let (name, value) = parameter.split_once('=')?;
    name.trim().eq_ignore_ascii_case("q").then(|| value.trim().parse().unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(accept: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(ACCEPT, value.parse().unwrap());
        }
        takes_json(&headers)
    }

    #[test]
    fn json_is_found_in_every_form_of_the_header() {
        assert!(takes(&[]));
        assert!(takes(&[""]));
        assert!(takes(&["*/*"]));
        assert!(takes(&["application/*;q=0.1"]));
        assert!(takes(&["text/html, Application/JSON;q=0.9, */*;q=0"]));
        assert!(takes(&["text/html", "application/json"]));
        assert!(takes(&["text/html,application/xhtml+xml,*/*;q=0.8"]));
    }

    #[test]
    fn a_client_that_refuses_json_is_believed() {
        assert!(!takes(&["text/html"]));
        assert!(!takes(&["application/json;q=0"]));
        assert!(!takes(&["application/json;q=0, */*"]));
        assert!(!takes(&["application/jsonp"]));
    }
}
