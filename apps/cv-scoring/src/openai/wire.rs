//! The part of the chat completions protocol that is used, and how a provider's refusals of optional fields are met.

use std::sync::Mutex;
use std::sync::PoisonError;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// One message of a conversation.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Message {
    pub(crate) role: &'static str,
    pub(crate) content: String,
}

/// A provider's answer, as far as it is read. Fields that are missing are missing: nothing is made up for them.
#[derive(Debug, Deserialize)]
pub(crate) struct Completion {
    pub(crate) model: Option<String>,
    pub(crate) choices: Vec<Choice>,
    pub(crate) usage: Option<Usage>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Choice {
    pub(crate) message: Answer,
    pub(crate) finish_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Answer {
    pub(crate) content: Option<String>,
    pub(crate) refusal: Option<String>,
}

/// An answer of the embeddings endpoint.
#[derive(Debug, Deserialize)]
pub(crate) struct Vectors {
    pub(crate) data: Vec<Vector>,
    pub(crate) usage: Option<Usage>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Vector {
    pub(crate) index: usize,
    pub(crate) embedding: Vec<f32>,
}

/// Tokens as the provider counted them.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct Usage {
    pub(crate) prompt_tokens: Option<u64>,
    pub(crate) completion_tokens: Option<u64>,
}

/// Which optional fields this provider and model take. Learned from refusals, kept for the life of the scorer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dialect {
    format: Format,
    /// Newer models call it `max_completion_tokens` and refuse the old name.
    old_token_limit: bool,
    temperature: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Schema,
    Object,
    Text,
}

/// The dialect, shared between cases.
#[derive(Debug)]
pub(crate) struct Learned(Mutex<Dialect>);

/// What one request asks for.
pub(crate) struct Ask<'a> {
    pub(crate) model: &'a str,
    pub(crate) messages: &'a [Message],
    pub(crate) schema_name: &'a str,
    pub(crate) schema: &'a Value,
    pub(crate) temperature: f64,
    pub(crate) max_tokens: u32,
}

// === impl Dialect ===

impl Dialect {
    pub(crate) fn new(json_schema: bool) -> Self {
        let format = if json_schema { Format::Schema } else { Format::Text };
        Self { format, old_token_limit: true, temperature: true }
    }

    /// The request body in this dialect.
    pub(crate) fn body(&self, ask: &Ask<'_>) -> Value {
        let mut body = json!({ "model": ask.model, "messages": ask.messages });
        match self.format {
            Format::Schema => {
                let schema = json!({ "name": ask.schema_name, "strict": true, "schema": ask.schema });
                body["response_format"] = json!({ "type": "json_schema", "json_schema": schema });
            }
            Format::Object => body["response_format"] = json!({ "type": "json_object" }),
            Format::Text => {}
        }
        let limit = if self.old_token_limit { "max_tokens" } else { "max_completion_tokens" };
        body[limit] = json!(ask.max_tokens);
        if self.temperature {
            body["temperature"] = json!(ask.temperature);
        }
        body
    }

    /// The dialect to try after the provider refused a request with this message; none when it is about something else.
    pub(crate) fn after_refusal(self, message: &str) -> Option<Self> {
        let message = message.to_lowercase();
        if message.contains("max_tokens") && self.old_token_limit {
            return Some(Self { old_token_limit: false, ..self });
        }
        if message.contains("temperature") && self.temperature {
            return Some(Self { temperature: false, ..self });
        }
        let about_format =
            ["response_format", "json_schema", "json schema", "structured output", "json_object"];
        if about_format.iter().any(|word| message.contains(word)) {
            return match self.format {
                Format::Schema => Some(Self { format: Format::Object, ..self }),
                Format::Object => Some(Self { format: Format::Text, ..self }),
                Format::Text => None,
            };
        }
        None
    }
}

// === impl Learned ===

impl Learned {
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self(Mutex::new(dialect))
    }

    pub(crate) fn get(&self) -> Dialect {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of what `used` was refused for; false when there is nothing left to leave out.
    pub(crate) fn learn(&self, used: Dialect, message: &str) -> bool {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match used.after_refusal(message) {
            Some(next) => {
                // Another case may have learned more in the meantime.
                if *current == used {
                    *current = next;
                }
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_fields_are_left_out_one_by_one_and_then_no_more() {
        let learned = Learned::new(Dialect::new(true));
        let messages = [
            "Unsupported parameter: 'max_tokens', use 'max_completion_tokens'",
            "'temperature' does not support 0.2",
            "response_format json_schema is not supported by this model",
            "response_format is not supported",
        ];
        for message in messages {
            assert!(learned.learn(learned.get(), message), "{message}");
        }
        for message in messages {
            assert!(!learned.learn(learned.get(), message), "{message}");
        }
        let ask = Ask {
            model: "m",
            messages: &[],
            schema_name: "s",
            schema: &Value::Null,
            temperature: 0.2,
            max_tokens: 9,
        };
        let body = learned.get().body(&ask);
        assert_eq!(body, json!({ "model": "m", "messages": [], "max_completion_tokens": 9 }));
        assert!(!Learned::new(Dialect::new(true)).learn(Dialect::new(true), "context length exceeded"));
    }
}
