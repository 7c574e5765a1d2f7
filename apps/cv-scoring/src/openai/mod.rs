//! Scoring by a model behind an OpenAI-compatible endpoint.
mod config;
use crate::{Case, ConfigError, ScoreError, Scored};
pub use config::{ApiKey, OpenAiConfig};
#[derive(Debug)]
pub(crate) struct OpenAi;
impl OpenAi {
    pub(crate) fn new(_config: OpenAiConfig) -> Result<Self, ConfigError> {
        Err(ConfigError { setting: "scorer", why: "the openai scorer is being written".to_owned() })
    }
    pub(crate) async fn score(
        &self,
        _case: &Case,
        _deadline: std::time::Instant,
        _cancel: &tokio_util::sync::CancellationToken,
    ) -> Result<Scored, ScoreError> {
        Err(ScoreError::Cancelled)
    }
}
