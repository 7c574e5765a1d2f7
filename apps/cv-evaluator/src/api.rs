//! The HTTP API. Every handler is documented where it is written; the OpenAPI document is made from those words.

pub mod auth;
mod erase;
pub mod errors;
mod evaluate;
mod result;
mod upload;
mod views;

mod admin;
mod docs;

use std::sync::Arc;
use std::time::Duration;

use app_kit::client::ClientAddr;
use app_kit::health::Health;
use app_kit::metrics::HttpMetrics;
use app_kit::rate_limit::RateLimit;
use app_kit::{ApiError, Code, accept, client, metrics, request_id, security};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::HeaderValue;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use plimsoll_balance::Quota;
use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;
use tower_http::cors::{AllowOrigin, CorsLayer};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::admin::TokenKeys;
use crate::metrics::ServeMetrics;
use crate::settings::ServeSettings;
use crate::store::{Intake, Store};

pub use docs::document;
pub(crate) use evaluate::from_job;
pub use views::receipt_json;

/// Largest JSON body, bytes.
const MAX_JSON_BYTES: usize = 1024 * 1024;
/// Longest a request other than an upload may take; an upload has limits of its own.
const REQUEST_DEADLINE: Duration = Duration::from_secs(30);
/// Logins checked at once; each takes 64 MiB.
const LOGINS_AT_ONCE: usize = 2;

/// What handlers share.
#[derive(Debug)]
pub struct App {
    settings: ServeSettings,
    store: Store,
    intake: Intake,
    metrics: ServeMetrics,
    by_address: RateLimit<std::net::IpAddr>,
    by_owner: RateLimit<String>,
    logins: RateLimit<std::net::IpAddr>,
    login_slots: Arc<Semaphore>,
    tokens: Option<TokenKeys>,
}

/// The state of the router.
pub type Shared = Arc<App>;

// === impl App ===

impl App {
    /// Everything from settings and store; starts the task that takes evaluations on.
    #[must_use]
    pub fn new(settings: ServeSettings, store: Store, metrics: ServeMetrics) -> Self {
        let per_minute = settings.rate_limit_per_min;
        let minute = Duration::from_secs(60);
        Self {
            intake: Intake::start(store.clone()),
            store,
            metrics,
            // As many at once as in a whole minute: a recruiter uploads a batch, then reads for a while.
            by_address: RateLimit::new(Quota::new(per_minute, minute, per_minute)),
            by_owner: RateLimit::new(Quota::new(per_minute, minute, per_minute)),
            logins: RateLimit::new(Quota::new(10, minute, 5)),
            login_slots: Arc::new(Semaphore::new(LOGINS_AT_ONCE)),
            tokens: settings.admin.as_ref().map(|admin| TokenKeys::new(&admin.secret, admin.token_ttl)),
            settings,
        }
    }

    /// Counts a request that costs something against its address, before anybody is asked for a key.
    fn limit_address(&self, client: ClientAddr) -> Result<(), ApiError> {
        self.by_address.check(client.limit_key())
    }

    /// Counts it against its key, once the key is known to be good.
    fn limit_owner(&self, owner: &auth::Owner) -> Result<(), ApiError> {
        if owner.is_anonymous() { Ok(()) } else { self.by_owner.check(owner.as_str().to_owned()) }
    }
}

/// All routes with all their layers.
pub fn router(app: Shared, health: Health, http: HttpMetrics, registry: Arc<Registry>) -> Router {
    let proxies = app.settings.common.proxies.clone();
    let cors = cors(&app.settings.cors_origins);
    let (api, _document) = operations(&app).split_for_parts();
    api.with_state(app)
        .merge(health.router())
        .merge(metrics::router(registry))
        .merge(docs::router())
        .fallback(app_kit::error::not_found)
        .method_not_allowed_fallback(app_kit::error::method_not_allowed)
        .layer(cors)
        .layer(from_fn_with_state(proxies, client::layer))
        .layer(from_fn_with_state(http, metrics::layer))
        .layer(from_fn(security::layer))
        .layer(from_fn(request_id::layer))
}

/// The documented operations. The router and the document come from the same list, so neither can lack what the
/// other has.
fn operations(app: &App) -> OpenApiRouter<Shared> {
    // Both files, their part headers and some room.
    let upload_limit = usize::try_from(app.settings.max_upload_bytes * 2 + 64 * 1024).unwrap_or(usize::MAX);
    let router = owner_operations(upload_limit);
    if app.tokens.is_some() { router.merge(admin_operations()) } else { router }
}

fn owner_operations(upload_limit: usize) -> OpenApiRouter<Shared> {
    let upload =
        OpenApiRouter::new().routes(routes!(upload::upload)).layer(DefaultBodyLimit::max(upload_limit));
    OpenApiRouter::new()
        .routes(routes!(evaluate::evaluate))
        .routes(routes!(result::result, erase::erase_result))
        .routes(routes!(erase::erase_me))
        .layer(from_fn(deadline))
        .layer(DefaultBodyLimit::max(MAX_JSON_BYTES))
        .merge(upload)
        .layer(from_fn(accept::json_only))
}

fn admin_operations() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(admin::token))
        .routes(routes!(admin::status))
        .routes(routes!(admin::stats))
        .routes(routes!(admin::jobs))
        .routes(routes!(admin::job, erase::admin_erase_job))
        .routes(routes!(admin::requeue))
        .routes(routes!(erase::admin_erase))
        .layer(from_fn(deadline))
        .layer(DefaultBodyLimit::max(MAX_JSON_BYTES))
        .layer(from_fn(accept::json_only))
}

/// Gives a handler its time and no more. The answer's body may stream on afterwards (W35).
async fn deadline(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_DEADLINE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::new(Code::DEADLINE_EXCEEDED, "the request took too long").into_response(),
    }
}

/// Never with credentials: keys travel in a header that a page has to set on purpose (W26).
fn cors(origins: &[String]) -> CorsLayer {
    let layer = CorsLayer::new()
        .allow_methods([http::Method::GET, http::Method::POST, http::Method::DELETE])
        .allow_headers([
            http::header::AUTHORIZATION,
            http::header::CONTENT_TYPE,
            http::header::IF_NONE_MATCH,
            http::HeaderName::from_static("idempotency-key"),
            http::HeaderName::from_static("x-api-key"),
        ])
        .expose_headers([http::header::ETAG, http::header::RETRY_AFTER, request_id::X_REQUEST_ID])
        .max_age(Duration::from_secs(300));
    if origins.iter().any(|origin| origin == "*") {
        return layer.allow_origin(AllowOrigin::any());
    }
    layer.allow_origin(AllowOrigin::list(
        origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()),
    ))
}
