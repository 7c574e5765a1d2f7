//! Headers of records and messages, and their form as JSON: text stays text, other bytes become `{"base64":"…"}`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// Names and values in order; a name may come more than once, a value may be absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, Option<Vec<u8>>)>);

// === impl Headers ===

impl Headers {
    /// The last value of this name, as later ones overwrite earlier ones in Kafka's own conventions.
    #[must_use]
    pub fn last(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().rev().find(|(n, _)| n == name)?.1.as_deref()
    }

    /// Adds one at the end.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) {
        self.0.push((name.into(), Some(value.into())));
    }

    /// As an object, the last of each name.
    #[cfg(feature = "broker")]
    pub(crate) fn to_object(&self) -> Value {
        Value::Object(self.0.iter().map(|(n, v)| (n.clone(), bytes_to_json(v.as_deref()))).collect())
    }

    /// As a list of pairs, which keeps all of them and their order.
    pub(crate) fn to_list(&self) -> String {
        Value::Array(self.0.iter().map(|(n, v)| json!([n, bytes_to_json(v.as_deref())])).collect())
            .to_string()
    }

    /// What [`Headers::to_list`] wrote; anything else reads as none.
    #[cfg(feature = "broker")]
    pub(crate) fn from_list(text: &str) -> Self {
        let pairs: Vec<(String, Value)> = serde_json::from_str(text).unwrap_or_default();
        Self(pairs.into_iter().map(|(n, v)| (n, json_to_bytes(&v))).collect())
    }
}

/// Bytes as JSON: a string where they are text, null where there are none.
pub(crate) fn bytes_to_json(bytes: Option<&[u8]>) -> Value {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => Value::Null,
        // The queue's payloads hold no NUL.
        Some((_, Ok(text))) if !text.contains('\0') => text.into(),
        Some((bytes, _)) => {
            let mut object = Map::new();
            object.insert("base64".to_owned(), STANDARD.encode(bytes).into());
            Value::Object(object)
        }
    }
}

#[cfg(feature = "broker")]
fn json_to_bytes(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.clone().into_bytes()),
        Value::Object(object) => STANDARD.decode(object.get("base64")?.as_str()?).ok(),
        _ => None,
    }
}

#[cfg(all(test, feature = "broker"))]
mod tests {
    use super::*;

    #[test]
    fn headers_survive_the_database_in_order() {
        let mut headers = Headers::default();
        headers.push("traceparent", "00-1-2-01");
        headers.push("raw", [0xff, 0x00]);
        headers.0.push(("none".to_owned(), None));
        headers.push("raw", "second");
        assert_eq!(Headers::from_list(&headers.to_list()), headers);
        assert_eq!(headers.last("raw"), Some(b"second".as_slice()));
        assert_eq!(headers.to_object(), json!({ "traceparent": "00-1-2-01", "raw": "second", "none": null }));
    }
}
