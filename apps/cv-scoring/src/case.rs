//! What is to be scored.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{ScoreError, corpus};

/// One application: the candidate's documents and what they are measured against. `None` means the defaults that are
/// shipped with this crate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// Text of the CV.
    pub cv_text: String,
    /// Text of the project report.
    pub project_text: String,
    /// The job the CV is matched with.
    pub job_description: Option<String>,
    /// The task the project was to solve.
    pub study_case_brief: Option<String>,
    /// How to score. The parameters and weights are fixed ([`rubric`](crate::rubric)); this text says what a good
    /// answer to each looks like.
    pub scoring_rubric: Option<String>,
}

/// Longest document or reference text that is scored, in bytes. Far above any real CV.
const MAX_TEXT_BYTES: usize = 2 * 1024 * 1024;

// === impl Case ===

impl Case {
    /// A case measured against the shipped defaults.
    pub fn new(cv_text: impl Into<String>, project_text: impl Into<String>) -> Self {
        Self {
            cv_text: cv_text.into(),
            project_text: project_text.into(),
            job_description: None,
            study_case_brief: None,
            scoring_rubric: None,
        }
    }

    pub(crate) fn job_description(&self) -> &str {
        given(&self.job_description).unwrap_or(corpus::JOB_DESCRIPTION)
    }

    pub(crate) fn study_case_brief(&self) -> &str {
        given(&self.study_case_brief).unwrap_or(corpus::STUDY_CASE_BRIEF)
    }

    pub(crate) fn scoring_rubric(&self) -> &str {
        given(&self.scoring_rubric).unwrap_or(corpus::SCORING_RUBRIC)
    }

    /// SHA-256 (hex) over the five texts that are scored, defaults included, each preceded by its length.
    pub(crate) fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        let references = [self.job_description(), self.study_case_brief(), self.scoring_rubric()];
        for text in [self.cv_text.as_str(), self.project_text.as_str()].into_iter().chain(references) {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        }
        hex::encode(hash.finalize())
    }

    /// Refuses a case that has nothing to score or that is too large to.
    pub(crate) fn check(&self) -> Result<(), ScoreError> {
        for (name, text) in [("cv_text", &self.cv_text), ("project_text", &self.project_text)] {
            if text.trim().is_empty() {
                return Err(ScoreError::InvalidCase { why: format!("`{name}` is empty") });
            }
        }
        let references = [&self.job_description, &self.study_case_brief, &self.scoring_rubric];
        let texts =
            [Some(&self.cv_text), Some(&self.project_text)].into_iter().chain(references.map(Option::as_ref));
        if texts.flatten().any(|text| text.len() > MAX_TEXT_BYTES) {
            return Err(ScoreError::InvalidCase {
                why: format!("a text is longer than {MAX_TEXT_BYTES} bytes"),
            });
        }
        Ok(())
    }
}

fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.trim().is_empty())
}
