//! `/metrics` and the two HTTP families every dashboard already knows.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::Method;
use http::header::CONTENT_TYPE;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::ApiError;

/// Media type of the exposition: OpenMetrics, which Prometheus and its kin read.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Label of requests that no route answers; their paths are the client's choice and would never end.
const UNMATCHED: &str = "unmatched";

/// Labels of a request. `route` is the template (`/v1/result/{id}`), `status` the number (`404`): patterns such as
/// `5..` match.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    method: &'static str,
    status: Status,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Status(u16);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
    method: &'static str,
}

/// Counters of the HTTP side.
#[derive(Debug, Clone)]
pub struct HttpMetrics {
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram, fn() -> Histogram>,
    in_flight: Gauge,
}

/// Decrements the gauge also when the handler is dropped half-way because the client left.
struct InFlight(Gauge);

// === impl HttpMetrics ===

impl HttpMetrics {
    /// Registers `http_requests_total`, `http_request_duration_seconds` and `http_requests_in_flight`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(duration_histogram as fn() -> Histogram),
            in_flight: Gauge::default(),
        };
        registry.register("http_requests", "Requests answered", metrics.requests.clone());
        registry.register(
            "http_request_duration_seconds",
            "Time from the request's head to the response's head",
            metrics.durations.clone(),
        );
        registry.register("http_requests_in_flight", "Requests being handled", metrics.in_flight.clone());
        metrics
    }
}

/// Middleware: counts and times each request.
pub async fn layer(State(metrics): State<HttpMetrics>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or_else(|| UNMATCHED.to_owned(), |path| path.as_str().to_owned());
    let method = method_label(request.method());
    metrics.in_flight.inc();
    let in_flight = InFlight(metrics.in_flight.clone());

    let response = next.run(request).await;
    drop(in_flight);
    let status = response.status().as_u16();
    let elapsed = started.elapsed().as_secs_f64();
    tracing::debug!(route, method, status, elapsed_s = elapsed, "answered");
    metrics.durations.get_or_create(&RouteLabels { route: route.clone(), method }).observe(elapsed);
    metrics.requests.get_or_create(&RequestLabels { route, method, status: Status(status) }).inc();
    response
}

/// The route `/metrics` over a finished registry.
pub fn router<S: Clone + Send + Sync + 'static>(registry: Arc<Registry>) -> axum::Router<S> {
    axum::Router::new().route("/metrics", get(expose)).with_state(registry)
}

/// The registry as OpenMetrics text.
///
/// # Errors
/// When a metric cannot be formatted.
pub fn text(registry: &Registry) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    encode(&mut text, registry)?;
    Ok(text)
}

async fn expose(State(registry): State<Arc<Registry>>) -> Response {
    match text(&registry) {
        Ok(text) => ([(CONTENT_TYPE, MEDIA_TYPE)], text).into_response(),
        Err(error) => ApiError::internal(error).into_response(),
    }
}

fn duration_histogram() -> Histogram {
    Histogram::new([0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0])
}

/// Methods are the client's choice too; unknown ones share a label.
fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "OTHER",
    }
}

impl prometheus_client::encoding::EncodeLabelValue for Status {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), std::fmt::Error> {
        prometheus_client::encoding::EncodeLabelValue::encode(&u64::from(self.0), encoder)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}
