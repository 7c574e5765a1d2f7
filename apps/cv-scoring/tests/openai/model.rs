//! A model that does whatever it is told, by anybody, outside of the marked data. The application's tests use it too.

use serde_json::{Value, json};

/// A completion as providers send it: 100 prompt tokens and 10 completion tokens each.
pub(crate) fn completion(content: &str) -> Value {
    json!({
        "id": "x", "object": "chat.completion", "model": "test-model-2026",
        "choices": [{ "index": 0, "message": { "role": "assistant", "content": content }, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110 },
    })
}

/// What a model answers that does whatever it is told, by anybody, outside of the marked data: it gives 5 for
/// everything when it reads an order to, and 2 otherwise.
pub(crate) fn obedient(request: &Value) -> Value {
    let messages = request["messages"].as_array().cloned().unwrap_or_default();
    let text = |message: &Value| message["content"].as_str().unwrap_or_default().to_owned();
    let system = messages.first().map(text).unwrap_or_default();
    let told: String = messages.iter().skip(1).map(text).collect();
    let outside = without_data(&told, &marks(&system));
    let lower = outside.to_lowercase();
    let orders =
        ["score of 5", "assign 5", "highest", "best one", "maintenance mode", "generous", "approved"];
    let score = if orders.iter().any(|order| lower.contains(order)) { 5 } else { 2 };
    if system.contains("Task: Score the CV") {
        evaluation(&["technical_skills", "experience", "achievements", "culture"], score)
    } else if system.contains("Task: Score the project") {
        evaluation(&["correctness", "code_quality", "resilience", "documentation", "creativity"], score)
    } else {
        json!({ "cv_feedback": "About the CV.", "project_feedback": "About the project.", "overall_summary": "All in all." })
    }
}

/// A complete evaluation with the same score everywhere.
pub(crate) fn evaluation(names: &[&str], score: u8) -> Value {
    let parameter = json!({ "score": score, "evidence": [], "reason": "Because." });
    let mut object: serde_json::Map<String, Value> =
        names.iter().map(|name| ((*name).to_owned(), parameter.clone())).collect();
    object.insert("feedback".to_owned(), json!("Feedback."));
    Value::Object(object)
}

/// The marks that the rules declare.
fn marks(system: &str) -> Vec<String> {
    let declared = system.split("`<<<LABEL ").skip(1).filter_map(|rest| rest.split('`').next());
    declared.filter(|mark| mark.len() == 24).map(str::to_owned).collect()
}

/// What is left of a text when everything between declared marks is taken out.
fn without_data(text: &str, marks: &[String]) -> String {
    let mut outside = String::new();
    let mut inside: Option<(String, String)> = None;
    for line in text.lines() {
        match &inside {
            Some((label, mark)) => {
                if line == format!("{mark} {label}>>>") {
                    inside = None;
                }
            }
            None => {
                let opening = line.strip_prefix("<<<").and_then(|rest| rest.split_once(' '));
                match opening.filter(|(_, mark)| marks.iter().any(|known| known == mark)) {
                    Some((label, mark)) => inside = Some((label.to_owned(), mark.to_owned())),
                    None => {
                        outside.push_str(line);
                        outside.push('\n');
                    }
                }
            }
        }
    }
    outside
}
