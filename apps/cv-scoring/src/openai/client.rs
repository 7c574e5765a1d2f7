//! One step of the chain over HTTP: a request, its one layer of retries, and the provider's own words for failure.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use plimsoll_balance::{BudgetPolicy, RetryBudget};
use reqwest::header::RETRY_AFTER;
use reqwest::{Response, StatusCode};
use tokio_util::sync::CancellationToken;

use super::config::OpenAiConfig;
use super::retry_after;
use super::wire::{Ask, Choice, Completion, Dialect, Learned, Usage, Vectors};
use crate::text::shorten;
use crate::{ConfigError, ScoreError};

/// Sends requests to one endpoint. Holds what all cases share: connections, the dialect and the retry budget.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    chat_url: reqwest::Url,
    embeddings_url: reqwest::Url,
    config: OpenAiConfig,
    dialect: Learned,
    budget: Mutex<RetryBudget>,
    epoch: Instant,
}

/// What the calls of one case took.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) calls: u32,
    pub(crate) retries: u32,
    pub(crate) repairs: u32,
    pub(crate) prompt_tokens: Option<u64>,
    pub(crate) completion_tokens: Option<u64>,
    pub(crate) model: Option<String>,
}

/// Until when a case may work, and who may stop it.
#[derive(Clone, Copy)]
pub(crate) struct Bounds<'a> {
    pub(crate) deadline: Instant,
    pub(crate) cancel: &'a CancellationToken,
}

/// Largest answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// Longest message of a provider that is passed on, in characters.
const MAX_MESSAGE_CHARS: usize = 200;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// One retry for five requests, and a few more so that a quiet scorer can retry at all.
const BUDGET: BudgetPolicy =
    BudgetPolicy { percent: 20, min_per_s: 1, reserve: Duration::from_secs(10), max_saved: 100 };

/// One request of either kind.
#[derive(Clone, Copy)]
enum Call<'a> {
    Chat(&'a Ask<'a>),
    Embeddings(&'a [&'a str]),
}

/// Its answer.
enum Answered {
    Chat(Choice),
    Embeddings(Vec<Vec<f32>>),
}

/// How one request failed.
enum Failure {
    /// The case is lost or goes back to the queue.
    Final(ScoreError),
    /// Another request may do better, after this long if the provider said.
    Transient(ScoreError, Option<Duration>),
    /// The provider does not take an optional field: ask again without it.
    Dialect,
}

// === impl Client ===

impl Client {
    pub(crate) fn new(config: OpenAiConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let wrong = |setting, why: String| ConfigError { setting, why };
        let base = config.base_url.trim_end_matches('/');
        let address = |path: &str| {
            reqwest::Url::parse(&format!("{base}/{path}"))
                .map_err(|error| wrong("base_url", format!("is no address: {error}")))
        };
        let (url, embeddings_url) = (address("chat/completions")?, address("embeddings")?);
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(wrong("base_url", "must begin with http:// or https:// and name a host".to_owned()));
        }
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(wrong("tls", "the program must install a rustls crypto provider first".to_owned()));
        }
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            // The key must not follow a redirect, and retries happen in one place: below.
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never());
        if matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]")) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| wrong("tls", error.to_string()))?;
        let dialect = Learned::new(Dialect::new(config.json_schema));
        let budget = Mutex::new(RetryBudget::new(BUDGET, Duration::ZERO));
        Ok(Self { http, chat_url: url, embeddings_url, config, dialect, budget, epoch: Instant::now() })
    }

    pub(crate) fn config(&self) -> &OpenAiConfig {
        &self.config
    }

    /// Asks until there is an answer, the attempts or the budget are used up, or the time is over.
    pub(crate) async fn ask(
        &self,
        ask: &Ask<'_>,
        bounds: Bounds<'_>,
        tally: &mut Tally,
    ) -> Result<Choice, ScoreError> {
        match self.call(Call::Chat(ask), bounds, tally).await? {
            Answered::Chat(choice) => Ok(choice),
            Answered::Embeddings(_) => Err(ScoreError::Internal { why: "vectors for a question".to_owned() }),
        }
    }

    /// The vectors of these texts, in their order, patient in the same way.
    pub(crate) async fn embed(
        &self,
        texts: &[&str],
        bounds: Bounds<'_>,
        tally: &mut Tally,
    ) -> Result<Vec<Vec<f32>>, ScoreError> {
        match self.call(Call::Embeddings(texts), bounds, tally).await? {
            Answered::Embeddings(vectors) => Ok(vectors),
            Answered::Chat(_) => Err(ScoreError::Internal { why: "words for vectors".to_owned() }),
        }
    }

    async fn call(
        &self,
        call: Call<'_>,
        bounds: Bounds<'_>,
        tally: &mut Tally,
    ) -> Result<Answered, ScoreError> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner).deposit();
        let mut attempt = 1;
        loop {
            tally.calls += 1;
            let (error, asked_wait) = match self.once(call, bounds, tally).await {
                Ok(choice) => return Ok(choice),
                Err(Failure::Dialect) => continue,
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Transient(error, wait)) => (error, wait),
            };
            let wait = asked_wait.unwrap_or_else(|| self.backoff(attempt));
            let left = bounds.deadline.saturating_duration_since(Instant::now());
            if attempt >= self.config.max_attempts || wait > self.config.max_retry_wait || wait >= left {
                return Err(error);
            }
            let affordable =
                self.budget.lock().unwrap_or_else(PoisonError::into_inner).try_withdraw(self.epoch.elapsed());
            if !affordable {
                tracing::warn!(%error, "the retry budget for the model provider is used up");
                return Err(error);
            }
            tracing::debug!(%error, attempt, wait_ms = wait.as_millis(), "asking the model provider again");
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = bounds.cancel.cancelled() => return Err(ScoreError::Cancelled),
            }
            attempt += 1;
            tally.retries += 1;
        }
    }

    /// Full jitter: evenly from zero to a bound that doubles with each attempt.
    fn backoff(&self, attempt: u32) -> Duration {
        let bound = self.config.first_retry_wait.saturating_mul(2_u32.saturating_pow(attempt - 1));
        bound.min(self.config.max_retry_wait).mul_f64(rand::random_range(0.0..1.0))
    }

    async fn once(&self, call: Call<'_>, bounds: Bounds<'_>, tally: &mut Tally) -> Result<Answered, Failure> {
        let left = bounds.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Failure::Final(ScoreError::DeadlineExceeded));
        }
        let limit = left.min(self.config.call_timeout);
        let dialect = self.dialect.get();
        let exchange = match call {
            Call::Chat(ask) => self.exchange(&self.chat_url, dialect.body(ask)),
            Call::Embeddings(texts) => {
                let body = serde_json::json!({ "model": self.config.model, "input": texts });
                self.exchange(&self.embeddings_url, body)
            }
        };
        let (status, wait, body) = tokio::select! {
            done = tokio::time::timeout(limit, exchange) => match done {
                Ok(answered) => answered?,
                Err(_elapsed) if limit < self.config.call_timeout => return Err(Failure::Final(ScoreError::DeadlineExceeded)),
                Err(_elapsed) => {
                    let waited_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
                    return Err(Failure::Transient(ScoreError::UpstreamTimeout { waited_ms }, None));
                }
            },
            () = bounds.cancel.cancelled() => return Err(Failure::Final(ScoreError::Cancelled)),
        };
        if status.is_success() {
            return match call {
                Call::Chat(_) => self.read(&body, tally).map(Answered::Chat),
                Call::Embeddings(texts) => read_vectors(&body, texts.len(), tally).map(Answered::Embeddings),
            };
        }
        Err(self.explain(status, wait, &body, dialect))
    }

    async fn exchange(
        &self,
        url: &reqwest::Url,
        body: serde_json::Value,
    ) -> Result<(StatusCode, Option<Duration>, Vec<u8>), Failure> {
        let mut request = self.http.post(url.clone()).json(&body);
        if let Some(key) = &self.config.api_key {
            request = request.bearer_auth(key.expose());
        }
        let mut response = request.send().await.map_err(|error| unreachable_provider(&error))?;
        let status = response.status();
        let wait = retry_after_of(&response);
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| unreachable_provider(&error))? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(unavailable(format!("its answer is longer than {MAX_ANSWER_BYTES} bytes"), None));
            }
            body.extend_from_slice(&chunk);
        }
        Ok((status, wait, body))
    }

    fn read(&self, body: &[u8], tally: &mut Tally) -> Result<Choice, Failure> {
        let completion: Completion = serde_json::from_slice(body)
            .map_err(|error| unavailable(format!("its answer is no chat completion: {error}"), None))?;
        tally.add(completion.usage.unwrap_or_default());
        tally.model = completion.model.or_else(|| tally.model.take());
        completion
            .choices
            .into_iter()
            .next()
            .ok_or_else(|| unavailable("its answer holds no choice".to_owned(), None))
    }

    fn explain(&self, status: StatusCode, wait: Option<Duration>, body: &[u8], dialect: Dialect) -> Failure {
        let message = message_of(body);
        let code = status.as_u16();
        match code {
            401 | 403 => Failure::Final(ScoreError::UpstreamAuth { status: code }),
            // Also sent when the account has no money left, which waiting does not cure.
            429 if message.contains("insufficient_quota") => {
                Failure::Final(ScoreError::UpstreamAuth { status: code })
            }
            429 => Failure::Transient(ScoreError::UpstreamRateLimit { retry_after: wait }, wait),
            408 | 425 | 500..=599 => unavailable(format!("status {code}"), wait),
            400 | 422 if self.dialect.learn(dialect, &message) => Failure::Dialect,
            _ => {
                let why = shorten(&message, MAX_MESSAGE_CHARS);
                Failure::Final(ScoreError::UpstreamRejected { status: code, why })
            }
        }
    }
}

/// One vector for each text, whatever order they came in; all numbers finite.
fn read_vectors(body: &[u8], texts: usize, tally: &mut Tally) -> Result<Vec<Vec<f32>>, Failure> {
    let answer: Vectors = serde_json::from_slice(body)
        .map_err(|error| unavailable(format!("its answer holds no embeddings: {error}"), None))?;
    tally.add(answer.usage.unwrap_or_default());
    let mut vectors = vec![Vec::new(); texts];
    for item in answer.data {
        let sane = !item.embedding.is_empty() && item.embedding.iter().all(|number| number.is_finite());
        if let Some(place) = vectors.get_mut(item.index).filter(|_| sane) {
            *place = item.embedding;
        }
    }
    if vectors.iter().any(Vec::is_empty) {
        return Err(unavailable(format!("it embedded not all of {texts} texts"), None));
    }
    Ok(vectors)
}

fn unavailable(why: String, wait: Option<Duration>) -> Failure {
    Failure::Transient(ScoreError::UpstreamUnavailable { why, retry_after: wait }, wait)
}

fn unreachable_provider(error: &reqwest::Error) -> Failure {
    let what = if error.is_connect() {
        "no connection"
    } else if error.is_timeout() {
        "no connection in time"
    } else if error.is_body() || error.is_decode() {
        "its answer broke off"
    } else {
        "the request failed"
    };
    unavailable(what.to_owned(), None)
}

fn retry_after_of(response: &Response) -> Option<Duration> {
    let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    retry_after::parse(value, Timestamp::now())
}

/// `{"error": {"message", "code"}}` as text, or the body itself, bounded.
fn message_of(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4096)]).into_owned();
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(body) else { return text };
    let part = |name: &str| value["error"][name].as_str().unwrap_or_default().to_owned();
    let message = [part("code"), part("message")].join(" ").trim().to_owned();
    if message.is_empty() { text } else { message }
}

// === impl Tally ===

impl Tally {
    fn add(&mut self, usage: Usage) {
        let sum = |total: Option<u64>, more: Option<u64>| match (total, more) {
            (None, None) => None,
            (total, more) => Some(total.unwrap_or(0).saturating_add(more.unwrap_or(0))),
        };
        self.prompt_tokens = sum(self.prompt_tokens, usage.prompt_tokens);
        self.completion_tokens = sum(self.completion_tokens, usage.completion_tokens);
    }
}
