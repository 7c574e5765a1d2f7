//! For probes and scrapers, and for programs that want to know the rest.

use axum::{Json, extract::State, response::IntoResponse};
use http::{StatusCode, header};

use super::Shared;
use crate::wire::ErrorShape;

const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whether the process is alive; depends on nothing.
#[utoipa::path(
    get, path = "/healthz", tag = "probe",
    responses((status = 200, description = "Alive", body = String, content_type = "text/plain"))
)]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether the console takes requests: no longer once it is closing.
#[utoipa::path(
    get, path = "/readyz", tag = "probe",
    responses(
        (status = 200, description = "Ready", body = String, content_type = "text/plain"),
        (status = 503, description = "Closing", body = String, content_type = "text/plain"),
    )
)]
pub(super) async fn readyz(State(shared): State<Shared>) -> (StatusCode, &'static str) {
    if shared.closing.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "closing\n");
    }
    (StatusCode::OK, "ready\n")
}

/// Metrics of the stack in Prometheus or OpenMetrics text.
#[utoipa::path(
    get, path = "/metrics", tag = "probe", security((), ("token" = [])),
    responses(
        (status = 200, description = "Metrics", content(
            (String = "text/plain"),
            (String = "application/openmetrics-text"),
        )),
        (status = 401, description = "The token is missing or wrong", body = ErrorShape),
    )
)]
pub(super) async fn metrics(State(shared): State<Shared>) -> impl IntoResponse {
    let mut text = String::new();
    shared.operator.render_metrics(&mut text);
    let content_type = if text.trim_end().ends_with("# EOF") { OPENMETRICS } else { PROMETHEUS };
    ([(header::CONTENT_TYPE, content_type)], text)
}

/// This document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "probe",
    responses((status = 200, description = "The OpenAPI document of this API", body = Object))
)]
pub(super) async fn openapi() -> Json<utoipa::openapi::OpenApi> {
    Json(super::openapi())
}
