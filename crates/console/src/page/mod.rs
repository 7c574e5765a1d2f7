//! The page: files that vite built, inside the binary.
//!
//! A plain `cargo build` needs no node: without built files `/` says so instead of showing an empty page.

use axum::{
    extract::Path,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::error::ApiError;

/// What `npm run build` left; empty when it never ran.
#[derive(RustEmbed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Dist;

const UNBUILT: &str = include_str!("unbuilt.html");
/// Names with a content hash never change their content.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");

pub(crate) async fn index(headers: HeaderMap) -> Response {
    match Dist::get("index.html") {
        Some(file) => serve("index.html", file, &headers),
        None => {
            let html = HeaderValue::from_static("text/html; charset=utf-8");
            ([(header::CONTENT_TYPE, html), (header::CACHE_CONTROL, REVALIDATE)], UNBUILT).into_response()
        }
    }
}

pub(crate) async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    match Dist::get(&path) {
        Some(file) => serve(&path, file, &headers),
        None => ApiError::not_found(format!("there is nothing at /{path}")).into_response(),
    }
}

fn serve(path: &str, file: EmbeddedFile, request: &HeaderMap) -> Response {
    let etag = etag(&file.metadata.sha256_hash());
    let caching = if path.starts_with("assets/") { IMMUTABLE } else { REVALIDATE };
    let fresh = request.get_all(header::IF_NONE_MATCH).iter().any(|known| names(known, &etag));
    let mut response = if fresh {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let content_type = content_type(file.metadata.mimetype());
        ([(header::CONTENT_TYPE, content_type)], file.data).into_response()
    };
    response.headers_mut().insert(header::CACHE_CONTROL, caching);
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

fn content_type(mime: &str) -> HeaderValue {
    let text = mime.starts_with("text/") || mime.ends_with("/javascript") || mime.ends_with("/json");
    let value = if text { format!("{mime}; charset=utf-8") } else { mime.to_owned() };
    HeaderValue::from_str(&value).unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

fn etag(sha256: &[u8; 32]) -> String {
    use std::fmt::Write;
    let mut tag = String::from("\"");
    for byte in &sha256[..16] {
        let _ = write!(tag, "{byte:02x}"); // writing to a string cannot fail
    }
    tag.push('"');
    tag
}

/// Whether an `If-None-Match` list names the tag; weak comparison (RFC 9110, 13.1.2).
fn names(list: &HeaderValue, etag: &str) -> bool {
    let Ok(list) = list.to_str() else { return false };
    list.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
}
