//! Text out of PDF, DOCX and plain text files that strangers uploaded.
//!
//! [`extract`] parses in this process; [`extract_isolated`] does the same in a child process with limits on memory,
//! CPU and time, which is what a worker should use: whatever a document does to the parser, the worker survives it
//! and gets a typed [`ExtractError`].
//!
//! Wanted properties, each with a test:
//! * the same words come out of the same document in all three formats;
//! * arbitrary bytes never panic and never take more memory or time than [`Limits`] say;
//! * encrypted, empty, scanned, corrupt and exploding documents each have their own error code.

mod clean;
mod docx;
mod error;
mod isolated;
mod kind;
mod limits;
mod pdf;
mod txt;

pub use error::ExtractError;
pub use isolated::{extract_isolated, run_isolated_child};
pub use kind::{Kind, sniff};
pub use limits::{Extracted, Limits};

use std::time::Instant;

use limits::Watch;

/// Extracts the text of `bytes`, read as a document of `kind`, in this process.
///
/// # Errors
/// [`ExtractError`], one variant for each thing that can be wrong with the document.
pub fn extract(kind: Kind, bytes: &[u8], limits: &Limits) -> Result<Extracted, ExtractError> {
    let started = Instant::now();
    extract_until(kind, bytes, limits, &|| started.elapsed() >= limits.time)
}

/// Like [`extract`], with the clock injected: `expired` is asked between pieces of work, and once it answers true
/// the extraction ends with [`ExtractError::Timeout`]. `limits.time` is not looked at.
///
/// # Errors
/// See [`extract`].
pub fn extract_until(
    kind: Kind,
    bytes: &[u8],
    limits: &Limits,
    expired: &dyn Fn() -> bool,
) -> Result<Extracted, ExtractError> {
    if bytes.len() > limits.max_input_bytes {
        return Err(ExtractError::TooLarge { what: "file".into(), limit: limits.max_input_bytes as u64 });
    }
    if bytes.is_empty() {
        return Err(ExtractError::Empty);
    }
    let watch = Watch::new(limits, expired);
    let (text, pages) = match kind {
        Kind::Pdf => pdf::extract(bytes, &watch)?,
        Kind::Docx => docx::extract(bytes, &watch)?,
        Kind::Txt => txt::extract(bytes, &watch)?,
    };
    let text = clean::text(&text);
    if text.len() > limits.max_text_bytes {
        return Err(ExtractError::TooLarge { what: "text".into(), limit: limits.max_text_bytes as u64 });
    }
    if text.is_empty() {
        return Err(ExtractError::Empty);
    }
    Ok(Extracted { kind, text, pages })
}
