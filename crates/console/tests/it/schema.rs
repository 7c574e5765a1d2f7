//! Checks a JSON value against a schema of an OpenAPI 3.1 document, as far as ours uses the language.

use serde_json::{Map, Value};

/// Every way in which `value` is not what `schema` says; `components` resolves references.
pub(crate) fn faults(value: &Value, schema: &Value, document: &Value, at: &str) -> Vec<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.strip_prefix('#').expect("a local reference");
        let target = document.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere"));
        return faults(value, target, document, at);
    }
    for key in ["oneOf", "anyOf"] {
        if let Some(choices) = schema[key].as_array() {
            let fits = choices.iter().any(|choice| faults(value, choice, document, at).is_empty());
            return if fits { vec![] } else { vec![format!("{at}: fits none of {key}")] };
        }
    }
    let mut found = Vec::new();
    if !types(schema).is_empty() && !types(schema).iter().any(|name| is_a(value, name)) {
        found.push(format!("{at}: {value} is not {}", schema["type"]));
    }
    if let (Some(least), Some(number)) = (schema["minimum"].as_f64(), value.as_f64())
        && number < least
    {
        found.push(format!("{at}: {number} is less than {least}"));
    }
    if let Value::Array(items) = value {
        for (index, item) in items.iter().enumerate() {
            found.extend(faults(item, &schema["items"], document, &format!("{at}[{index}]")));
        }
    }
    if let (Value::Object(fields), Some(known)) = (value, schema["properties"].as_object()) {
        found.extend(object_faults(fields, known, schema, document, at));
    }
    found
}

fn object_faults(
    fields: &Map<String, Value>,
    known: &Map<String, Value>,
    schema: &Value,
    document: &Value,
    at: &str,
) -> Vec<String> {
    let mut found = Vec::new();
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            found.push(format!("{at}: {name} is missing"));
        }
    }
    for (name, value) in fields {
        match known.get(name) {
            Some(schema) => found.extend(faults(value, schema, document, &format!("{at}.{name}"))),
            None => found.push(format!("{at}: {name} is not in the document")),
        }
    }
    found
}

fn types(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    }
}

fn is_a(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("unknown type {other}"),
    }
}
