//! What the model has to answer in each step, as a schema for the provider and as rules that are checked here.

use serde_json::{Map, Value, json};

use crate::rubric::{MAX_SCORE, MIN_SCORE, lines};
use crate::scored::{Parameter, Section};
use crate::text::shorten;

/// The scores of one section with the model's remarks.
#[derive(Debug)]
pub(crate) struct Evaluation {
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) feedback: String,
    /// Quotations that are not in the document, and were dropped.
    pub(crate) invented_quotes: usize,
}

/// The texts of the last step.
#[derive(Debug)]
pub(crate) struct Refined {
    pub(crate) cv_feedback: String,
    pub(crate) project_feedback: String,
    pub(crate) overall_summary: String,
}

/// Longest text of an answer that is kept, in characters.
const MAX_TEXT_CHARS: usize = 2_000;
/// Quotations kept of one parameter, and the length of each in characters.
const MAX_QUOTES: usize = 5;
const QUOTE_CHARS: usize = 240;

/// JSON schema of a section's evaluation. There is no place for totals in it: those are computed by us.
pub(crate) fn evaluation_schema(section: Section) -> Value {
    let parameter = json!({
        "type": "object",
        "properties": {
            "score": { "type": "number", "enum": [1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5] },
            "evidence": { "type": "array", "items": { "type": "string" } },
            "reason": { "type": "string" },
        },
        "required": ["score", "evidence", "reason"],
        "additionalProperties": false,
    });
    let mut properties: Map<String, Value> =
        lines(section).map(|line| (line.name.to_owned(), parameter.clone())).collect();
    properties.insert("feedback".to_owned(), json!({ "type": "string" }));
    closed_object(properties)
}

/// JSON schema of the last step.
pub(crate) fn refined_schema() -> Value {
    let names = ["cv_feedback", "project_feedback", "overall_summary"];
    closed_object(names.iter().map(|name| ((*name).to_owned(), json!({ "type": "string" }))).collect())
}

fn closed_object(properties: Map<String, Value>) -> Value {
    let required: Vec<String> = properties.keys().cloned().collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

/// Reads a section's evaluation from a model's answer. Fields that nobody asked for are ignored.
///
/// # Errors
/// The first rule that the answer breaks, in words that help the model to mend it.
pub(crate) fn read_evaluation(content: &str, section: Section, document: &str) -> Result<Evaluation, String> {
    let answer = object_in(content)?;
    let document = fold(document);
    let mut parameters = Vec::new();
    let mut invented_quotes = 0;
    for line in lines(section) {
        let name = line.name;
        let given = answer
            .get(name)
            .and_then(Value::as_object)
            .ok_or_else(|| format!("`{name}` is missing or no object"))?;
        let score = given
            .get("score")
            .and_then(Value::as_f64)
            .ok_or_else(|| format!("`{name}.score` is missing or no number"))?;
        if !(MIN_SCORE..=MAX_SCORE).contains(&score) || (score * 2.0).fract() != 0.0 {
            return Err(format!("`{name}.score` is {score}, but must be 1 to 5 in steps of 0.5"));
        }
        let reason = text_of(given, "reason").map_err(|why| format!("`{name}.{why}"))?;
        let quotes = given
            .get("evidence")
            .and_then(Value::as_array)
            .ok_or_else(|| format!("`{name}.evidence` is missing or no list"))?;
        let mut evidence = Vec::new();
        for quote in quotes {
            let quote =
                quote.as_str().ok_or_else(|| format!("`{name}.evidence` holds something else than text"))?;
            let folded = fold(quote);
            if folded.is_empty() {
                continue;
            }
            if !document.contains(&folded) {
                invented_quotes += 1;
            } else if evidence.len() < MAX_QUOTES {
                evidence.push(bounded(quote, QUOTE_CHARS));
            }
        }
        if evidence.is_empty() {
            evidence.push(bounded(&reason, QUOTE_CHARS));
        }
        parameters.push(Parameter { section, name: name.to_owned(), weight: line.weight, score, evidence });
    }
    let feedback = text_of(&answer, "feedback").map_err(|why| format!("`{why}"))?;
    Ok(Evaluation { parameters, feedback, invented_quotes })
}

/// Reads the texts of the last step.
///
/// # Errors
/// The first rule that the answer breaks.
pub(crate) fn read_refined(content: &str) -> Result<Refined, String> {
    let answer = object_in(content)?;
    let text = |name: &str| text_of(&answer, name).map_err(|why| format!("`{why}"));
    Ok(Refined {
        cv_feedback: text("cv_feedback")?,
        project_feedback: text("project_feedback")?,
        overall_summary: text("overall_summary")?,
    })
}

/// A model that declines says so at the start; the same words in the middle of a review mean nothing. Only asked about
/// answers that broke the schema.
pub(crate) fn is_refusal(content: &str) -> bool {
    const BEGINNINGS: [&str; 12] = [
        "i'm sorry, but i can",
        "i am sorry, but i can",
        "i'm sorry, i can",
        "sorry, but i can",
        "sorry, i can",
        "i cannot assist",
        "i can't assist",
        "i cannot help",
        "i can't help",
        "i'm unable to",
        "i am unable to",
        "as an ai language model, i can",
    ];
    let start: String =
        content.trim_start().chars().take(60).collect::<String>().to_lowercase().replace('’', "'");
    BEGINNINGS.iter().any(|beginning| start.starts_with(beginning))
}

/// The JSON object in an answer. Models like to wrap it into a code block or a sentence.
fn object_in(content: &str) -> Result<Map<String, Value>, String> {
    let start = content.find('{').ok_or("the answer holds no JSON object")?;
    let mut values = serde_json::Deserializer::from_str(&content[start..]).into_iter::<Value>();
    match values.next() {
        Some(Ok(Value::Object(object))) => Ok(object),
        Some(Err(error)) if error.is_eof() => Err("the JSON object is cut off".to_owned()),
        Some(Err(error)) => Err(format!("the answer is no valid JSON: {error}")),
        _ => Err("the answer is no JSON object".to_owned()),
    }
}

fn text_of(object: &Map<String, Value>, name: &str) -> Result<String, String> {
    let text =
        object.get(name).and_then(Value::as_str).ok_or_else(|| format!("{name}` is missing or no text"))?;
    let text = bounded(text, MAX_TEXT_CHARS);
    if text.is_empty() { Err(format!("{name}` is empty")) } else { Ok(text) }
}

/// Without control characters, blanks at the ends, or more than `max_chars` characters.
fn bounded(text: &str, max_chars: usize) -> String {
    let clean: String =
        text.chars().filter(|character| !character.is_control() || *character == '\n').collect();
    shorten(clean.trim(), max_chars)
}

/// For comparing quotations: lower case, blanks folded, quotation marks and a closing full stop left out.
fn fold(text: &str) -> String {
    let straight = text.to_lowercase().replace(['’', '‘'], "'").replace(['“', '”', '"', '…'], "");
    straight.split_whitespace().collect::<Vec<_>>().join(" ").trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(score: Value) -> Value {
        let mut answer = Map::new();
        for line in lines(Section::Cv) {
            let parameter = json!({ "score": score, "evidence": ["Built  a queue."], "reason": "seen" });
            answer.insert(line.name.to_owned(), parameter);
        }
        answer.insert("feedback".to_owned(), json!("Good."));
        answer.insert("cv_match_rate".to_owned(), json!(17));
        Value::Object(answer)
    }

    fn read(content: &str) -> Result<Evaluation, String> {
        read_evaluation(content, Section::Cv, "I built a queue. It held.")
    }

    #[test]
    fn an_answer_may_be_wrapped_and_may_hold_more() {
        let plain = answer(json!(3.5)).to_string();
        for content in
            [plain.clone(), format!("Here it is:\n```json\n{plain}\n```\nUnfortunately I cannot say more.")]
        {
            let evaluation = read(&content).expect("valid");
            assert_eq!(evaluation.parameters.len(), 4);
            assert!(evaluation.parameters.iter().all(|parameter| parameter.score == 3.5));
            assert_eq!(evaluation.parameters[0].evidence, ["Built  a queue."]);
        }
    }

    #[test]
    fn each_broken_rule_is_named() {
        for (score, part) in [
            (json!(0), "0"),
            (json!(6), "6"),
            (json!(3.7), "3.7"),
            (json!("4"), "no number"),
            (Value::Null, "no number"),
        ] {
            let why = read(&answer(score).to_string()).expect_err("broken");
            assert!(why.contains(part), "{why}");
        }
        let mut missing = answer(json!(3));
        missing.as_object_mut().expect("object").remove("culture");
        assert!(read(&missing.to_string()).expect_err("missing").contains("`culture`"));
        let mut empty = answer(json!(3));
        empty["feedback"] = json!(" \n");
        assert!(read(&empty.to_string()).expect_err("empty").contains("`feedback` is empty"));
        let whole = answer(json!(3)).to_string();
        assert!(read(&whole[..whole.len() - 5]).expect_err("cut").contains("cut off"));
        assert!(read("no").expect_err("none").contains("no JSON"));
    }

    #[test]
    fn invented_quotations_are_dropped_and_counted() {
        let mut invented = answer(json!(3));
        invented["culture"]["evidence"] = json!(["It held", "Won a Nobel prize"]);
        let evaluation = read(&invented.to_string()).expect("valid");
        assert_eq!(evaluation.parameters[3].evidence, ["It held"]);
        assert_eq!(evaluation.invented_quotes, 1);
    }

    #[test]
    fn only_the_beginning_of_an_answer_can_be_a_refusal() {
        assert!(is_refusal("I’m sorry, but I can’t help with that."));
        assert!(!is_refusal("The candidate says: I'm sorry, but I can not come."));
    }

    proptest::proptest! {
        #[test]
        fn no_answer_makes_the_reader_panic(content in "(\\PC|\\{|\\}|\"culture\":|\\[|\\]|5){0,40}") {
            let _ = (read(&content), read_refined(&content), is_refusal(&content));
        }
    }
}
