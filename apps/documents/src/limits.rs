//! How much one document may cost, and what came out of it.

use std::cell::Cell;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{ExtractError, Kind};

/// What one document may cost. The defaults suit a CV or a project report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Largest file, in bytes.
    pub max_input_bytes: usize,
    /// Longest text that may come out, in bytes of UTF-8.
    pub max_text_bytes: usize,
    /// Most bytes all compressed parts of the document may inflate to, together.
    pub max_expanded_bytes: usize,
    /// Most pages.
    pub max_pages: usize,
    /// Longest time, from start to text.
    pub time: Duration,
    /// Most memory the isolated child may hold, in bytes (`RLIMIT_DATA`).
    pub memory_bytes: u64,
}

/// The text of a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extracted {
    /// The format it was read as.
    pub kind: Kind,
    /// The text: never empty, lines end in `\n`, no control characters but `\n` and `\t`, at most one empty line
    /// in a row.
    pub text: String,
    /// Pages of a PDF; for DOCX and text, which know no pages, 1.
    pub pages: u32,
}

/// Counts what an extraction has used up, against its limits.
pub(crate) struct Watch<'a> {
    pub(crate) limits: &'a Limits,
    expired: &'a dyn Fn() -> bool,
    expanded_bytes: Cell<usize>,
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_input_bytes: 10 * 1024 * 1024,
            max_text_bytes: 1024 * 1024,
            max_expanded_bytes: 64 * 1024 * 1024,
            max_pages: 200,
            time: Duration::from_secs(20),
            memory_bytes: 256 * 1024 * 1024,
        }
    }
}

// === impl Watch ===

impl<'a> Watch<'a> {
    pub(crate) fn new(limits: &'a Limits, expired: &'a dyn Fn() -> bool) -> Self {
        Self { limits, expired, expanded_bytes: Cell::new(0) }
    }

    /// Asks the clock; called between pieces of work that are each known to be small.
    pub(crate) fn check_time(&self) -> Result<(), ExtractError> {
        if (self.expired)() { Err(ExtractError::timeout(self.limits.time)) } else { Ok(()) }
    }

    /// How many bytes may still be inflated.
    pub(crate) fn expandable_bytes(&self) -> usize {
        self.limits.max_expanded_bytes.saturating_sub(self.expanded_bytes.get())
    }

    /// Books bytes that were inflated.
    pub(crate) fn book_expanded(&self, bytes: usize) -> Result<(), ExtractError> {
        let total = self.expanded_bytes.get().saturating_add(bytes);
        self.expanded_bytes.set(total);
        if total > self.limits.max_expanded_bytes { Err(self.expanded_too_far()) } else { Ok(()) }
    }

    pub(crate) fn expanded_too_far(&self) -> ExtractError {
        ExtractError::bomb(format!("its parts inflate to more than {} bytes", self.limits.max_expanded_bytes))
    }

    /// Refuses a text that has already grown past its limit, before it grows further.
    pub(crate) fn check_text(&self, bytes: usize) -> Result<(), ExtractError> {
        if bytes > self.limits.max_text_bytes.saturating_mul(2) {
            return Err(ExtractError::TooLarge {
                what: "text".into(),
                limit: self.limits.max_text_bytes as u64,
            });
        }
        Ok(())
    }
}
