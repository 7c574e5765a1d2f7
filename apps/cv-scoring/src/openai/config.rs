//! Settings of the model endpoint.

use std::fmt;
use std::time::Duration;

use crate::ConfigError;

/// Where the model is and how patient to be with it.
#[derive(Clone, Debug)]
pub struct OpenAiConfig {
    /// Base address up to and including the version, such as `https://api.openai.com/v1`.
    pub base_url: String,
    /// Sent as a bearer token; none for servers that need no key.
    pub api_key: Option<ApiKey>,
    /// Model name, as the provider knows it.
    pub model: String,
    /// Longest wait for one answer.
    pub call_timeout: Duration,
    /// Most times one step is asked when the provider fails, the first included.
    pub max_attempts: u32,
    /// Upper bound of the pause before the first retry; it doubles with each one. Pauses are drawn evenly from zero to
    /// the bound (full jitter).
    pub first_retry_wait: Duration,
    /// Longest pause before a retry. When the provider asks for a longer one, the case goes back to the queue
    /// ([`Class::RetryAfter`](crate::Class::RetryAfter)) instead of keeping a worker waiting.
    pub max_retry_wait: Duration,
    /// Whether to send `response_format` with a JSON schema. A provider that refuses it is asked again with less.
    pub json_schema: bool,
    /// Sampling temperature, 0..=2.
    pub temperature: f64,
    /// Most tokens of one answer.
    pub max_completion_tokens: u32,
    /// Most characters of each document that are sent; the rest is cut off, and the receipt says so.
    pub max_document_chars: usize,
    /// Job descriptions, briefs and rubrics longer than this, in characters, are not sent whole: of their passages
    /// those are sent that have most to do with the document.
    pub max_reference_chars: usize,
    /// Finds passages by meaning; without it they are found by their words.
    pub embeddings: Option<EmbeddingsConfig>,
}

/// Settings of the endpoint for embeddings.
#[derive(Clone, Debug)]
pub struct EmbeddingsConfig {
    /// Base address up to and including the version.
    pub base_url: String,
    /// Sent as a bearer token.
    pub api_key: Option<ApiKey>,
    /// Model name, as the provider knows it. It decides the dimension.
    pub model: String,
    /// Vectors kept in memory.
    pub cache_entries: usize,
    /// How long a vector is kept.
    pub cache_ttl: Duration,
    /// Keeps and searches the vectors of passages; without it that is done in memory.
    pub qdrant: Option<QdrantConfig>,
}

/// Where the vectors of passages are kept and searched.
#[derive(Clone, Debug)]
pub struct QdrantConfig {
    /// Base address, such as `http://localhost:6333`.
    pub url: String,
    /// Sent as `api-key`.
    pub api_key: Option<ApiKey>,
    /// Name of the collection. It is made when it is absent, for the dimension of the embedding model.
    pub collection: String,
    /// Longest wait for one answer.
    pub timeout: Duration,
}

/// A secret that never shows itself in logs.
#[derive(Clone)]
pub struct ApiKey(String);

// === impl OpenAiConfig ===

impl OpenAiConfig {
    /// Settings for `model` at `base_url` with the defaults: 60 s per call, 3 attempts, pauses of 0.5 s to 10 s, JSON schema,
    /// temperature 0.2, 2048 tokens, 60 000 characters per document,
    /// reference texts whole up to 4000 characters, no embeddings.
    pub fn new(base_url: impl Into<String>, api_key: Option<ApiKey>, model: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            api_key,
            model: model.into(),
            call_timeout: Duration::from_secs(60),
            max_attempts: 3,
            first_retry_wait: Duration::from_millis(500),
            max_retry_wait: Duration::from_secs(10),
            json_schema: true,
            temperature: 0.2,
            max_completion_tokens: 2048,
            max_document_chars: 60_000,
            max_reference_chars: 4000,
            embeddings: None,
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let wrong = |setting, why: &str| Err(ConfigError { setting, why: why.to_owned() });
        if self.model.trim().is_empty() {
            return wrong("model", "must be named");
        }
        if self.call_timeout.is_zero() {
            return wrong("call_timeout", "must be longer than 0");
        }
        if !(1..=10).contains(&self.max_attempts) {
            return wrong("max_attempts", "must be 1 to 10");
        }
        if !(0.0..=2.0).contains(&self.temperature) {
            return wrong("temperature", "must be 0 to 2");
        }
        if self.max_completion_tokens < 256 {
            return wrong("max_completion_tokens", "must be at least 256, or answers are cut off");
        }
        if self.max_document_chars < 1000 {
            return wrong("max_document_chars", "must be at least 1000");
        }
        if self.max_reference_chars < 500 {
            return wrong("max_reference_chars", "must be at least 500");
        }
        if self.embeddings.as_ref().is_some_and(|embeddings| embeddings.cache_entries == 0) {
            return wrong("cache_entries", "must be at least 1");
        }
        Ok(())
    }
}

// === impl EmbeddingsConfig ===

impl EmbeddingsConfig {
    /// Settings for `model` at `base_url` with a cache of 2048 vectors, each kept for a day.
    pub fn new(base_url: impl Into<String>, api_key: Option<ApiKey>, model: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            api_key,
            model: model.into(),
            cache_entries: 2048,
            cache_ttl: Duration::from_secs(86_400),
            qdrant: None,
        }
    }
}

// === impl ApiKey ===

impl ApiKey {
    /// Wraps a key. Blanks around it, as environment files leave them, are dropped.
    pub fn new(key: impl AsRef<str>) -> Self {
        Self(key.as_ref().trim().to_owned())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ApiKey(***)")
    }
}
