//! Writes the parts of a stack file.

use crate::node::{Kind, Node, Scalar, Value};

/// A value to be written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Yaml {
    /// Written plain when it reads back as the same text, else in quotes.
    Text(String),
    /// Written as it is: a number.
    Number(String),
    List(Vec<Yaml>),
    Map(Vec<(String, Yaml)>),
}

/// Lists of words up to this width are written on one line.
const WIDTH: usize = 90;

/// Keys and values.
pub(crate) fn map<const N: usize>(entries: [(&str, Yaml); N]) -> Yaml {
    Yaml::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// A text.
pub(crate) fn text(text: impl Into<String>) -> Yaml {
    Yaml::Text(text.into())
}

/// A number.
pub(crate) fn number(number: impl ToString) -> Yaml {
    Yaml::Number(number.to_string())
}

// === impl Yaml ===

impl Yaml {
    /// The value as block YAML, ending with a line break.
    pub(crate) fn render(&self) -> String {
        let mut out = String::new();
        self.write(0, &mut out);
        out
    }

    /// Writes at a line start.
    fn write(&self, indent: usize, out: &mut String) {
        match self {
            Yaml::Map(entries) if !entries.is_empty() => {
                for (index, (key, value)) in entries.iter().enumerate() {
                    if index > 0 {
                        out.push_str(&" ".repeat(indent));
                    }
                    out.push_str(&scalar(key));
                    out.push(':');
                    value.write_behind_key(indent, out);
                }
            }
            Yaml::List(items) if !items.is_empty() && self.inline(indent).is_none() => {
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push_str(&" ".repeat(indent));
                    }
                    out.push_str("- ");
                    item.write(indent + 2, out);
                }
            }
            _ => {
                out.push_str(&self.inline(indent).unwrap_or_default());
                out.push('\n');
            }
        }
    }

    fn write_behind_key(&self, indent: usize, out: &mut String) {
        if let Some(inline) = self.inline(indent) {
            out.push(' ');
            out.push_str(&inline);
            out.push('\n');
            return;
        }
        out.push('\n');
        out.push_str(&" ".repeat(indent + 2));
        self.write(indent + 2, out);
    }

    /// The value on one line: scalars, what is empty, and short lists of scalars.
    fn inline(&self, indent: usize) -> Option<String> {
        match self {
            Yaml::Text(text) => Some(scalar(text)),
            Yaml::Number(number) => Some(number.clone()),
            Yaml::Map(entries) => entries.is_empty().then(|| "{}".to_owned()),
            Yaml::List(items) if items.is_empty() => Some("[]".to_owned()),
            Yaml::List(items) => {
                let scalar = |item: &Yaml| match item {
                    Yaml::Text(_) | Yaml::Number(_) => item.inline(0),
                    _ => None,
                };
                let words: Vec<String> = items.iter().map(scalar).collect::<Option<_>>()?;
                let line = format!("[{}]", words.join(", "));
                (indent + line.len() < WIDTH).then_some(line)
            }
        }
    }
}

impl From<&Node> for Yaml {
    fn from(node: &Node) -> Yaml {
        match &node.value {
            Value::Scalar(scalar) if matches!(scalar.kind(), Kind::Number | Kind::Bool) => {
                Yaml::Number(scalar.text.clone())
            }
            Value::Scalar(scalar) => Yaml::Text(scalar.text.clone()),
            Value::List(items) => Yaml::List(items.iter().map(Yaml::from).collect()),
            Value::Map(entries) => {
                let entries = entries.iter().filter(|entry| !entry.value.is_null());
                Yaml::Map(entries.map(|entry| (entry.key.clone(), Yaml::from(&entry.value))).collect())
            }
        }
    }
}

/// A text, plain when that cannot be misread in a block or in a `[list]`, by YAML 1.1 or 1.2.
fn scalar(text: &str) -> String {
    let safe =
        |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.' | '/' | '+' | '=' | '~');
    let starts =
        text.chars().next().is_some_and(|char| char.is_ascii_alphanumeric() || matches!(char, '/' | '_'));
    let word = Scalar { text: text.to_owned(), plain: true };
    let old_bool = matches!(text.to_ascii_lowercase().as_str(), "y" | "n" | "yes" | "no" | "on" | "off");
    if starts && text.chars().all(safe) && word.kind() == Kind::Text && !old_bool && !reads_as_number(text) {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            char if char.is_control() || matches!(char, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                quoted.push_str(&format!("\\U{:08x}", u32::from(char)));
            }
            char => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}

/// Digits with separators are numbers, dates or times to some readers.
fn reads_as_number(text: &str) -> bool {
    text.starts_with(|char: char| char.is_ascii_digit())
        && text
            .chars()
            .all(|char| char.is_ascii_hexdigit() || matches!(char, '_' | '-' | '.' | 'x' | 'o' | '+'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::diagnostic::Sink;

    /// The value as it reads back; everything that is no list or mapping as text.
    fn read(source: &str) -> Yaml {
        let mut sink = Sink::default();
        let node = crate::load::document(source.as_bytes(), &mut sink);
        node.map(|node| Yaml::from(&node)).unwrap_or_else(|| panic!("unreadable:\n{source}"))
    }

    fn value() -> impl Strategy<Value = Yaml> {
        let leaf = prop_oneof![
            "\\PC{0,12}|[-:#\\[\\]{}&*!|>'\"%@` ~]{1,4}|yes|null|1e3|0x1f|\\.5|a\nb\t\u{1}"
                .prop_map(Yaml::Text),
            (0u32..1000).prop_map(number),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Yaml::List),
                proptest::collection::btree_map("[a-z#: -]{1,6}|<<", inner, 0..4)
                    .prop_map(|entries| Yaml::Map(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value in value()) {
            let source = map([("value", value.clone())]).render();
            prop_assert_eq!(read(&source), map([("value", value)]), "{}", source);
        }
    }
}
