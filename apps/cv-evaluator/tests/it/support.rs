//! A server and workers of one test, on sockets and a database of their own.

use std::net::SocketAddr;
use std::time::Duration;

use app_kit::settings::Settings;
use cv_evaluator::serve;
use cv_evaluator::settings::{ServeSettings, WorkSettings};
use cv_evaluator::store::Store;
use cv_evaluator::work;
use plimsoll_jobs::{Jobs, JobsOptions};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_cv-evaluator");
/// How long a condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whether these tests were built to run on Postgres: `tests/postgres.rs` holds the same ones as `tests/it`.
const POSTGRES: bool = matches!(env!("CARGO_CRATE_NAME").as_bytes(), b"postgres");

/// A database, and what runs on it.
pub(crate) struct Stack {
    /// Where the database is, if it is a file.
    pub(crate) directory: TempDir,
    pub(crate) url: String,
    pub(crate) address: SocketAddr,
    pub(crate) http: Client,
    pub(crate) store: Store,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

/// A worker in this process.
pub(crate) struct RunningWorker {
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<plimsoll_jobs::WorkerReport>,
}

// === impl Stack ===

impl Stack {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With these settings; limits are high unless set.
    pub(crate) async fn with(variables: &[(&str, &str)]) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let directory = tempfile::tempdir().unwrap();
        let url = database(&directory).await;
        let defaults =
            [("PORT", "0"), ("RATE_LIMIT_PER_MIN", "100000"), ("PLIMSOLL_QUEUE_URL", url.as_str())];
        let settings = ServeSettings::read(environment(&defaults, variables)).unwrap();
        let stop = CancellationToken::new();
        let (ready, address) = oneshot::channel();
        let serving = serve::serve(settings, stop.clone(), move |address| ready.send(address).unwrap());
        let server = tokio::spawn(async move {
            serving.await.unwrap();
        });
        let address = address.await.unwrap();
        let store = Store::open(Jobs::open(&url, JobsOptions::default()).await.unwrap()).await.unwrap();
        let http =
            Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { directory, url, address, http, store, stop, server }
    }

    /// A worker on the same database.
    pub(crate) async fn worker(&self, variables: &[(&str, &str)]) -> RunningWorker {
        self.worker_of(PROGRAM, variables).await
    }

    /// A worker that starts this program to read documents.
    pub(crate) async fn worker_of(&self, program: &str, variables: &[(&str, &str)]) -> RunningWorker {
        let defaults = [("PORT", "0"), ("PLIMSOLL_DRAIN_S", "5"), ("PLIMSOLL_QUEUE_URL", self.url.as_str())];
        let settings = WorkSettings::read(environment(&defaults, variables)).unwrap();
        let stop = CancellationToken::new();
        let (ready, address) = oneshot::channel();
        let working = work::work(settings, Some(program.into()), stop.clone(), move |address| {
            ready.send(address).unwrap()
        });
        let task = tokio::spawn(async move { working.await.unwrap() });
        RunningWorker { address: address.await.unwrap(), stop, task }
    }

    pub(crate) fn on_postgres(&self) -> bool {
        self.url.starts_with("postgres:")
    }

    /// Runs statements in one transaction, past the application.
    pub(crate) async fn sql(&self, statements: &[&'static str]) {
        let mut tx = self.store.jobs().begin().await.unwrap();
        for sql in statements {
            if self.on_postgres() {
                sqlx::raw_sql(*sql).execute(tx.postgres().unwrap()).await.unwrap();
            } else {
                sqlx::raw_sql(*sql).execute(tx.sqlite().unwrap()).await.unwrap();
            }
        }
        tx.commit().await.unwrap();
    }

    /// The one number that the statement answers.
    pub(crate) async fn number(&self, sql: &'static str) -> i64 {
        let jobs = self.store.jobs();
        if self.on_postgres() {
            sqlx::query_scalar(sql).fetch_one(jobs.postgres().unwrap()).await.unwrap()
        } else {
            sqlx::query_scalar(sql).fetch_one(jobs.sqlite().unwrap()).await.unwrap()
        }
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(format!("http://{}{path}", self.address))
    }

    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.http.post(format!("http://{}{path}", self.address))
    }

    pub(crate) fn delete(&self, path: &str) -> RequestBuilder {
        self.http.delete(format!("http://{}{path}", self.address))
    }

    /// Uploads two texts; answers the body for an evaluation of them.
    pub(crate) async fn upload_texts(&self) -> Value {
        let form = Form::new().file("cv", "cv.txt", CV.as_bytes()).file(
            "project",
            "project.txt",
            PROJECT.as_bytes(),
        );
        let response = form.send(self.post("/v1/upload")).await;
        assert_eq!(response.status(), 200);
        response.json().await.unwrap()
    }

    /// Asks for an evaluation; answers its id.
    pub(crate) async fn evaluate(&self, body: &Value) -> String {
        let response = self.post("/v1/evaluate").json(body).send().await.unwrap();
        assert_eq!(response.status(), 202);
        text(&response.json::<Value>().await.unwrap(), "id")
    }

    /// Polls until the evaluation is finished.
    pub(crate) async fn finished(&self, id: &str) -> Value {
        let path = format!("/v1/result/{id}");
        eventually(async || {
            let body: Value = self.get(&path).send().await.unwrap().json().await.unwrap();
            let status = text(&body, "status");
            (status == "completed" || status == "failed").then_some(body)
        })
        .await
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.server.await.unwrap();
    }
}

// === impl RunningWorker ===

impl RunningWorker {
    pub(crate) async fn stop(self) -> plimsoll_jobs::WorkerReport {
        self.stop.cancel();
        self.task.await.unwrap()
    }
}

/// A multipart form written by hand, so that it can also be wrong.
pub(crate) struct Form {
    pub(crate) body: Vec<u8>,
}

pub(crate) const BOUNDARY: &str = "----a-boundary-of-the-tests";

// === impl Form ===

impl Form {
    pub(crate) fn new() -> Self {
        Self { body: Vec::new() }
    }

    pub(crate) fn file(mut self, field: &str, name: &str, bytes: &[u8]) -> Self {
        let head = format!(
            "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\n\
             content-type: application/octet-stream\r\n\r\n"
        );
        self.body.extend_from_slice(head.as_bytes());
        self.body.extend_from_slice(bytes);
        self.body.extend_from_slice(b"\r\n");
        self
    }

    pub(crate) async fn send(mut self, request: RequestBuilder) -> Response {
        self.body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        self.send_unfinished(request).await
    }

    pub(crate) async fn send_unfinished(self, request: RequestBuilder) -> Response {
        let media_type = format!("multipart/form-data; boundary={BOUNDARY}");
        request.header("content-type", media_type).body(self.body).send().await.unwrap()
    }
}

/// Waits until the condition gives a value, asking again and again for at most [`PATIENCE`].
pub(crate) async fn eventually<T>(mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let found = async {
        loop {
            ticks.tick().await;
            if let Some(value) = condition().await {
                return value;
            }
        }
    };
    tokio::time::timeout(PATIENCE, found).await.expect("the condition did not come true in time")
}

/// The error of a response, after checking its shape.
pub(crate) async fn error_of(response: Response, status: u16, code: &str) -> Value {
    assert_eq!(response.status().as_u16(), status);
    assert!(response.headers().contains_key("x-request-id"));
    assert_eq!(response.headers()["content-type"], "application/json");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"]["code"], json!(code), "{body}");
    assert!(!text(&body["error"], "message").is_empty());
    body["error"].clone()
}

pub(crate) fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}")).to_owned()
}

pub(crate) fn environment(defaults: &[(&str, &str)], variables: &[(&str, &str)]) -> Settings {
    let all = defaults.iter().chain(variables);
    Settings::new(all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

/// The address of a new database: a file in the directory, or one of the tests' own Postgres.
pub(crate) async fn database(directory: &TempDir) -> String {
    if POSTGRES && let Some(server) = plimsoll_test_postgres::server(false) {
        return server.database().await;
    }
    // Also for `tests/postgres.rs` when `PLIMSOLL_SKIP_POSTGRES` is set: the same tests once more.
    format!("sqlite://{}", directory.path().join("queue.db").display())
}

pub(crate) const CV: &str = "Mira Okafor\nBackend engineer, 6 years of experience.\n\
    Skills: Rust, Python, PostgreSQL, Redis, REST APIs, message queues, Docker, Kubernetes, LLM integration, RAG.\n\
    Led a team of four and cut the p95 latency of the payments API by 45 %.\n\
    Mentored juniors, wrote the on-call handbook and ran the weekly architecture review.\n";

pub(crate) const PROJECT: &str = "Project report: CV evaluation service\n\
    The service scores CVs with a chain of three LLM prompts and a vector store for retrieval (RAG).\n\
    Long jobs run in a queue with retries, exponential backoff and timeouts; failures are logged and reported.\n\
    Unit and integration tests cover the API; the README explains set-up and trade-offs.\n";
