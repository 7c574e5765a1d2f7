//! As much of JSON Schema (2020-12) as our document uses; anything else in a schema is a test failure, not a pass.

use serde_json::{Map, Value};

/// What of `value` breaks `schema`, path first; empty when nothing does.
pub(crate) fn violations(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(document, schema, value, "$", &mut found);
    found
}

fn check(document: &Value, schema: &Value, value: &Value, path: &str, found: &mut Vec<String>) {
    let Some(rules) = schema.as_object() else { return found.push(format!("{path}: schema is no object")) };
    for (keyword, rule) in rules {
        match keyword.as_str() {
            "$ref" => {
                let pointer = rule.as_str().unwrap().trim_start_matches('#');
                let target = document.pointer(pointer).unwrap_or_else(|| panic!("dangling {pointer}"));
                check(document, target, value, path, found);
            }
            "type" if !has_type(rule, value) => found.push(format!("{path}: {value} is not {rule}")),
            "enum" if !rule.as_array().unwrap().contains(value) => {
                found.push(format!("{path}: {value} not in {rule}"))
            }
            "oneOf" => {
                let fits = |option: &&Value| violations(document, option, value).is_empty();
                if rule.as_array().unwrap().iter().filter(fits).count() != 1 {
                    found.push(format!("{path}: not exactly one of {rule}"));
                }
            }
            "allOf" => check(document, &merged(document, rule), value, path, found),
            "properties" => properties(document, rules, value, path, found),
            "required" => {
                for name in rule.as_array().unwrap() {
                    if value.is_object() && value.get(name.as_str().unwrap()).is_none() {
                        found.push(format!("{path}: {name} is missing"));
                    }
                }
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(document, rule, item, &format!("{path}[{index}]"), found);
                }
            }
            "minimum" if value.as_f64().is_some_and(|number| Some(number) < rule.as_f64()) => {
                found.push(format!("{path}: below {rule}"))
            }
            "maximum" if value.as_f64().is_some_and(|number| Some(number) > rule.as_f64()) => {
                found.push(format!("{path}: above {rule}"))
            }
            "type"
            | "enum"
            | "minimum"
            | "maximum"
            | "description"
            | "example"
            | "format"
            | "additionalProperties" => {}
            other => panic!("the checker does not know `{other}` (at {path})"),
        }
    }
}

/// One schema of an object for all parts of an `allOf`, each of which declares some of the properties.
fn merged(document: &Value, parts: &Value) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for part in parts.as_array().unwrap() {
        let part = part.get("$ref").and_then(Value::as_str).map_or(part, |reference| {
            document.pointer(reference.trim_start_matches('#')).expect("no dangling reference")
        });
        assert_eq!(part["type"], "object", "only objects can be merged: {part}");
        properties.extend(part["properties"].as_object().cloned().unwrap_or_default());
        required.extend(part["required"].as_array().cloned().unwrap_or_default());
    }
    serde_json::json!({ "type": "object", "properties": properties, "required": required })
}

/// Every property that is there must be declared: the document is to be true, not merely not false.
fn properties(
    document: &Value,
    rules: &Map<String, Value>,
    value: &Value,
    path: &str,
    found: &mut Vec<String>,
) {
    for (name, item) in value.as_object().into_iter().flatten() {
        match rules["properties"].get(name) {
            Some(schema) => check(document, schema, item, &format!("{path}.{name}"), found),
            None => found.push(format!("{path}: {name} is not declared")),
        }
    }
}

fn has_type(rule: &Value, value: &Value) -> bool {
    let is = |name: &Value| match name.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("unknown type {other}"),
    };
    rule.as_array().map_or_else(|| is(rule), |names| names.iter().any(is))
}
