//! What a scorer answers.

use serde::{Deserialize, Serialize};

/// A complete score. Every number in it follows from [`Scored::parameters`] by [`rubric`](crate::rubric).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// How well the CV matches the job, 0..=1.
    pub cv_match_rate: f64,
    /// What speaks for and against the CV.
    pub cv_feedback: String,
    /// How good the project is, 1..=10.
    pub project_score: f64,
    /// What speaks for and against the project.
    pub project_feedback: String,
    /// Both together in a few sentences.
    pub overall_summary: String,
    /// The scores of the nine rubric parameters, in rubric order.
    pub parameters: Vec<Parameter>,
    /// Who scored, how, and what it took.
    pub receipt: Receipt,
}

/// One line of the rubric, scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// The document it is about.
    pub section: Section,
    /// Name of the parameter, as in [`rubric`](crate::rubric).
    pub name: String,
    /// Weight within its section, in percent.
    pub weight: u32,
    /// 1..=5.
    pub score: f64,
    /// Sentences of the document, or statements about it, that led to the score.
    pub evidence: Vec<String>,
}

/// Which document a parameter is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Section {
    /// The CV.
    Cv,
    /// The project report.
    Project,
}

/// Which scorer gave a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoredBy {
    /// The embedded lexical scorer.
    Baseline,
    /// A model behind an OpenAI-compatible endpoint.
    #[serde(rename = "openai")]
    OpenAi,
}

/// How a score came about. Stored with it, so that a score can be explained and audited later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// Who scored.
    pub scored_by: ScoredBy,
    /// The model, as the provider named it in its answers; none for the baseline.
    pub model: Option<String>,
    /// Version of the prompts or formulas. Scores of different versions do not compare.
    pub prompt_version: String,
    /// SHA-256 (hex) over the five texts that were scored, so that an auditor can tell what the score is about.
    pub case_sha256: String,
    /// Times the case was tried by this call of the scorer: 1.
    pub attempts: u32,
    /// HTTP requests sent to the provider, failed ones included; 0 for the baseline.
    pub calls: u32,
    /// Requests repeated after a failure worth repeating, part of `calls`.
    pub retries: u32,
    /// Requests that asked the model to mend an answer that broke the schema, part of `calls`.
    pub repairs: u32,
    /// Prompt tokens as reported by the provider, over all calls; none when it reported none.
    pub prompt_tokens: Option<u64>,
    /// Completion tokens as reported by the provider, over all calls; none when it reported none.
    pub completion_tokens: Option<u64>,
    /// Sentences of the documents that try to steer the scorer. They did not change how the score was computed, and a
    /// person should look at them.
    pub injection_suspected: Vec<String>,
    /// Things an auditor should know: a text that was cut, a model that ignored the schema option, ….
    pub notes: Vec<String>,
}

// === impl ScoredBy ===

impl ScoredBy {
    /// The name used in receipts and settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::OpenAi => "openai",
        }
    }
}
