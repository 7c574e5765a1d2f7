//! Scores a CV against a job and a project report against a study case.
//!
//! Two scorers give the same kind of answer: [`Scorer::baseline`] computes each rubric parameter from evidence it
//! finds in the documents (no network, same input same output), [`Scorer::openai`] asks any OpenAI-compatible
//! endpoint in three steps. Either way the weighted sums are computed here ([`rubric`]), and a parameter that nobody
//! scored is an error: no score is ever invented.

mod baseline;
mod case;
mod corpus;
mod error;
mod injection;
mod openai;
pub mod rubric;
mod scored;
mod text;

use std::time::Instant;

use tokio_util::sync::CancellationToken;

pub use case::Case;
pub use error::{Class, ConfigError, QdrantError, ScoreError, Unscored};
pub use openai::{ApiKey, EmbeddingsConfig, OpenAiConfig, QdrantConfig};
pub use scored::{Parameter, Receipt, Scored, ScoredBy, Section};

/// Scores cases. Cheap to share behind an `Arc`; one per process is enough.
#[derive(Debug)]
pub struct Scorer {
    engine: Engine,
}

#[derive(Debug)]
enum Engine {
    Baseline,
    OpenAi(Box<openai::OpenAi>),
}

// === impl Scorer ===

impl Scorer {
    /// The embedded scorer: lexical retrieval and a documented formula per parameter. Deterministic.
    pub fn baseline() -> Self {
        Self { engine: Engine::Baseline }
    }

    /// The scorer that asks an OpenAI-compatible chat completions endpoint. The process must have installed a rustls
    /// provider before.
    ///
    /// # Errors
    /// [`ConfigError`] when the address is not an http(s) URL, a number is out of range, or the HTTP client cannot
    /// be built.
    pub fn openai(config: OpenAiConfig) -> Result<Self, ConfigError> {
        Ok(Self { engine: Engine::OpenAi(Box::new(openai::OpenAi::new(config)?)) })
    }

    /// Makes the vector store ready, when there is one: its collection is found, or made for the dimension of the embedding
    /// model. Answers how many points it holds. A store or a model that does not answer is not fatal: scoring does without
    /// and says so in its receipts, and looks again each time.
    ///
    /// # Errors
    /// [`QdrantError::WrongDimension`], which no waiting mends; the others when it cannot be told now.
    pub async fn prepare(&self, deadline: Instant) -> Result<Option<u64>, QdrantError> {
        match &self.engine {
            Engine::Baseline => Ok(None),
            Engine::OpenAi(openai) => openai.prepare(deadline).await,
        }
    }

    /// How the vector store stands, in words; none without one.
    pub fn vector_store(&self) -> Option<String> {
        match &self.engine {
            Engine::Baseline => None,
            Engine::OpenAi(openai) => openai.vector_store(),
        }
    }

    /// Points in the vector store when last looked at; none without one.
    pub fn points(&self) -> Option<u64> {
        match &self.engine {
            Engine::Baseline => None,
            Engine::OpenAi(openai) => openai.points(),
        }
    }

    /// Which of the two this is, as it will stand in receipts.
    pub fn scored_by(&self) -> ScoredBy {
        match self.engine {
            Engine::Baseline => ScoredBy::Baseline,
            Engine::OpenAi(_) => ScoredBy::OpenAi,
        }
    }

    /// Scores one case before `deadline`, or stops as soon as `cancel` is cancelled.
    ///
    /// # Errors
    /// [`Unscored`]: why, and the receipt of what was done and used all the same. The error's
    /// [`class`](ScoreError::class) says whether another attempt is worth while.
    pub async fn assess(
        &self,
        case: &Case,
        deadline: Instant,
        cancel: &CancellationToken,
    ) -> Result<Scored, Unscored> {
        let begun = || -> Result<(), ScoreError> {
            case.check()?;
            if cancel.is_cancelled() {
                return Err(ScoreError::Cancelled);
            }
            if Instant::now() >= deadline { Err(ScoreError::DeadlineExceeded) } else { Ok(()) }
        };
        if let Err(error) = begun() {
            let receipt = match &self.engine {
                Engine::Baseline => baseline::receipt(case),
                Engine::OpenAi(openai) => openai.blank_receipt(case),
            };
            return Err(Unscored { error, receipt: Box::new(receipt) });
        }
        match &self.engine {
            Engine::Baseline => score_baseline(case.clone(), deadline, cancel)
                .await
                .map_err(|error| Unscored { error, receipt: Box::new(baseline::receipt(case)) }),
            Engine::OpenAi(openai) => openai.score(case, deadline, cancel).await,
        }
    }

    /// As [`Scorer::assess`], without the receipt of a failure.
    ///
    /// # Errors
    /// [`ScoreError`].
    pub async fn score(
        &self,
        case: &Case,
        deadline: Instant,
        cancel: &CancellationToken,
    ) -> Result<Scored, ScoreError> {
        self.assess(case, deadline, cancel).await.map_err(|unscored| unscored.error)
    }
}

/// Off the runtime's own threads: a large case computes for some hundred milliseconds.
async fn score_baseline(
    case: Case,
    deadline: Instant,
    cancel: &CancellationToken,
) -> Result<Scored, ScoreError> {
    let computed = tokio::task::spawn_blocking(move || baseline::score(&case));
    tokio::select! {
        scored = computed => scored.unwrap_or_else(|failure| Err(ScoreError::Internal { why: failure.to_string() })),
        () = cancel.cancelled() => Err(ScoreError::Cancelled),
        () = tokio::time::sleep_until(deadline.into()) => Err(ScoreError::DeadlineExceeded),
    }
}
