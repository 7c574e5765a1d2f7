//! Scoring by a model behind an OpenAI-compatible endpoint.
//!
//! Three steps: the CV against the job, the project against the brief, then both into the final texts. Wanted properties,
//! each with a test:
//! (A) totals are computed from the parameters by [`rubric`](crate::rubric); a total in an answer is not even read;
//! (B) an answer that breaks the schema is mended once, by the model; else the case fails with `SCHEMA_INVALID`;
//! (C) nothing a document says stands outside its fence, and the last step cannot change a score;
//! (D) one layer of retries, bounded by attempts, a shared budget and the deadline; `Retry-After` is honoured;
//! (E) cancelling and the deadline end a call at once;
//! (F) the receipt says what it took, as reported by the provider;
//! (G) of a long reference text those passages are sent that have to do with the document, and the receipt says so.

mod answer;
mod client;
mod config;
mod embeddings;
mod fence;
mod prompt;
mod qdrant;
mod retrieval;
mod retry_after;
mod wire;

use std::time::Instant;

use tokio_util::sync::CancellationToken;

use answer::{Evaluation, Refined};
use client::{Bounds, Client, Tally};
pub use config::{ApiKey, EmbeddingsConfig, OpenAiConfig, QdrantConfig};
use embeddings::Embeddings;
use qdrant::Qdrant;
use retrieval::{References, Retrieval};
use serde_json::Value;
use wire::{Ask, Choice, Message};

use crate::rubric::{cv_match_rate, project_score};
use crate::scored::{Receipt, Scored, ScoredBy, Section};
use crate::{Case, ConfigError, QdrantError, ScoreError, Unscored, injection};

/// The scorer.
#[derive(Debug)]
pub(crate) struct OpenAi {
    client: Client,
    retrieval: Retrieval,
}

/// One step of the chain.
struct Step<'a> {
    name: &'static str,
    messages: Vec<Message>,
    schema: &'a Value,
}

// === impl OpenAi ===

impl OpenAi {
    pub(crate) fn new(config: OpenAiConfig) -> Result<Self, ConfigError> {
        let embeddings = match &config.embeddings {
            None => None,
            Some(settings) => {
                let endpoint = OpenAiConfig {
                    base_url: settings.base_url.clone(),
                    api_key: settings.api_key.clone(),
                    model: settings.model.clone(),
                    ..config.clone()
                };
                let qdrant = settings.qdrant.clone().map(Qdrant::new).transpose()?;
                Some((Embeddings::new(Client::new(endpoint)?, settings), qdrant))
            }
        };
        let (embeddings, qdrant) =
            embeddings.map_or((None, None), |(embeddings, qdrant)| (Some(embeddings), qdrant));
        let retrieval = Retrieval::new(config.max_reference_chars, embeddings, qdrant);
        Ok(Self { client: Client::new(config)?, retrieval })
    }

    pub(crate) async fn prepare(&self, deadline: Instant) -> Result<Option<u64>, QdrantError> {
        self.retrieval.prepare(deadline).await
    }

    pub(crate) fn vector_store(&self) -> Option<String> {
        self.retrieval.vector_store()
    }

    pub(crate) fn points(&self) -> Option<u64> {
        self.retrieval.points()
    }

    pub(crate) async fn score(
        &self,
        case: &Case,
        deadline: Instant,
        cancel: &CancellationToken,
    ) -> Result<Scored, Unscored> {
        let bounds = Bounds { deadline, cancel };
        let mut tally = Tally::default();
        let mut notes = Vec::new();
        let chain = self.chain(case, bounds, &mut tally, &mut notes).await;
        let receipt = self.receipt(case, tally, notes);
        match chain {
            Ok(scored) => Ok(Scored { receipt, ..scored }),
            Err(error) => Err(Unscored { error, receipt: Box::new(receipt) }),
        }
    }

    /// The receipt of a case for which nothing was done.
    pub(crate) fn blank_receipt(&self, case: &Case) -> Receipt {
        self.receipt(case, Tally::default(), Vec::new())
    }

    fn receipt(&self, case: &Case, tally: Tally, notes: Vec<String>) -> Receipt {
        Receipt {
            scored_by: ScoredBy::OpenAi,
            model: Some(tally.model.unwrap_or_else(|| self.client.config().model.clone())),
            prompt_version: prompt::VERSION.to_owned(),
            case_sha256: case.sha256(),
            attempts: 1,
            calls: tally.calls,
            retries: tally.retries,
            repairs: tally.repairs,
            prompt_tokens: tally.prompt_tokens,
            completion_tokens: tally.completion_tokens,
            injection_suspected: [injection::find(&case.cv_text), injection::find(&case.project_text)]
                .concat(),
            notes,
        }
    }

    /// The three steps. The receipt in the answer is blank.
    async fn chain(
        &self,
        case: &Case,
        bounds: Bounds<'_>,
        tally: &mut Tally,
        notes: &mut Vec<String>,
    ) -> Result<Scored, ScoreError> {
        let seed: [u8; 16] = rand::random();
        let cv_text = self.cut(&case.cv_text, "CV", notes);
        let project_text = self.cut(&case.project_text, "project report", notes);

        let mut sections = Vec::with_capacity(2);
        for (section, document) in [(Section::Cv, cv_text), (Section::Project, project_text)] {
            let references = self.retrieval.references(case, section, document, bounds, tally, notes).await?;
            sections.push(self.evaluate(&seed, section, document, &references, bounds, tally).await?);
        }
        let [cv, project] = sections
            .try_into()
            .map_err(|_| ScoreError::Internal { why: "a section was not scored".to_owned() })?;
        let refined = self.refine(&seed, &cv, &project, bounds, tally).await?;

        let invented = cv.invented_quotes + project.invented_quotes;
        if invented > 0 {
            notes.push(format!(
                "{invented} quotation(s) of the model are not in the documents and were dropped"
            ));
        }
        let parameters = [cv.parameters, project.parameters].concat();
        // The answers were read line by line from the rubric; a gap here would be a mistake in `answer`.
        let incomplete = || ScoreError::Internal { why: "a parameter was not scored".to_owned() };
        Ok(Scored {
            cv_match_rate: cv_match_rate(&parameters).ok_or_else(incomplete)?,
            cv_feedback: refined.cv_feedback,
            project_score: project_score(&parameters).ok_or_else(incomplete)?,
            project_feedback: refined.project_feedback,
            overall_summary: refined.overall_summary,
            parameters,
            receipt: self.blank_receipt(case),
        })
    }

    async fn evaluate(
        &self,
        seed: &[u8],
        section: Section,
        document: &str,
        references: &References,
        bounds: Bounds<'_>,
        tally: &mut Tally,
    ) -> Result<Evaluation, ScoreError> {
        let name = match section {
            Section::Cv => "cv_evaluation",
            Section::Project => "project_evaluation",
        };
        let messages = prompt::evaluate(seed, section, document, references);
        let step = Step { name, messages, schema: &answer::evaluation_schema(section) };
        self.run(seed, step, bounds, tally, &|content| answer::read_evaluation(content, section, document))
            .await
    }

    async fn refine(
        &self,
        seed: &[u8],
        cv: &Evaluation,
        project: &Evaluation,
        bounds: Bounds<'_>,
        tally: &mut Tally,
    ) -> Result<Refined, ScoreError> {
        let messages = prompt::refine(seed, cv, project);
        let step = Step { name: "refine", messages, schema: &answer::refined_schema() };
        self.run(seed, step, bounds, tally, &answer::read_refined).await
    }

    /// Asks, reads, and when the answer breaks the schema asks once more to mend it.
    async fn run<T>(
        &self,
        seed: &[u8],
        step: Step<'_>,
        bounds: Bounds<'_>,
        tally: &mut Tally,
        read: &(dyn Fn(&str) -> Result<T, String> + Sync),
    ) -> Result<T, ScoreError> {
        let choice = self.client.ask(&self.question(&step, &step.messages), bounds, tally).await?;
        let (broken, why) = match judge(&choice, step.name, read)? {
            Ok(value) => return Ok(value),
            Err(why) => (choice.message.content.unwrap_or_default(), why),
        };
        tracing::debug!(step = step.name, why, "the model's answer breaks the schema, asking to mend it");
        tally.repairs += 1;
        let messages = prompt::repair(seed, &step.messages, &broken, &why);
        let choice = self.client.ask(&self.question(&step, &messages), bounds, tally).await?;
        judge(&choice, step.name, read)?.map_err(|why| ScoreError::SchemaInvalid { step: step.name, why })
    }

    fn question<'a>(&'a self, step: &'a Step<'_>, messages: &'a [Message]) -> Ask<'a> {
        let config = self.client.config();
        Ask {
            model: &config.model,
            messages,
            schema_name: step.name,
            schema: step.schema,
            temperature: config.temperature,
            max_tokens: config.max_completion_tokens,
        }
    }

    fn cut<'a>(&self, text: &'a str, name: &str, notes: &mut Vec<String>) -> &'a str {
        let limit = self.client.config().max_document_chars;
        match text.char_indices().nth(limit) {
            None => text,
            Some((end, _)) => {
                notes.push(format!("only the first {limit} characters of the {name} were sent to the model"));
                &text[..end]
            }
        }
    }
}

/// Reads an answer. What satisfies the schema is an answer, whatever words are in it; only what does not can be a
/// refusal.
fn judge<T>(
    choice: &Choice,
    step: &'static str,
    read: &(dyn Fn(&str) -> Result<T, String> + Sync),
) -> Result<Result<T, String>, ScoreError> {
    let content = choice.message.content.as_deref().unwrap_or_default();
    let why = match read(content) {
        Ok(value) => return Ok(Ok(value)),
        Err(why) => why,
    };
    let declined = choice.message.refusal.as_deref().is_some_and(|refusal| !refusal.trim().is_empty());
    let filtered = choice.finish_reason.as_deref() == Some("content_filter");
    if declined || filtered || answer::is_refusal(content) {
        return Err(ScoreError::Refused { step });
    }
    let cut = choice.finish_reason.as_deref() == Some("length");
    Ok(Err(if cut { format!("{why} (the answer reached the token limit: be brief)") } else { why }))
}
