//! Text of a PDF: lopdf reads the file, this module walks the pages and draws their text.
//!
//! lopdf's own `extract_text` ignores `/ToUnicode` of fonts that also have an `/Encoding`, falls back to the standard
//! encoding on the first unknown glyph name, does not look at positions (so words run together or fall apart) and
//! skips form XObjects; hence the interpreter here.

mod cmap;
mod font;
mod geometry;
mod interpret;
mod layout;
mod metrics;
mod pages;
mod state;

use lopdf::{DecompressError, Document, Error, LoadOptions};

use crate::ExtractError;
use crate::limits::Watch;

/// Objects of a file that is meant to be read; a 200-page report has a few thousand.
const MAX_OBJECTS: usize = 250_000;
/// Object streams are inflated while the file loads, each on its own: with many of them each gets a smaller share of
/// the budget, but never less than this, in bytes.
const MIN_STREAM_BYTES: usize = 512 * 1024;
/// Pages with pictures and less than this many letters each on average are scans with a stamp or a page number.
const MIN_LETTERS_PER_SCANNED_PAGE: usize = 20;

/// What drawing the pages came upon, apart from text.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Images drawn.
    images: usize,
    /// Lines and areas drawn.
    strokes: usize,
    /// Character codes for which the file does not say which character they are.
    unmapped_codes: usize,
    /// Character codes for which it does.
    mapped_codes: usize,
    /// Content streams that end in something unreadable.
    damaged_streams: usize,
}

pub(crate) fn extract(bytes: &[u8], watch: &Watch<'_>) -> Result<(String, u32), ExtractError> {
    let document = load(bytes, watch)?;
    watch.check_time()?;
    let pages = pages::collect(&document, watch)?;
    let page_count = u32::try_from(pages.len()).unwrap_or(u32::MAX);
    let mut findings = Findings::default();
    let text = interpret::draw(&document, &pages, watch, &mut findings)?;
    findings.judge(&text, pages.len())?;
    Ok((layout::join_broken_words(&text), page_count))
}

fn load(bytes: &[u8], watch: &Watch<'_>) -> Result<Document, ExtractError> {
    if count(bytes, b" obj", MAX_OBJECTS) > MAX_OBJECTS {
        return Err(too_many_objects());
    }
    let object_streams = count(bytes, b"/ObjStm", MAX_OBJECTS).max(1);
    let share = (watch.expandable_bytes() / object_streams).max(MIN_STREAM_BYTES);
    let options = LoadOptions::with_max_decompressed_size(share.min(watch.expandable_bytes()));
    let document = Document::load_mem_with_options(bytes, options).map_err(|error| explain(error, watch))?;
    // lopdf opens what opens with an empty password, as every reader does; `Encrypt` stays on the rest.
    if document.is_encrypted() {
        return Err(ExtractError::Encrypted);
    }
    if document.objects.len() > MAX_OBJECTS {
        return Err(too_many_objects());
    }
    Ok(document)
}

fn too_many_objects() -> ExtractError {
    ExtractError::bomb(format!("it holds more than {MAX_OBJECTS} objects"))
}

/// How often `needle` occurs, counted no further than one past `limit`.
fn count(bytes: &[u8], needle: &[u8], limit: usize) -> usize {
    bytes.windows(needle.len()).filter(|window| *window == needle).take(limit + 1).count()
}

fn explain(error: Error, watch: &Watch<'_>) -> ExtractError {
    match error {
        Error::Decompress(DecompressError::MemoryLimitExceeded { .. }) => watch.expanded_too_far(),
        Error::Decryption(_) | Error::InvalidPassword | Error::UnsupportedSecurityHandler(_) => {
            ExtractError::Encrypted
        }
        Error::RecursionLimit | Error::ReferenceLimit | Error::ReferenceCycle(_) => {
            ExtractError::bomb("its objects refer to each other without end")
        }
        error => ExtractError::corrupt(error.to_string()),
    }
}

// === impl Findings ===

impl Findings {
    /// Says why there is no usable text, when there is none.
    fn judge(&self, text: &str, pages: usize) -> Result<(), ExtractError> {
        /// A logo or a frame is fewer strokes than this; words drawn as outlines are more.
        const STROKES_OF_A_PICTURE: usize = 200;
        let letters = text.chars().filter(|character| character.is_alphanumeric()).count();
        let pictures = self.images > 0 || self.strokes > STROKES_OF_A_PICTURE;
        if self.unmapped_codes > self.mapped_codes {
            return Err(ExtractError::unsupported("its fonts do not say which characters their glyphs are"));
        }
        if letters == 0 {
            return Err(if pictures {
                ExtractError::Scanned
            } else if self.damaged_streams > 0 {
                ExtractError::corrupt("the content of its pages cannot be read")
            } else {
                ExtractError::Empty
            });
        }
        if self.images >= pages && letters < MIN_LETTERS_PER_SCANNED_PAGE * pages {
            return Err(ExtractError::Scanned);
        }
        Ok(())
    }
}
