//! A text as words and signs.

use super::{FormulaError, Trouble};

/// A word or sign and where it starts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) at: u32,
    pub(super) what: Lexeme,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Lexeme {
    Number(f64),
    /// Letters, digits and `_`, `$`.
    Word(String),
    Sign(&'static str),
    End,
}

/// Longer ones first, so that `**` is not two stars.
const SIGNS: [&str; 25] = [
    "??", "**", "==", "!=", "<=", ">=", "&&", "||", "+", "-", "*", "/", "%", "^", "<", ">", "!", "?", ":",
    "(", ")", "[", "]", "{", "}",
];

/// Every word and sign, and an end.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, FormulaError> {
    let mut found = Vec::new();
    let mut rest = text;
    let mut at = 1;
    while let Some(first) = rest.chars().next() {
        let error = |trouble| Err(FormulaError { at, trouble });
        let (length, what) = if first.is_whitespace() {
            (first.len_utf8(), None)
        } else if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), None)
        } else if rest.starts_with("/*") {
            (rest.find("*/").map_or(rest.len(), |end| end + 2), None)
        } else if first.is_ascii_digit() || (first == '.' && digit_follows(rest)) {
            let length = number_length(rest);
            let Some(number) = number(&rest[..length]) else {
                return error(Trouble::Number(rest[..length].to_owned()));
            };
            (length, Some(Lexeme::Number(number)))
        } else if first.is_ascii_alphabetic() || matches!(first, '_' | '$') {
            let length = rest.find(|char| !is_word(char)).unwrap_or(rest.len());
            (length, Some(Lexeme::Word(rest[..length].to_owned())))
        } else if let Some(sign) = SIGNS.into_iter().chain([",", "#"]).find(|sign| rest.starts_with(sign)) {
            (sign.len(), Some(Lexeme::Sign(sign)))
        } else {
            return error(Trouble::Character(first));
        };
        found.extend(what.map(|what| Token { at, what }));
        let (taken, left) = rest.split_at(length);
        at += u32::try_from(taken.chars().count()).unwrap_or(u32::MAX);
        rest = left;
    }
    found.push(Token { at, what: Lexeme::End });
    Ok(found)
}

fn is_word(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '_' | '$')
}

fn digit_follows(rest: &str) -> bool {
    rest[1..].starts_with(|char: char| char.is_ascii_digit())
}

/// As far as it looks like a number, so that `1.2.3` and `2x` are shown as they stand.
fn number_length(rest: &str) -> usize {
    let mut before = ' ';
    let belongs = |char: char| {
        let sign = matches!(char, '+' | '-') && matches!(before, 'e' | 'E');
        before = char;
        sign || char == '.' || is_word(char)
    };
    let mut belongs = belongs;
    rest.find(|char| !belongs(char)).unwrap_or(rest.len())
}

fn number(text: &str) -> Option<f64> {
    let plain = text.replace('_', "");
    let digits = |char: char| char.is_ascii_digit() || matches!(char, '.' | 'e' | 'E' | '+' | '-');
    // What Rust reads beyond that, such as `infinity`, does not start with a digit.
    plain.parse::<f64>().ok().filter(|number| number.is_finite() && plain.chars().all(digits))
}

// === impl Lexeme ===

impl Lexeme {
    /// For a message.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Number(number) => format!("the number {number}"),
            Self::Word(word) => format!("`{word}`"),
            Self::Sign(sign) => format!("`{sign}`"),
            Self::End => "the end".to_owned(),
        }
    }
}
