//! The OpenAPI document, made from the handlers.

use std::sync::OnceLock;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use utoipa::Modify;
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};

use app_kit::ApiError;

/// What the document says beside the operations.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "AI CV Evaluator",
        description = "Upload a CV and a project report, ask for an evaluation, poll for the scores. Every error has the shape of `ErrorBody`; every answer carries `X-Request-Id` and `traceparent`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "evaluations", description = "For the owner of the documents"),
        (name = "admin", description = "For the administrator"),
        (name = "health", description = "For whoever runs it"),
    ),
    paths(app_kit::health::healthz, app_kit::health::readyz),
    modifiers(&Schemes),
)]
struct Base;

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let header =
            ApiKeyValue::with_description("X-API-Key", "A key from API_KEYS, when any are configured");
        components.add_security_scheme("api_key", SecurityScheme::ApiKey(ApiKey::Header(header)));
        let bearer = |text: &str| {
            SecurityScheme::Http(
                HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(text)).build(),
            )
        };
        components.add_security_scheme("bearer", bearer("The same key as a bearer token"));
        components.add_security_scheme("admin", bearer("A token from POST /admin/token"));
    }
}

/// The whole document: the admin operations stand in it whether or not they are configured.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    utoipa_axum::router::OpenApiRouter::with_openapi(Base::openapi())
        .merge(super::owner_operations(0))
        .merge(super::admin_operations())
        .into_openapi()
}

pub(super) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/openapi.json", get(json)).route("/openapi.yaml", get(yaml))
}

async fn json() -> Response {
    static TEXT: OnceLock<Result<String, String>> = OnceLock::new();
    serve(
        TEXT.get_or_init(|| document().to_pretty_json().map_err(|error| error.to_string())),
        "application/json",
    )
}

async fn yaml() -> Response {
    static TEXT: OnceLock<Result<String, String>> = OnceLock::new();
    serve(TEXT.get_or_init(|| document().to_yaml().map_err(|error| error.to_string())), "application/yaml")
}

fn serve(text: &'static Result<String, String>, media_type: &'static str) -> Response {
    match text {
        Ok(text) => ([(CONTENT_TYPE, media_type)], text.as_str()).into_response(),
        Err(error) => ApiError::internal(error).into_response(),
    }
}
