//! A YAML file as a JSON value, for files whose form serde checks.

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};
use serde_json::{Map, Number, Value};

const MAX_DEPTH: usize = 32;

/// Every document of a file.
///
/// # Errors
/// `line: what`, for what is not YAML and for aliases, which these files have no need of.
pub(super) fn documents(text: &str) -> Result<Vec<Value>, String> {
    let mut parser = Parser::new_from_str(text);
    let mut documents = Vec::new();
    while let Some((event, line)) = next(&mut parser)? {
        if matches!(event, Event::DocumentStart(_)) {
            let (event, line) = need(&mut parser, line)?;
            documents.push(value(event, line, &mut parser, 0)?);
        }
    }
    Ok(documents)
}

type Events<'a> = Parser<'a, StrInput<'a>>;

fn next<'a>(parser: &mut Events<'a>) -> Result<Option<(Event<'a>, usize)>, String> {
    match parser.next_event() {
        None => Ok(None),
        Some(Ok((event, span))) => Ok(Some((event, span.start.line()))),
        Some(Err(error)) => Err(format!("{}: {}", error.marker().line(), error.info())),
    }
}

fn need<'a>(parser: &mut Events<'a>, line: usize) -> Result<(Event<'a>, usize), String> {
    next(parser)?.ok_or_else(|| format!("{line}: the file ends in the middle"))
}

fn value<'a>(event: Event<'a>, line: usize, parser: &mut Events<'a>, depth: usize) -> Result<Value, String> {
    if depth > MAX_DEPTH {
        return Err(format!("{line}: nested more than {MAX_DEPTH} deep"));
    }
    match event {
        Event::Scalar(text, style, ..) => Ok(scalar(&text, style)),
        Event::SequenceStart(..) => {
            let mut items = Vec::new();
            loop {
                let (event, line) = need(parser, line)?;
                if matches!(event, Event::SequenceEnd) {
                    return Ok(Value::Array(items));
                }
                items.push(value(event, line, parser, depth + 1)?);
            }
        }
        Event::MappingStart(..) => {
            let mut entries = Map::new();
            loop {
                let (key, line) = need(parser, line)?;
                let key = match key {
                    Event::MappingEnd => return Ok(Value::Object(entries)),
                    Event::Scalar(text, ..) => text.into_owned(),
                    _ => return Err(format!("{line}: a key must be a word")),
                };
                let (event, line) = need(parser, line)?;
                let entry = value(event, line, parser, depth + 1)?;
                if entries.insert(key.clone(), entry).is_some() {
                    return Err(format!("{line}: `{key}` is there twice"));
                }
            }
        }
        Event::Alias(_) => Err(format!("{line}: aliases are not read here. hint: write it out")),
        _ => Err(format!("{line}: unexpected end")),
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::String(text.to_owned());
    }
    match text {
        "" | "~" | "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => {
            let whole = text.parse::<i64>().ok().map(Number::from);
            let digits = text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first));
            let number =
                whole.or_else(|| text.parse::<f64>().ok().filter(|_| digits).and_then(Number::from_f64));
            number.map_or_else(|| Value::String(text.to_owned()), Value::Number)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words_get_their_types_and_quoted_ones_stay() {
        let got =
            documents("a: 1\nb: [1.5, x, \"2\", true]\nc: {d: ~, e: 500m}\n---\n- 7\n").expect("it is YAML");
        assert_eq!(
            got[0],
            serde_json::json!({"a": 1, "b": [1.5, "x", "2", true], "c": {"d": null, "e": "500m"}})
        );
        assert_eq!(got[1], serde_json::json!([7]));
    }

    #[test]
    fn mistakes_have_a_line() {
        assert!(documents("a: 1\na: 2\n").expect_err("twice").starts_with("2: `a` is there twice"));
        assert!(documents("a: &x 1\nb: *x\n").expect_err("alias").starts_with("2: "));
        assert!(documents("a: [1\n").is_err());
    }
}
