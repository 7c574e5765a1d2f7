//! The command line's side of the admin API.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use plimsoll_control::view::StackView;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use crate::{
    operator::DecisionQuery,
    queue::{Act, JobView, LetterPage, LetterQuery, Order, OrderReport},
    secret::Secret,
    wire::{ActionReport, DecisionPage, ErrorShape, LogLines, ReloadReport, RestartRequest, ScaleRequest},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// A rolling restart or a reload may take as long as instances need to start and drain.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Talks to the admin API of a running stack over plain HTTP.
#[derive(Clone, Debug)]
pub struct AdminClient {
    /// `http://host:port`, without a slash at the end.
    base: String,
    token: Option<Secret>,
    http: Client<HttpConnector, Full<Bytes>>,
}

/// Why there is no answer, or not the one hoped for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Not an address of an admin API.
    #[error("`{url}` is not an admin address: {why}")]
    BadUrl {
        /// As given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// Nobody listens there.
    #[error("nothing runs at {url}")]
    NothingRuns {
        /// Where it was looked for.
        url: String,
    },
    /// The token is missing or wrong.
    #[error("{url} wants a token: {message}")]
    Unauthorized {
        /// Whom we asked.
        url: String,
        /// What it said.
        message: String,
    },
    /// No such service, instance or decision.
    #[error("{0}")]
    NotFound(String),
    /// Known, but not now or not like this.
    #[error("{message}")]
    Refused {
        /// What stands in the way.
        message: String,
        /// How to mend it.
        hint: Option<String>,
    },
    /// The request makes no sense, or the stack file has mistakes.
    #[error("{0}")]
    Invalid(String),
    /// It took the connection and then did not answer in time.
    #[error("{url} did not answer within {seconds} s")]
    Timeout {
        /// Whom we asked.
        url: String,
        /// How long we waited.
        seconds: u64,
    },
    /// Something answers there that is not plimsoll, or fails.
    #[error("{url} gave no sensible answer: {why}")]
    Unexpected {
        /// Whom we asked.
        url: String,
        /// What came instead.
        why: String,
    },
}

// === impl AdminClient ===

impl AdminClient {
    /// A client for the admin API at `url`, such as `http://127.0.0.1:8081`. Does not connect yet.
    ///
    /// # Errors
    /// `BadUrl` when it is not `http://host[:port]`.
    pub fn new(url: &str, token: Option<Secret>) -> Result<Self, ClientError> {
        let bad = |why: &str| ClientError::BadUrl { url: url.to_owned(), why: why.to_owned() };
        let uri: Uri = url.parse().map_err(|_| bad("it cannot be read as a URL"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(bad("the admin API speaks plain http")),
            _ => return Err(bad("it must begin with http://")),
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(bad("it must be http://host:port without a path"));
        }
        let authority = uri.authority().ok_or_else(|| bad("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(bad("credentials do not belong in the address"));
        }
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let http = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { base: format!("http://{authority}"), token, http })
    }

    /// The address it asks, for messages.
    pub fn url(&self) -> &str {
        &self.base
    }

    /// The whole stack now.
    ///
    /// # Errors
    /// See [`ClientError`]; so for all methods below.
    pub async fn status(&self) -> Result<StackView, ClientError> {
        self.get("/api/v1/stack").await
    }

    /// Decisions, newest first.
    ///
    /// # Errors
    /// `Unexpected` when `query.limit` is not 1 to 500.
    pub async fn events(&self, query: &DecisionQuery) -> Result<DecisionPage, ClientError> {
        let mut path = format!("/api/v1/decisions?limit={}", query.limit);
        if let Some(service) = &query.service {
            path.push_str("&service=");
            path.push_str(&escape(service));
        }
        if let Some(before) = query.before {
            path.push_str(&format!("&before={before}"));
        }
        self.get(&path).await
    }

    /// The full record of one decision.
    ///
    /// # Errors
    /// `NotFound` when there is no such decision.
    pub async fn why(&self, id: u64) -> Result<serde_json::Value, ClientError> {
        self.get(&format!("/api/v1/decisions/{id}")).await
    }

    /// What the stack carried and decided in the last `since_s` seconds.
    ///
    /// # Errors
    /// `Refused` when its logs cannot be read.
    pub async fn report(&self, since_s: u64) -> Result<serde_json::Value, ClientError> {
        self.get(&format!("/api/v1/report?since_s={since_s}")).await
    }

    /// The last `lines` log lines of an instance, oldest first.
    ///
    /// # Errors
    /// `NotFound` when there is no such instance.
    pub async fn logs(&self, instance: &str, lines: usize) -> Result<Vec<String>, ClientError> {
        let path = format!("/api/v1/instances/{}/logs?lines={lines}", escape(instance));
        self.get::<LogLines>(&path).await.map(|log| log.lines)
    }

    /// Sets the number of instances of a service; says what happens.
    ///
    /// # Errors
    /// `NotFound`, `Refused` or `Invalid` from the operator.
    pub async fn scale(&self, service: &str, replicas: u32) -> Result<String, ClientError> {
        let path = format!("/api/v1/services/{}/scale", escape(service));
        self.post::<ActionReport>(&path, &ScaleRequest { replicas }).await.map(|report| report.message)
    }

    /// Takes one instance out; says what happens.
    ///
    /// # Errors
    /// `NotFound` or `Refused` from the operator.
    pub async fn drain(&self, instance: &str) -> Result<String, ClientError> {
        let path = format!("/api/v1/instances/{}/drain", escape(instance));
        self.post::<ActionReport>(&path, &json!({})).await.map(|report| report.message)
    }

    /// Replaces the instances of a service one after another, or one instance; says what happens.
    ///
    /// # Errors
    /// `NotFound` or `Refused` from the operator.
    pub async fn restart(&self, target: &str) -> Result<String, ClientError> {
        let request = RestartRequest { target: target.to_owned() };
        self.post::<ActionReport>("/api/v1/restart", &request).await.map(|report| report.message)
    }

    /// Has the stack file read again; one sentence a change.
    ///
    /// # Errors
    /// `Invalid` with the diagnostics when the file has mistakes, `Refused` when a change needs a restart.
    pub async fn reload(&self) -> Result<Vec<String>, ClientError> {
        self.post::<ReloadReport>("/api/v1/reload", &json!({})).await.map(|report| report.changes)
    }

    /// Dead letters in the order of their death.
    ///
    /// # Errors
    /// `Refused` when the queue cannot be asked.
    pub async fn dead_letters(&self, query: &LetterQuery) -> Result<LetterPage, ClientError> {
        let mut path = format!("/api/v1/dead-letters?limit={}", query.limit);
        if let Some(queue) = &query.queue {
            path.push_str("&queue=");
            path.push_str(&escape(queue));
        }
        if let Some(after) = query.after {
            path.push_str(&format!("&after={after}"));
        }
        self.get(&path).await
    }

    /// One job and what became of its attempts.
    ///
    /// # Errors
    /// `NotFound` when there is no such job (any more).
    pub async fn job(&self, id: i64) -> Result<JobView, ClientError> {
        self.get(&format!("/api/v1/jobs/{id}")).await
    }

    /// Does something with jobs.
    ///
    /// # Errors
    /// `Invalid` when the order makes no sense, `NotFound` when there is no such queue.
    pub async fn order(&self, act: Act, order: &Order) -> Result<OrderReport, ClientError> {
        self.post(&format!("/api/v1/jobs/{}", act.word()), order).await
    }

    /// Begins the end of the whole stack; says what happens.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn shutdown(&self) -> Result<String, ClientError> {
        self.post::<ActionReport>("/api/v1/shutdown", &json!({})).await.map(|report| report.message)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| self.unexpected(error))?;
        self.ask(Method::POST, path, Bytes::from(body)).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<T, ClientError> {
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, self.exchange(method, path, body)).await;
        let (status, body) = answer.map_err(|_| ClientError::Timeout {
            url: self.base.clone(),
            seconds: ANSWER_TIMEOUT.as_secs(),
        })??;
        if !status.is_success() {
            return Err(self.refusal(status, &body));
        }
        serde_json::from_slice(&body).map_err(|error| self.unexpected(error))
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.expose()));
        }
        let request = request.body(Full::new(body)).map_err(|error| self.unexpected(error))?;
        let response = self.http.request(request).await.map_err(|error| {
            if error.is_connect() {
                return ClientError::NothingRuns { url: self.base.clone() };
            }
            self.unexpected(error)
        })?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
        body.map(|body| (status, body.to_bytes())).map_err(|error| self.unexpected(error))
    }

    fn refusal(&self, status: StatusCode, body: &[u8]) -> ClientError {
        let Ok(ErrorShape { error }) = serde_json::from_slice(body) else {
            return self.unexpected(format!("status {status}"));
        };
        let hint = error.details.get("hint").and_then(|hint| hint.as_str()).map(str::to_owned);
        match status {
            StatusCode::UNAUTHORIZED => {
                ClientError::Unauthorized { url: self.base.clone(), message: error.message }
            }
            StatusCode::NOT_FOUND => ClientError::NotFound(error.message),
            StatusCode::CONFLICT => ClientError::Refused { message: error.message, hint },
            StatusCode::UNPROCESSABLE_ENTITY => ClientError::Invalid(error.message),
            _ => self.unexpected(format!("{status}: {}", error.message)),
        }
    }

    fn unexpected(&self, why: impl std::fmt::Display) -> ClientError {
        ClientError::Unexpected { url: self.base.clone(), why: why.to_string() }
    }
}

/// Percent-encodes everything but the unreserved characters of RFC 3986, so that a name stays one segment.
fn escape(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
