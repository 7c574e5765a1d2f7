//! What the program takes: flags, each also an environment variable, so that a stack file can say it in `env`.

use std::net::IpAddr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use plimsoll_jobs::NewJob;

use crate::KafkaError;
use crate::client::Brokers;
use crate::ingest::{Form, IngestOptions, Mapping, Source, Start};
use crate::publish::PublishOptions;

/// Moves records of Kafka or Redpanda into the queue exactly once, and publishes the outbox.
#[derive(Debug, Parser)]
#[command(name = "plimsoll-kafka", version, about)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Move records into the queue until stopped
    Ingest(Box<IngestArgs>),
    /// Publish the outbox until stopped
    Outbox(OutboxArgs),
    /// Print how far a group is behind, by partition; exit status 1 when it has more members than partitions
    Lag(LagArgs),
    /// Say where a group goes on in a partition
    Reset(ResetArgs),
    /// Make a topic, or add partitions to one
    #[command(subcommand)]
    Topic(TopicCommand),
    /// Records of which no job could be made
    #[command(subcommand)]
    Dead(DeadCommand),
}

/// The brokers.
#[derive(Debug, Args)]
pub(super) struct BrokerArgs {
    /// Some of the brokers, host:port, comma-separated
    #[arg(long, env = "KAFKA_BROKERS")]
    brokers: String,
    /// Settings of librdkafka, name=value; in the environment separated by semicolons
    #[arg(long = "property", env = "KAFKA_PROPERTIES", value_delimiter = ';', hide_env_values = true)]
    properties: Vec<String>,
}

/// The queue.
#[derive(Debug, Args)]
pub(super) struct QueueArgs {
    /// Database of the queue: sqlite:///absolute/path.db or postgres://…
    #[arg(long, env = "PLIMSOLL_QUEUE_URL", hide_env_values = true)]
    pub(super) queue_url: String,
}

/// The consumer group.
#[derive(Debug, Args)]
pub(super) struct GroupArgs {
    /// The consumer group
    #[arg(long, env = "KAFKA_GROUP", default_value = "ai-cv-evaluator-workers")]
    pub(super) group: String,
}

/// The page for probes and Prometheus.
#[derive(Debug, Args)]
pub(super) struct PageArgs {
    /// Address of /healthz, /readyz and /metrics
    #[arg(long, env = "HOST", default_value = "127.0.0.1")]
    pub(super) host: IpAddr,
    /// Its port; 0 takes a free one
    #[arg(long, env = "PORT", default_value_t = 9091)]
    pub(super) port: u16,
    /// Name of this instance
    #[arg(long, env = "PLIMSOLL_INSTANCE")]
    pub(super) instance: Option<String>,
    /// Name of its service
    #[arg(long, env = "PLIMSOLL_SERVICE")]
    pub(super) service: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct IngestArgs {
    #[command(flatten)]
    pub(super) page: PageArgs,
    #[command(flatten)]
    pub(super) queue: QueueArgs,
    #[command(flatten)]
    brokers: BrokerArgs,
    #[command(flatten)]
    group: GroupArgs,
    #[command(flatten)]
    pub(super) mapping: MappingArgs,
    /// Topics to read, comma-separated
    #[arg(long = "topic", env = "KAFKA_TOPIC", value_delimiter = ',', required = true)]
    topics: Vec<String>,
    /// Where a partition begins that was never read before
    #[arg(long, env = "KAFKA_START", default_value = "earliest")]
    start: StartArg,
    /// Let at most one job of a lane run at a time: with `--lane key`, jobs of a key run one after the other
    #[arg(long, env = "KAFKA_SERIAL_LANES", requires = "lane")]
    pub(super) serial_lanes: bool,
    /// Records in one transaction at most
    #[arg(long, env = "KAFKA_BATCH_RECORDS", default_value_t = 500)]
    batch_records: usize,
    /// Bytes in one transaction at most
    #[arg(long, env = "KAFKA_BATCH_BYTES", default_value_t = 4 << 20)]
    batch_bytes: usize,
    /// Bytes fetched ahead at most
    #[arg(long, env = "KAFKA_BUFFER_BYTES", default_value_t = 16 << 20)]
    buffer_bytes: usize,
    /// Milliseconds of silence after which a consumer has lost its partitions
    #[arg(long, env = "KAFKA_SESSION_MS", default_value_t = 30_000)]
    session_ms: u64,
    /// Milliseconds between its signs of life
    #[arg(long, env = "KAFKA_HEARTBEAT_MS", default_value_t = 3_000)]
    heartbeat_ms: u64,
    /// Most bytes in one answer of a broker
    #[arg(long, env = "KAFKA_FETCH_MAX_BYTES", default_value_t = 50_000_000)]
    fetch_max_bytes: u32,
    /// Bytes a broker waits for before it answers …
    #[arg(long, env = "KAFKA_FETCH_MIN_BYTES", default_value_t = 1_000)]
    fetch_min_bytes: u32,
    /// … and how many milliseconds at most
    #[arg(long, env = "KAFKA_FETCH_WAIT_MS", default_value_t = 100)]
    fetch_wait_ms: u64,
    /// Seconds until new partitions of a topic are noticed, at most
    #[arg(long, env = "KAFKA_METADATA_S", default_value_t = 30)]
    metadata_s: u64,
    /// Publish dead letters to this topic too (by the outbox)
    #[arg(long, env = "KAFKA_DEAD_TOPIC")]
    dead_topic: Option<String>,
    /// Days after which dead letters are deleted
    #[arg(long, env = "KAFKA_KEEP_DEAD_DAYS", default_value_t = 30)]
    keep_dead_days: u32,
}

/// What a record becomes.
#[derive(Debug, Args)]
pub(super) struct MappingArgs {
    /// Queue of the jobs
    #[arg(long, env = "KAFKA_QUEUE")]
    pub(super) queue: String,
    /// What a job's payload is
    #[arg(long, env = "KAFKA_PAYLOAD", default_value = "envelope")]
    payload: FormArg,
    /// Unique key of the job: `key` (of the record) or `header:NAME`
    #[arg(long, env = "KAFKA_UNIQUE")]
    unique: Option<Source>,
    /// Name of the message, remembered so that one sent twice makes one job: `key` or `header:NAME`
    #[arg(long, env = "KAFKA_DEDUPE")]
    dedupe: Option<Source>,
    /// Hours for which names are remembered
    #[arg(long, env = "KAFKA_DEDUPE_HOURS", default_value_t = 24)]
    dedupe_hours: u32,
    /// Lane of the job: `key` or `header:NAME`
    #[arg(long, env = "KAFKA_LANE")]
    lane: Option<Source>,
    /// Owner of the job, for erasure: `key` or `header:NAME`
    #[arg(long, env = "KAFKA_OWNER")]
    owner: Option<Source>,
    /// Priority of the job, lower first
    #[arg(long, env = "KAFKA_PRIORITY", default_value_t = 0)]
    priority: i16,
    /// Attempts before a job is dead
    #[arg(long, env = "KAFKA_MAX_ATTEMPTS", default_value_t = 5)]
    max_attempts: u32,
}

#[derive(Debug, Args)]
pub(super) struct OutboxArgs {
    #[command(flatten)]
    pub(super) page: PageArgs,
    #[command(flatten)]
    pub(super) queue: QueueArgs,
    #[command(flatten)]
    brokers: BrokerArgs,
    /// Messages in one go at most
    #[arg(long, env = "KAFKA_BATCH_MESSAGES", default_value_t = 1_000)]
    batch_messages: u32,
    /// Bytes in one request at most
    #[arg(long, env = "KAFKA_REQUEST_BYTES", default_value_t = 1_000_000)]
    request_bytes: u32,
    /// Milliseconds a request waits for more messages
    #[arg(long, env = "KAFKA_LINGER_MS", default_value_t = 10)]
    linger_ms: u64,
    /// How often a request is tried again before a new producer starts with the oldest message left
    #[arg(long, env = "KAFKA_RETRIES", default_value_t = 10)]
    retries: u32,
    /// Milliseconds before the first of them …
    #[arg(long, env = "KAFKA_RETRY_BACKOFF_MS", default_value_t = 100)]
    retry_backoff_ms: u64,
    /// … doubling up to this
    #[arg(long, env = "KAFKA_RETRY_BACKOFF_MAX_MS", default_value_t = 1_000)]
    retry_backoff_max_ms: u64,
    /// snappy, lz4 or none
    #[arg(long, env = "KAFKA_COMPRESSION", default_value = "snappy")]
    compression: String,
    /// Publish in Kafka transactions under this id
    #[arg(long, env = "KAFKA_TRANSACTIONAL_ID")]
    transactional_id: Option<String>,
    /// Seconds after which another publisher takes over from a silent one
    #[arg(long, env = "KAFKA_OUTBOX_LEASE_S", default_value_t = 15)]
    lease_s: u64,
}

#[derive(Debug, Args)]
pub(super) struct LagArgs {
    #[command(flatten)]
    pub(super) queue: QueueArgs,
    #[command(flatten)]
    brokers: BrokerArgs,
    #[command(flatten)]
    pub(super) group: GroupArgs,
    /// Topics, comma-separated
    #[arg(long = "topic", env = "KAFKA_TOPIC", value_delimiter = ',', required = true)]
    pub(super) topics: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ResetArgs {
    #[command(flatten)]
    pub(super) queue: QueueArgs,
    #[command(flatten)]
    pub(super) group: GroupArgs,
    /// The topic
    #[arg(long)]
    pub(super) topic: String,
    /// The partition
    #[arg(long)]
    pub(super) partition: i32,
    /// Offset of the first record to take
    #[arg(long)]
    pub(super) to: i64,
}

#[derive(Debug, Subcommand)]
pub(super) enum TopicCommand {
    /// Make a topic; one that is there is left as it is
    Create(CreateArgs),
    /// Add partitions to a topic
    Grow(GrowArgs),
}

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    #[command(flatten)]
    pub(super) brokers: BrokerArgs,
    /// The topic
    pub(super) topic: String,
    /// Its partitions
    #[arg(long, default_value_t = 6)]
    pub(super) partitions: i32,
    /// Brokers that hold each record
    #[arg(long, default_value_t = 3)]
    pub(super) replication: i32,
    /// How many of them must have a record before it counts as written
    #[arg(long)]
    pub(super) min_insync: Option<u32>,
    /// Days for which records are kept
    #[arg(long, default_value_t = 7)]
    pub(super) retention_days: u32,
    /// Bytes for which a partition's records are kept
    #[arg(long, default_value_t = 1 << 30)]
    pub(super) retention_bytes: u64,
}

#[derive(Debug, Args)]
pub(super) struct GrowArgs {
    #[command(flatten)]
    pub(super) brokers: BrokerArgs,
    /// The topic
    pub(super) topic: String,
    /// How many partitions it shall have
    #[arg(long)]
    pub(super) partitions: usize,
}

#[derive(Debug, Subcommand)]
pub(super) enum DeadCommand {
    /// Print them, oldest first
    List {
        #[command(flatten)]
        queue: QueueArgs,
        #[command(flatten)]
        group: GroupArgs,
        /// Only those after this number
        #[arg(long, default_value_t = 0)]
        after: i64,
        /// How many at most
        #[arg(long, default_value_t = 100)]
        limit: u32,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Take one again, as if it had just come
    Requeue {
        #[command(flatten)]
        queue: QueueArgs,
        #[command(flatten)]
        group: GroupArgs,
        #[command(flatten)]
        mapping: Box<MappingArgs>,
        /// Its number
        id: i64,
    },
    /// Throw one away
    Discard {
        #[command(flatten)]
        queue: QueueArgs,
        #[command(flatten)]
        group: GroupArgs,
        /// Its number
        id: i64,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum StartArg {
    /// With the oldest record
    Earliest,
    /// With what comes from now on
    Latest,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormArg {
    /// The value together with key, headers and place of the record
    Envelope,
    /// The value alone
    Value,
}

// === impl BrokerArgs ===

impl BrokerArgs {
    pub(super) fn read(&self) -> Result<Brokers, KafkaError> {
        let mut brokers = Brokers::new(&self.brokers);
        for property in self.properties.iter().filter(|text| !text.trim().is_empty()) {
            brokers.set(property)?;
        }
        Ok(brokers)
    }
}

// === impl MappingArgs ===

impl MappingArgs {
    pub(super) fn read(&self) -> Result<Mapping, KafkaError> {
        // Or every record would be found out to be poison, one by one.
        let mut job = NewJob::new(&self.queue, serde_json::Value::Null);
        job.max_attempts = self.max_attempts;
        job.check().map_err(|error| KafkaError::Option { option: "queue", why: error.to_string() })?;
        let keep = Duration::from_secs(u64::from(self.dedupe_hours) * 3600);
        Ok(Mapping {
            queue: self.queue.clone(),
            form: match self.payload {
                FormArg::Envelope => Form::Envelope,
                FormArg::Value => Form::Value,
            },
            unique: self.unique.clone(),
            dedupe: self.dedupe.clone().map(|source| (source, keep)),
            lane: self.lane.clone(),
            owner: self.owner.clone(),
            priority: self.priority,
            max_attempts: self.max_attempts,
        })
    }
}

// === impl IngestArgs ===

impl IngestArgs {
    pub(super) fn read(&self) -> Result<IngestOptions, KafkaError> {
        let ms = Duration::from_millis;
        let defaults = IngestOptions::new(self.brokers.read()?, self.topics.clone());
        Ok(IngestOptions {
            group: self.group.group.clone(),
            instance: self.page.instance.clone().unwrap_or(defaults.instance),
            start: match self.start {
                StartArg::Earliest => Start::Earliest,
                StartArg::Latest => Start::Latest,
            },
            batch_records: self.batch_records,
            batch_bytes: self.batch_bytes,
            session_timeout: ms(self.session_ms),
            heartbeat: ms(self.heartbeat_ms),
            fetch_max_bytes: self.fetch_max_bytes,
            fetch_min_bytes: self.fetch_min_bytes,
            fetch_wait: ms(self.fetch_wait_ms),
            buffer_bytes: self.buffer_bytes,
            metadata_refresh: Duration::from_secs(self.metadata_s),
            keep_dead: Duration::from_secs(u64::from(self.keep_dead_days) * 86_400),
            dead_topic: self.dead_topic.clone(),
            ..defaults
        })
    }
}

// === impl OutboxArgs ===

impl OutboxArgs {
    pub(super) fn read(&self) -> Result<PublishOptions, KafkaError> {
        let ms = Duration::from_millis;
        let defaults = PublishOptions::new(self.brokers.read()?);
        Ok(PublishOptions {
            instance: self.page.instance.clone().unwrap_or(defaults.instance),
            batch_messages: self.batch_messages,
            request_bytes: self.request_bytes,
            linger: ms(self.linger_ms),
            retries: self.retries,
            retry_backoff: ms(self.retry_backoff_ms),
            retry_backoff_max: ms(self.retry_backoff_max_ms),
            compression: self.compression.clone(),
            transactional_id: self.transactional_id.clone(),
            lease: Duration::from_secs(self.lease_s.max(1)),
            ..defaults
        })
    }
}

// === impl LagArgs ===

impl LagArgs {
    pub(super) fn brokers(&self) -> Result<Brokers, KafkaError> {
        self.brokers.read()
    }
}
