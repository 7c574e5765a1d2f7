//! Mistakes with their place, and the list in which they are gathered.

use std::fmt;

/// The most mistakes one report lists; a file with more is wrong in a way that a longer list does not explain.
pub const MAX_DIAGNOSTICS: usize = 100;

/// A place in a file. Ordered as one reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Diagnostic {
    /// Where.
    pub at: Mark,
    /// What is wrong, one sentence without its full stop.
    pub what: String,
    /// How to mend it, when there is something to say.
    pub hint: Option<String>,
}

/// All mistakes of one file in order of position. Never empty when it comes back as an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics {
    file: String,
    list: Vec<Diagnostic>,
    omitted: usize,
}

/// Gathers mistakes while a file is read.
#[derive(Default)]
pub(crate) struct Sink {
    list: Vec<Diagnostic>,
    omitted: usize,
}

// === impl Mark ===

impl Mark {
    /// The beginning of a file.
    pub const START: Mark = Mark { line: 1, column: 1 };
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

// === impl Diagnostics ===

impl Diagnostics {
    /// The name of the file as it was given.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The mistakes, at most [`MAX_DIAGNOSTICS`].
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.list.iter()
    }

    /// How many mistakes were found, listed or not.
    pub fn count(&self) -> usize {
        self.list.len() + self.omitted
    }

    /// One mistake about the file as a whole, for callers that refuse it before it is read.
    pub fn whole_file(file: &str, what: &str, hint: Option<&str>) -> Diagnostics {
        let hint = hint.map(str::to_owned);
        let list = vec![Diagnostic { at: Mark::START, what: what.to_owned(), hint }];
        Diagnostics { file: file.to_owned(), list, omitted: 0 }
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.list.iter().enumerate() {
            let Diagnostic { at, what, hint } = diagnostic;
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}:{at}: {what}.", self.file)?;
            if let Some(hint) = hint {
                write!(f, " hint: {hint}")?;
            }
        }
        if self.omitted > 0 {
            write!(f, "\n{}: {} more mistakes are not shown.", self.file, self.omitted)?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

// === impl Sink ===

impl Sink {
    /// Notes why something was not imported, which is nobody's mistake.
    pub(crate) fn mention(&mut self, at: Mark, what: impl Into<String>) {
        self.push(Diagnostic { at, what: what.into(), hint: None });
    }

    /// Notes a mistake and how to mend it: there is always something to say.
    pub(crate) fn hint(&mut self, at: Mark, what: impl Into<String>, hint: impl Into<String>) {
        self.push(Diagnostic { at, what: what.into(), hint: Some(hint.into()) });
    }

    fn push(&mut self, diagnostic: Diagnostic) {
        // The same part reached through several aliases is still one mistake.
        if self.list.contains(&diagnostic) {
            return;
        }
        if self.list.len() < MAX_DIAGNOSTICS {
            self.list.push(diagnostic);
        } else {
            self.omitted += 1;
        }
    }

    /// How many mistakes have been noted so far.
    pub(crate) fn count(&self) -> usize {
        self.list.len() + self.omitted
    }

    /// The value when nothing was noted, else the mistakes.
    pub(crate) fn finish<T>(mut self, file: &str, value: Option<T>) -> Result<T, Diagnostics> {
        match value {
            Some(value) if self.list.is_empty() => Ok(value),
            _ => {
                if self.list.is_empty() {
                    debug_assert!(false, "a missing value is always explained");
                    self.hint(
                        Mark::START,
                        "file cannot be understood",
                        "this is a mistake of the reader; report it",
                    );
                }
                self.list.sort();
                Err(Diagnostics { file: file.to_owned(), list: self.list, omitted: self.omitted })
            }
        }
    }
}

/// A text from the file, fit to stand in a message: in backticks, on one line, cut, and without characters that
/// would command a terminal or turn the direction of writing.
pub(crate) fn quote(text: &str) -> String {
    quote_up_to(40, text)
}

/// The same with another length in characters, for what a reader has to see whole.
pub(crate) fn quote_up_to(limit: usize, text: &str) -> String {
    let mut shown = String::from("`");
    for (index, char) in text.chars().enumerate() {
        if index == limit {
            shown.push('…');
            break;
        }
        let invisible =
            matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if char.is_control() || invisible { shown.extend(char.escape_default()) } else { shown.push(char) }
    }
    shown.push('`');
    shown
}
