//! Kubernetes quantities at the border of the spec types: milli-units inside, text such as `1500m` or `2` outside.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// A quantity as YAML and JSON write it: quoted text or a bare number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Integer(i64),
    Real(f64),
}

/// `Option<i64>` milli-units.
pub(super) mod milli {
    use serde::{Deserializer, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(value: &Option<i64>, to: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(milli) if milli % 1000 == 0 => to.serialize_str(&(milli / 1000).to_string()),
            Some(milli) => to.serialize_str(&format!("{milli}m")),
            None => to.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
        super::number::<D, _>(from, 1000.0, |value| value.ceil() as i64)
    }
}

/// `Option<f64>` fraction, used by `tolerance`.
pub(super) mod fraction {
    use serde::{Deserializer, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(value: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => to.serialize_str(&value.to_string()),
            None => to.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
        super::number::<D, _>(from, 1.0, |value| value)
    }
}

fn number<'de, D: Deserializer<'de>, T>(
    from: D,
    unit: f64,
    to: impl Fn(f64) -> T,
) -> Result<Option<T>, D::Error> {
    let text = match Option::<Written>::deserialize(from)? {
        None => return Ok(None),
        Some(Written::Integer(value)) => value.to_string(),
        Some(Written::Real(value)) => value.to_string(),
        Some(Written::Text(text)) => text,
    };
    let (digits, scale) = SUFFIXES
        .iter()
        .find_map(|(suffix, scale)| text.strip_suffix(suffix).map(|digits| (digits, *scale)))
        .unwrap_or((text.as_str(), 1.0));
    let value: f64 = digits.parse().map_err(|_| D::Error::custom(format!("`{text}` is not a quantity")))?;
    Ok(Some(to(value * scale * unit)))
}

const SUFFIXES: &[(&str, f64)] = &[
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
];
