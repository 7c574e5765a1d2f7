//! Metrics of the application beside those of HTTP and of the queue.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use plimsoll_jobs::{Jobs, QueueStats};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::store::QUEUE;

/// Labels of a family with one series for each queue.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TypeLabels {
    r#type: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabels {
    r#type: &'static str,
    code: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DurationLabels {
    job_type: &'static str,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AiLabels {
    provider: &'static str,
    operation: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenLabels {
    provider: &'static str,
    r#type: &'static str,
    model: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DepthLabels {
    queue: &'static str,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueueLabels {
    queue: &'static str,
}

/// What the queue looks like, the same on every instance: take the maximum over them, not the sum.
#[derive(Debug, Clone)]
pub struct QueueMetrics {
    depth: Family<DepthLabels, Gauge>,
    age: Family<QueueLabels, Gauge<f64, AtomicU64>>,
}

/// Counts of `serve`.
#[derive(Debug, Clone)]
pub struct ServeMetrics {
    enqueued: Family<TypeLabels, Counter>,
}

/// Counts of `work`.
#[derive(Debug, Clone)]
pub struct WorkMetrics {
    processing: Family<TypeLabels, Gauge>,
    completed: Family<TypeLabels, Counter>,
    failed: Family<TypeLabels, Counter>,
    failed_by_code: Family<CodeLabels, Counter>,
    retried_by_code: Family<CodeLabels, Counter>,
    durations: Family<DurationLabels, Histogram, fn() -> Histogram>,
    extractions: Histogram,
    match_rates: Histogram,
    project_scores: Histogram,
    ai_requests: Family<AiLabels, Counter>,
    ai_durations: Family<AiLabels, Histogram, fn() -> Histogram>,
    ai_tokens: Family<TokenLabels, Counter>,
}

/// Counts a job as being processed until dropped.
#[derive(Debug)]
pub struct Processing(Gauge);

const TYPE: TypeLabels = TypeLabels { r#type: QUEUE };

// === impl QueueMetrics ===

impl QueueMetrics {
    /// Registers `queue_depth` and `queue_age_seconds`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self { depth: Family::default(), age: Family::default() };
        registry.register("queue_depth", "Jobs by state", metrics.depth.clone());
        registry.register(
            "queue_age_seconds",
            "How long the oldest ready job has waited",
            metrics.age.clone(),
        );
        metrics
    }

    /// Looks once a second until stopped. While the database does not answer, the last figures stay.
    pub async fn watch(self, jobs: Jobs, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            match jobs.stats(Some(QUEUE)).await {
                Ok(stats) => stats.iter().for_each(|stats| self.set(stats)),
                Err(error) => tracing::debug!(%error, "cannot read the queue's figures"),
            }
        }
    }

    fn set(&self, stats: &QueueStats) {
        let states = [
            ("ready", stats.ready),
            ("scheduled", stats.scheduled),
            ("leased", stats.leased),
            ("dead", stats.dead),
        ];
        for (state, depth) in states {
            let depth = i64::try_from(depth).unwrap_or(i64::MAX);
            self.depth.get_or_create(&DepthLabels { queue: QUEUE, state }).set(depth);
        }
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a wait")]
        let age_s = stats.oldest_ready_age_ms.unwrap_or(0) as f64 / 1000.0;
        self.age.get_or_create(&QueueLabels { queue: QUEUE }).set(age_s);
    }
}

// === impl ServeMetrics ===

impl ServeMetrics {
    /// Registers `jobs_enqueued_total`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self { enqueued: Family::default() };
        registry.register("jobs_enqueued", "Jobs put into the queue", metrics.enqueued.clone());
        metrics
    }

    /// A job was enqueued.
    pub fn enqueued(&self) {
        self.enqueued.get_or_create(&TYPE).inc();
    }
}

// === impl WorkMetrics ===

impl WorkMetrics {
    /// Registers all families.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            processing: Family::default(),
            completed: Family::default(),
            failed: Family::default(),
            failed_by_code: Family::default(),
            retried_by_code: Family::default(),
            durations: Family::new_with_constructor(job_histogram as fn() -> Histogram),
            extractions: Histogram::new([0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0]),
            match_rates: Histogram::new((1..=10).map(|tenth| f64::from(tenth) / 10.0)),
            project_scores: Histogram::new((1..=10).map(f64::from)),
            ai_requests: Family::default(),
            ai_durations: Family::new_with_constructor(ai_histogram as fn() -> Histogram),
            ai_tokens: Family::default(),
        };
        registry.register("jobs_processing", "Jobs this instance is working on", metrics.processing.clone());
        registry.register("jobs_completed", "Jobs that ended with a result", metrics.completed.clone());
        registry.register("jobs_failed", "Jobs that ended without one", metrics.failed.clone());
        registry.register("jobs_failed_by_code", "The same, by error code", metrics.failed_by_code.clone());
        registry.register(
            "jobs_retried_by_code",
            "Attempts that failed and will be repeated, by error code",
            metrics.retried_by_code.clone(),
        );
        registry.register(
            "job_processing_duration_seconds",
            "Time of one attempt",
            metrics.durations.clone(),
        );
        registry.register(
            "document_extraction_duration_seconds",
            "Time to read one document",
            metrics.extractions.clone(),
        );
        registry.register(
            "evaluation_cv_match_rate",
            "Match rates given, 0 to 1",
            metrics.match_rates.clone(),
        );
        registry.register(
            "evaluation_project_score",
            "Project scores given, 1 to 10",
            metrics.project_scores.clone(),
        );
        registry.register("ai_requests", "Requests to the model provider", metrics.ai_requests.clone());
        registry.register(
            "ai_request_duration_seconds",
            "Time of one scoring, all its requests together",
            metrics.ai_durations.clone(),
        );
        registry.register("ai_tokens", "Tokens as counted by the provider", metrics.ai_tokens.clone());
        metrics
    }

    /// A job is being worked on.
    #[must_use]
    pub fn processing(&self) -> Processing {
        let gauge = self.processing.get_or_create(&TYPE).clone();
        gauge.inc();
        Processing(gauge)
    }

    /// An attempt ended with a result.
    pub fn completed(&self, elapsed_s: f64, scored: &cv_scoring::Scored) {
        self.completed.get_or_create(&TYPE).inc();
        self.duration("completed", elapsed_s);
        self.match_rates.observe(scored.cv_match_rate);
        self.project_scores.observe(scored.project_score);
    }

    /// The last attempt ended without a result.
    pub fn failed(&self, elapsed_s: f64, code: &str) {
        self.failed.get_or_create(&TYPE).inc();
        self.failed_by_code.get_or_create(&code_labels(code)).inc();
        self.duration("failed", elapsed_s);
    }

    /// An attempt failed; there will be another.
    pub fn retried(&self, elapsed_s: f64, code: &str) {
        self.retried_by_code.get_or_create(&code_labels(code)).inc();
        self.duration("retried", elapsed_s);
    }

    /// A document was read, or could not be.
    pub fn extracted(&self, elapsed_s: f64) {
        self.extractions.observe(elapsed_s);
    }

    /// A case was scored: what the provider was asked for it, by its receipt.
    pub fn scored(&self, elapsed_s: f64, receipt: &cv_scoring::Receipt) {
        let provider = receipt.scored_by.as_str();
        let labels = AiLabels { provider, operation: "score" };
        self.ai_requests.get_or_create(&labels).inc_by(u64::from(receipt.calls));
        self.ai_durations.get_or_create(&labels).observe(elapsed_s);
        let model = receipt.model.clone().unwrap_or_default();
        for (kind, count) in [("prompt", receipt.prompt_tokens), ("completion", receipt.completion_tokens)] {
            if let Some(count) = count {
                let labels = TokenLabels { provider, r#type: kind, model: model.clone() };
                self.ai_tokens.get_or_create(&labels).inc_by(count);
            }
        }
    }

    fn duration(&self, status: &'static str, elapsed_s: f64) {
        self.durations.get_or_create(&DurationLabels { job_type: QUEUE, status }).observe(elapsed_s);
    }
}

impl Drop for Processing {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn code_labels(code: &str) -> CodeLabels {
    CodeLabels { r#type: QUEUE, code: code.to_owned() }
}

fn job_histogram() -> Histogram {
    Histogram::new([0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0])
}

fn ai_histogram() -> Histogram {
    Histogram::new([0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0])
}
