//! Which model scores, and where its vectors come from and are kept.

use std::time::Duration;

use app_kit::settings::Settings;
use cv_scoring::{ApiKey, EmbeddingsConfig, OpenAiConfig, QdrantConfig};

pub(super) fn read(env: &mut Settings) -> Option<OpenAiConfig> {
    let (url, key) = (env.text("OPENAI_BASE_URL"), env.text("OPENAI_API_KEY"));
    let wanted = match env.text("SCORER").as_deref() {
        None => url.is_some() || key.is_some(),
        Some("baseline") => false,
        Some("openai") => true,
        Some(other) => {
            env.mistake("SCORER", format!("`{other}` is unknown"), "give baseline or openai");
            false
        }
    };
    if !wanted {
        return None;
    }
    let model = env.text("OPENAI_MODEL");
    if model.is_none() {
        env.mistake("OPENAI_MODEL", "is not set", "name the model to ask, e.g. gpt-4o-mini");
    }
    let timeout = Duration::from_secs(env.number("OPENAI_TIMEOUT_S", 60, 1..=600));
    let url = url.unwrap_or_else(|| "https://api.openai.com/v1".to_owned());
    let mut embeddings = read_embeddings(env, &url, key.as_deref());
    match (&mut embeddings, read_qdrant(env)) {
        (Some(embeddings), qdrant) => embeddings.qdrant = qdrant,
        (None, Some(_)) => {
            env.mistake(
                "EMBEDDINGS_MODEL",
                "is not set, and QDRANT_URL needs it",
                "name the model that makes vectors",
            );
        }
        (None, None) => {}
    }
    let mut config = OpenAiConfig::new(url, key.map(ApiKey::new), model?);
    config.embeddings = embeddings;
    config.call_timeout = timeout;
    Some(config)
}

fn read_qdrant(env: &Settings) -> Option<QdrantConfig> {
    let mut config = QdrantConfig::new(env.text("QDRANT_URL")?);
    config.api_key = env.text("QDRANT_API_KEY").map(ApiKey::new);
    if let Some(collection) = env.text("QDRANT_COLLECTION") {
        config.collection = collection;
    }
    Some(config)
}

fn read_embeddings(env: &Settings, chat_url: &str, chat_key: Option<&str>) -> Option<EmbeddingsConfig> {
    let (url, key) = (env.text("EMBEDDINGS_BASE_URL"), env.text("EMBEDDINGS_API_KEY"));
    let model = env.text("EMBEDDINGS_MODEL")?;
    // A key is sent to the address it was given for and to no other.
    let key = match &url {
        None => key.or_else(|| chat_key.map(str::to_owned)),
        Some(_) => key,
    };
    Some(EmbeddingsConfig::new(url.unwrap_or_else(|| chat_url.to_owned()), key.map(ApiKey::new), model))
}
