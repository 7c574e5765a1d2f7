//! `/healthz`: this process is alive. `/readyz`: it can serve now. The first depends on nothing, or a slow database
//! would have every instance restarted; the second on what this role needs.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::future::BoxFuture;
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

/// Longest a readiness check may take before it counts as failed.
pub const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// One thing that must work before this instance can serve: Ok, or one sentence on what is wrong.
pub type Check = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// Something worth knowing that readiness does not depend on: one sentence.
pub type Note = Arc<dyn Fn() -> String + Send + Sync>;

/// Who this process is and what it needs.
#[derive(Clone)]
pub struct Health {
    identity: Identity,
    draining: CancellationToken,
    checks: Arc<[(&'static str, Check)]>,
    notes: Arc<[(&'static str, Note)]>,
}

/// Which instance of which service answered: ten calls through a balancer show how they spread.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Identity {
    /// The instance, e.g. `api-3`; numbers are never reused.
    pub instance: String,
    /// The service it belongs to, e.g. `api`.
    pub service: String,
    /// Version of the program.
    #[schema(value_type = String)]
    pub version: &'static str,
}

/// Body of `/healthz`.
#[derive(Debug, Serialize, ToSchema)]
pub struct Alive {
    /// Always `alive`.
    #[schema(value_type = String, example = "alive")]
    pub status: &'static str,
    /// Who answered.
    #[serde(flatten)]
    pub identity: Identity,
}

/// Body of `/readyz`.
#[derive(Debug, Serialize, ToSchema)]
pub struct Ready {
    /// `ready`, `draining` or `unready`.
    #[schema(value_type = String, example = "ready")]
    pub status: &'static str,
    /// Who answered.
    #[serde(flatten)]
    pub identity: Identity,
    /// One line per dependency.
    pub checks: Vec<CheckResult>,
    /// What this instance uses but can do without.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<NoteView>,
}

/// How something stands that this instance can do without.
#[derive(Debug, Serialize, ToSchema)]
pub struct NoteView {
    /// What, e.g. `qdrant`.
    #[schema(value_type = String)]
    pub name: &'static str,
    /// How it stands.
    pub message: String,
}

/// The state of one dependency.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckResult {
    /// The dependency, e.g. `database`.
    #[schema(value_type = String)]
    pub name: &'static str,
    /// Whether it works.
    pub ok: bool,
    /// What is wrong, when it does not.
    pub message: Option<String>,
}

// === impl Identity ===

impl Identity {
    /// From `PLIMSOLL_INSTANCE` and `PLIMSOLL_SERVICE`; without them from the process id and the given service name.
    #[must_use]
    pub fn new(
        instance: Option<String>,
        service: Option<String>,
        default: &str,
        version: &'static str,
    ) -> Self {
        let service = service.unwrap_or_else(|| default.to_owned());
        let instance = instance.unwrap_or_else(|| format!("{service}-pid{}", std::process::id()));
        Self { instance, service, version }
    }
}

// === impl Health ===

impl Health {
    /// Ready while every check passes and `draining` is not cancelled.
    #[must_use]
    pub fn new(identity: Identity, draining: CancellationToken, checks: Vec<(&'static str, Check)>) -> Self {
        Self { identity, draining, checks: checks.into(), notes: Arc::new([]) }
    }

    /// Says these things in `/readyz` as well.
    #[must_use]
    pub fn notes(mut self, notes: Vec<(&'static str, Note)>) -> Self {
        self.notes = notes.into();
        self
    }

    /// The two routes.
    pub fn router<S: Clone + Send + Sync + 'static>(self) -> axum::Router<S> {
        axum::Router::new()
            .route("/healthz", get(healthz))
            .route("/health", get(healthz))
            .route("/readyz", get(readyz))
            .with_state(self)
    }

    /// What `/healthz` says.
    #[must_use]
    pub fn alive(&self) -> Alive {
        Alive { status: "alive", identity: self.identity.clone() }
    }

    /// What `/readyz` says now.
    pub async fn ready(&self) -> Ready {
        let mut checks = Vec::with_capacity(self.checks.len());
        for (name, check) in self.checks.iter() {
            let outcome = tokio::time::timeout(CHECK_TIMEOUT, check())
                .await
                .unwrap_or_else(|_| Err(format!("no answer in {} s", CHECK_TIMEOUT.as_secs())));
            checks.push(CheckResult { name, ok: outcome.is_ok(), message: outcome.err() });
        }
        let status = if self.draining.is_cancelled() {
            "draining"
        } else if checks.iter().all(|check| check.ok) {
            "ready"
        } else {
            "unready"
        };
        let notes = self.notes.iter().map(|(name, note)| NoteView { name, message: note() }).collect();
        Ready { status, identity: self.identity.clone(), checks, notes }
    }
}

/// Alive
///
/// This process runs. Depends on nothing.
#[utoipa::path(
    get, path = "/healthz", tag = "health", operation_id = "healthz",
    responses((status = 200, description = "Alive", body = Alive)),
    security(()),
)]
pub async fn healthz(State(health): State<Health>) -> Response {
    uncached((StatusCode::OK, Json(health.alive())).into_response())
}

/// Ready to serve
///
/// What this instance needs works, and it is not being stopped.
#[utoipa::path(
    get, path = "/readyz", tag = "health", operation_id = "readyz",
    responses(
        (status = 200, description = "Ready", body = Ready),
        (status = 503, description = "Not ready, or being stopped; `checks` says what is wrong", body = Ready),
    ),
    security(()),
)]
pub async fn readyz(State(health): State<Health>) -> Response {
    let ready = health.ready().await;
    let status = if ready.status == "ready" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    uncached((status, Json(ready)).into_response())
}

fn uncached(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
