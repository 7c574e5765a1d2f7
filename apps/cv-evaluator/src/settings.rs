//! All settings, each an environment variable. `cv-evaluator settings` prints this list.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use app_kit::client::TrustedProxies;
use app_kit::health::Identity;
use app_kit::network::Network;
use app_kit::settings::{Mistakes, Settings};
use cv_scoring::OpenAiConfig;
use plimsoll_jobs::{JobsOptions, MAX_NAME_BYTES};

use crate::admin::{AdminSettings, PasswordHash};
use crate::api::auth::{ApiKeys, KeyDigest};
use crate::store::QUEUE;

mod model;
#[cfg(test)]
mod tests;

/// Every variable with what it means; the same names are read below, and a test holds the two together.
pub const VARIABLES: &[(&str, &str)] = &[
    ("HOST", "address to listen on; default 127.0.0.1. Others need API_KEYS or ALLOW_ANONYMOUS=true"),
    ("PORT", "port to listen on; default 8080 for serve, 9090 for work; 0 takes a free one"),
    (
        "PLIMSOLL_QUEUE_URL",
        "database and queue, sqlite:///absolute/path.db or postgres://user:password@host/database; default sqlite:cv-evaluator.db",
    ),
    ("DATABASE_URL", "the same, when PLIMSOLL_QUEUE_URL is not set"),
    (
        "DATABASE_CONNECTIONS",
        "connections that this process opens at most, besides the one that writes in SQLite; default 8",
    ),
    ("PLIMSOLL_INSTANCE", "name of this instance in /healthz and logs"),
    ("PLIMSOLL_WORKER", "name under which it holds jobs; default that of the instance"),
    ("PLIMSOLL_SERVICE", "name of the service in /healthz"),
    ("PLIMSOLL_DRAIN_S", "seconds from SIGTERM to the end; default 30"),
    ("PLIMSOLL_GATEWAY_PEER", "address whose X-Forwarded-For is believed"),
    ("TRUSTED_PROXIES", "more such networks, comma-separated, e.g. 10.0.0.0/8"),
    ("MAX_CONNECTIONS", "connections open at once; default 10000"),
    ("MAX_UPLOAD_MB", "largest file in an upload, MiB; default 10"),
    ("RATE_LIMIT_PER_MIN", "uploads and evaluations a minute, for each key and each address; default 30"),
    ("API_KEYS", "owner:sha256-of-key in hexadecimal, comma-separated; without any everybody is `anonymous`"),
    ("ALLOW_ANONYMOUS", "true to listen beyond loopback without API_KEYS"),
    ("CORS_ALLOW_ORIGINS", "origins that browsers may call from, comma-separated; default none"),
    ("ADMIN_USERNAME", "the administrator's name; default admin"),
    (
        "ADMIN_PASSWORD_HASH",
        "argon2id hash from `cv-evaluator hash-password`; without it there is no admin API",
    ),
    ("ADMIN_SESSION_SECRET", "signs admin tokens, at least 32 bytes; needed with ADMIN_PASSWORD_HASH"),
    ("ADMIN_TOKEN_TTL_S", "life of an admin token, seconds; default 86400"),
    ("WORKER_CONCURRENCY", "evaluations at once in one worker instance; default 2"),
    (
        "WORKER_RECYCLE_AFTER",
        "evaluations after which a worker ends, for plimsoll to start a fresh one; default 0, never",
    ),
    ("WORKER_LEASE_S", "seconds after which a silent worker's jobs go to another; default 30"),
    ("JOB_TIMEOUT_S", "longest one attempt may take, seconds; default 300"),
    ("JOB_MAX_ATTEMPTS", "attempts before an evaluation fails; default 5"),
    (
        "JOB_MAX_WAIT_S",
        "longest wait for a worker before an evaluation fails, seconds; default: as long as it takes",
    ),
    (
        "REQUESTS_QUEUE",
        "queue with requests for evaluations, as plimsoll-kafka ingest fills it; default none",
    ),
    (
        "RESULTS_TOPIC",
        "topic for the ends of evaluations, which plimsoll-kafka outbox publishes; default none",
    ),
    (
        "DATA_RETENTION_DAYS",
        "days after which finished evaluations and unused files are deleted; default 90, 0 keeps them",
    ),
    ("EXTRACT_MEMORY_MB", "memory of the process that reads one document, MiB; default 256"),
    ("EXTRACT_TIMEOUT_S", "longest reading of one document, seconds; default 20"),
    ("SCORER", "baseline or openai; default openai when OPENAI_BASE_URL or OPENAI_API_KEY is set"),
    ("OPENAI_BASE_URL", "any OpenAI-compatible endpoint; default https://api.openai.com/v1"),
    ("OPENAI_API_KEY", "its key"),
    ("OPENAI_MODEL", "model name; needed with SCORER=openai"),
    ("EMBEDDINGS_MODEL", "finds passages of long reference texts by meaning; without it by their words"),
    ("EMBEDDINGS_BASE_URL", "where that model is; default OPENAI_BASE_URL"),
    ("EMBEDDINGS_API_KEY", "its key; default OPENAI_API_KEY when EMBEDDINGS_BASE_URL is not set"),
    (
        "QDRANT_URL",
        "keeps and searches the vectors of passages in Qdrant, e.g. http://localhost:6333; without it in memory",
    ),
    ("QDRANT_API_KEY", "its key"),
    (
        "QDRANT_COLLECTION",
        "its collection, made when absent; default plimsoll_passages. One for each embedding model",
    ),
    ("OPENAI_TIMEOUT_S", "longest wait for one answer, seconds; default 60"),
    ("RUST_LOG", "log filter; default info"),
    ("LOG_LEVEL", "the same, when RUST_LOG is not set"),
    ("LOG_FORMAT", "text or json; default text"),
];

/// What both roles need.
#[derive(Debug, Clone)]
pub struct Common {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Database and queue.
    pub queue_url: String,
    /// How to open it.
    pub jobs: JobsOptions,
    /// Who we are.
    pub identity: Identity,
    /// Under which name we hold jobs.
    pub worker: String,
    /// From SIGTERM to the end.
    pub drain: Duration,
    /// Whose forwarded headers are believed.
    pub proxies: TrustedProxies,
    /// Connections open at once.
    pub max_connections: usize,
    /// Topic for the ends of evaluations.
    pub results_topic: Option<String>,
}

/// Settings of `serve`.
#[derive(Debug, Clone)]
pub struct ServeSettings {
    /// What both roles need.
    pub common: Common,
    /// Largest file, bytes.
    pub max_upload_bytes: u64,
    /// Uploads and evaluations a minute.
    pub rate_limit_per_min: u32,
    /// Who may call.
    pub api_keys: ApiKeys,
    /// Origins that browsers may call from; `*` for all.
    pub cors_origins: Vec<String>,
    /// The admin API, when configured.
    pub admin: Option<AdminSettings>,
    /// Attempts before an evaluation fails.
    pub job_max_attempts: u32,
    /// Longest wait for a worker, milliseconds; none waits for ever.
    pub job_max_wait_ms: Option<i64>,
}

/// Settings of `work`.
#[derive(Debug, Clone)]
pub struct WorkSettings {
    /// What both roles need.
    pub common: Common,
    /// Evaluations at once.
    pub concurrency: usize,
    /// Evaluations after which this process ends.
    pub recycle_after: Option<u64>,
    /// Length of a lease between heartbeats.
    pub lease: Duration,
    /// Longest attempt.
    pub job_timeout: Duration,
    /// How long finished evaluations and unused files are kept; none keeps them for ever.
    pub retention: Option<Duration>,
    /// Limits on reading one document.
    pub extract: app_documents::Limits,
    /// None for the baseline.
    pub openai: Option<OpenAiConfig>,
    /// Queue with requests for evaluations.
    pub requests_queue: Option<String>,
    /// Attempts of evaluations that are asked for there, and …
    pub job_max_attempts: u32,
    /// … their longest wait for a worker, milliseconds; none waits for ever.
    pub job_max_wait_ms: Option<i64>,
}

const MIB: u64 = 1024 * 1024;

// === impl ServeSettings ===

impl ServeSettings {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn read(mut env: Settings) -> Result<Self, Mistakes> {
        let common = Common::read(&mut env, "api", 8080);
        let hint = "give owner:sha256 pairs; the digest is 64 hexadecimal digits, e.g. from `printf %s KEY | sha256sum`";
        let api_keys = ApiKeys::new(env.list::<KeyDigest>("API_KEYS", hint));
        let anonymous = env.parsed("ALLOW_ANONYMOUS", false, "give true or false");
        if !common.listen.ip().is_loopback() && api_keys.is_empty() && !anonymous {
            env.mistake(
                "API_KEYS",
                format!(
                    "{} can be reached from elsewhere and nobody would be asked for a key",
                    common.listen.ip()
                ),
                "set API_KEYS, or ALLOW_ANONYMOUS=true if another layer checks callers",
            );
        }
        let settings = Self {
            max_upload_bytes: env.number("MAX_UPLOAD_MB", 10, 1..=512) * MIB,
            rate_limit_per_min: narrow(env.number("RATE_LIMIT_PER_MIN", 30, 1..=10_000_000)),
            api_keys,
            cors_origins: env.list("CORS_ALLOW_ORIGINS", ""),
            admin: read_admin(&mut env),
            job_max_attempts: narrow(env.number("JOB_MAX_ATTEMPTS", 5, 1..=100)),
            job_max_wait_ms: read_max_wait_ms(&mut env),
            common,
        };
        env.finish(settings)
    }
}

// === impl WorkSettings ===

impl WorkSettings {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn read(mut env: Settings) -> Result<Self, Mistakes> {
        let common = Common::read(&mut env, "worker", 9090);
        let extract = app_documents::Limits {
            max_input_bytes: usize::try_from(env.number("MAX_UPLOAD_MB", 10, 1..=512) * MIB)
                .unwrap_or(usize::MAX),
            memory_bytes: env.number("EXTRACT_MEMORY_MB", 256, 32..=65_536) * MIB,
            time: Duration::from_secs(env.number("EXTRACT_TIMEOUT_S", 20, 1..=600)),
            ..app_documents::Limits::default()
        };
        let settings = Self {
            concurrency: usize::try_from(env.number("WORKER_CONCURRENCY", 2, 1..=1024)).unwrap_or(2),
            recycle_after: Some(env.number("WORKER_RECYCLE_AFTER", 0, 0..=1_000_000_000)).filter(|n| *n > 0),
            lease: Duration::from_secs(env.number("WORKER_LEASE_S", 30, 1..=3600)),
            job_timeout: Duration::from_secs(env.number("JOB_TIMEOUT_S", 300, 1..=86_400)),
            retention: match env.number("DATA_RETENTION_DAYS", 90, 0..=36_500) {
                0 => None,
                days => Some(Duration::from_secs(days * 86_400)),
            },
            extract,
            openai: model::read(&mut env),
            requests_queue: read_requests_queue(&mut env),
            job_max_attempts: narrow(env.number("JOB_MAX_ATTEMPTS", 5, 1..=100)),
            job_max_wait_ms: read_max_wait_ms(&mut env),
            common,
        };
        env.finish(settings)
    }
}

// === impl Common ===

impl Common {
    fn read(env: &mut Settings, service: &str, port: u16) -> Self {
        let host = env.parsed("HOST", IpAddr::V4(Ipv4Addr::LOCALHOST), "give an IP address, e.g. 127.0.0.1");
        let port = env.parsed("PORT", port, "give a port from 0 to 65535");
        let hint = "give addresses or networks, e.g. 127.0.0.1 or 10.0.0.0/8";
        let mut proxies: Vec<Network> = env.list("PLIMSOLL_GATEWAY_PEER", hint);
        proxies.extend(env.list::<Network>("TRUSTED_PROXIES", hint));
        let queue_url = env.text("PLIMSOLL_QUEUE_URL").or_else(|| env.text("DATABASE_URL"));
        let queue_url = queue_url.unwrap_or_else(|| "sqlite:cv-evaluator.db".to_owned());
        if !["sqlite:", "postgres:", "postgresql:"].iter().any(|scheme| queue_url.starts_with(scheme)) {
            env.mistake(
                "PLIMSOLL_QUEUE_URL",
                "this database is not supported",
                "give sqlite:///absolute/path.db or postgres://user:password@host/database",
            );
        }
        let connections = narrow(env.number("DATABASE_CONNECTIONS", 8, 4..=1000));
        // In Postgres the queue opens four connections for each reader: handlers, heartbeats and writers need some too.
        let readers = if queue_url.starts_with("sqlite:") { connections } else { connections / 4 };
        let identity = Identity::new(
            env.text("PLIMSOLL_INSTANCE"),
            env.text("PLIMSOLL_SERVICE"),
            service,
            env!("CARGO_PKG_VERSION"),
        );
        Self {
            listen: SocketAddr::new(host, port),
            queue_url,
            jobs: JobsOptions { readers, ..JobsOptions::default() },
            worker: env.text("PLIMSOLL_WORKER").unwrap_or_else(|| identity.instance.clone()),
            identity,
            drain: Duration::from_secs(env.number("PLIMSOLL_DRAIN_S", 30, 0..=3600)),
            proxies: TrustedProxies::new(proxies),
            max_connections: usize::try_from(env.number("MAX_CONNECTIONS", 10_000, 1..=1_000_000))
                .unwrap_or(10_000),
            results_topic: read_results_topic(env),
        }
    }
}

fn read_max_wait_ms(env: &mut Settings) -> Option<i64> {
    env.text("JOB_MAX_WAIT_S")?;
    i64::try_from(env.number("JOB_MAX_WAIT_S", 3600, 1..=30 * 86_400) * 1000).ok()
}

fn read_requests_queue(env: &mut Settings) -> Option<String> {
    let queue = env.text("REQUESTS_QUEUE")?;
    if queue == QUEUE {
        env.mistake(
            "REQUESTS_QUEUE",
            format!("`{QUEUE}` is the queue of the evaluations themselves"),
            "give requests a queue of their own, e.g. evaluate-requests, and KAFKA_QUEUE of the ingest the same",
        );
    } else if queue.len() > MAX_NAME_BYTES || queue.chars().any(char::is_control) {
        let hint = format!("give 1 to {MAX_NAME_BYTES} bytes without control characters");
        env.mistake("REQUESTS_QUEUE", "this is no name of a queue", hint);
    }
    Some(queue)
}

fn read_results_topic(env: &mut Settings) -> Option<String> {
    let topic = env.text("RESULTS_TOPIC")?;
    if !plimsoll_kafka::outbox::is_topic(&topic) {
        env.mistake(
            "RESULTS_TOPIC",
            "Kafka would not take this as the name of a topic",
            "give 1 to 249 letters, digits, dots, dashes and underscores",
        );
    }
    Some(topic)
}

fn read_admin(env: &mut Settings) -> Option<AdminSettings> {
    let hash = env.text("ADMIN_PASSWORD_HASH")?;
    let hash = match PasswordHash::parse(&hash) {
        Ok(hash) => Some(hash),
        Err(why) => {
            env.mistake("ADMIN_PASSWORD_HASH", why, "take the output of `cv-evaluator hash-password`");
            None
        }
    };
    let secret = env.text("ADMIN_SESSION_SECRET").unwrap_or_default();
    if secret.len() < 32 {
        env.mistake(
            "ADMIN_SESSION_SECRET",
            "has fewer than 32 bytes",
            "give a random one, e.g. from `head -c 32 /dev/urandom | base64`",
        );
    }
    Some(AdminSettings {
        username: env.text("ADMIN_USERNAME").unwrap_or_else(|| "admin".to_owned()),
        password_hash: hash?,
        secret: secret.into_bytes(),
        token_ttl: Duration::from_secs(env.number("ADMIN_TOKEN_TTL_S", 86_400, 60..=30 * 86_400)),
    })
}

fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
