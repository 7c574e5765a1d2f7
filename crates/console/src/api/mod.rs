//! Routes of the admin API and the document that describes them; both come from the same list, so they agree.

mod act;
mod probe;
mod queue;
mod read;

use std::sync::Arc;

use axum::{Router, middleware, response::IntoResponse, routing::get};
use http::{Method, StatusCode, Uri};
use tokio_util::sync::CancellationToken;
use utoipa::{
    OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    error::ApiError,
    guard::{Guard, guard},
    operator::Operator,
    page,
    stream::Feed,
};

/// What every handler can reach.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) operator: Arc<dyn Operator>,
    pub(crate) feed: Arc<Feed>,
    pub(crate) closing: CancellationToken,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Plimsoll admin API",
        description = "Look at, explain and steer a running stack. Without a token it answers on loopback only."
    ),
    tags(
        (name = "read", description = "What runs"),
        (name = "explain", description = "Why it runs like that"),
        (name = "act", description = "Change it"),
        (name = "queue", description = "Jobs and dead letters"),
        (name = "probe", description = "For probes and scrapers")
    ),
    modifiers(&BearerToken)
)]
struct Document;

struct BearerToken;

impl utoipa::Modify for BearerToken {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("Needed when the stack file names admin.token_env"))
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(read::stack))
        .routes(routes!(read::stream))
        .routes(routes!(read::decisions))
        .routes(routes!(read::decision))
        .routes(routes!(read::report))
        .routes(routes!(read::logs))
        .routes(routes!(act::scale))
        .routes(routes!(act::drain))
        .routes(routes!(act::restart))
        .routes(routes!(act::reload))
        .routes(routes!(act::shutdown))
        .routes(routes!(queue::dead_letters))
        .routes(routes!(queue::job))
        .routes(routes!(queue::requeue))
        .routes(routes!(queue::discard))
        .routes(routes!(queue::cancel))
        .routes(routes!(probe::healthz))
        .routes(routes!(probe::readyz))
        .routes(routes!(probe::metrics))
        .routes(routes!(probe::openapi))
}

/// The OpenAPI document of the admin API, the one served at `/openapi.json`.
pub fn openapi() -> utoipa::openapi::OpenApi {
    routes().into_openapi()
}

pub(crate) fn router(shared: Shared, rules: Arc<Guard>) -> Router {
    let (router, _) = routes().split_for_parts();
    router
        .route("/", get(page::index))
        .route("/{*path}", get(page::asset))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(rules, guard))
        .with_state(shared)
}

async fn unknown_path(uri: Uri) -> impl IntoResponse {
    ApiError::not_found(format!("there is nothing at {}", uri.path()))
}

async fn wrong_method(method: Method, uri: Uri) -> impl IntoResponse {
    let message = format!("{} does not take {method}", uri.path());
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}

/// Runs what may read files on a thread where that harms nobody.
async fn blocking<T: Send + 'static>(
    shared: Shared,
    read: impl FnOnce(&dyn Operator) -> T + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(move || read(shared.operator.as_ref())).await.map_err(failed)
}

fn failed(error: tokio::task::JoinError) -> ApiError {
    tracing::error!(%error, "an admin request failed");
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "this should not have happened: see the log")
}
