//! Text of a DOCX: a zip archive of XML parts.
//!
//! Only parts that hold text are opened, each is inflated against one shared budget, and nothing is ever written to a
//! disk, so a path inside the archive can name nothing but another part of the archive.

mod body;
mod package;

use package::Package;

use crate::ExtractError;
use crate::kind::OLE_MAGIC;
use crate::limits::Watch;

/// Kinds of parts that hold text people read, in the order in which their text is given: what stands above the body,
/// the body itself (the empty name), and what stands below it.
const PARTS: [&str; 5] = ["/header", "", "/footer", "/footnotes", "/endnotes"];

pub(crate) fn extract(bytes: &[u8], watch: &Watch<'_>) -> Result<(String, u32), ExtractError> {
    if bytes.starts_with(OLE_MAGIC) {
        return Err(explain_compound_file(bytes));
    }
    let mut package = Package::open(bytes, watch)?;
    let main = package.main_part()?;
    let relations = package.relations(&main)?;
    let mut text = String::new();
    let mut seen: Vec<String> = Vec::new();
    for suffix in PARTS {
        if suffix.is_empty() {
            let xml = package
                .read(&main)?
                .ok_or_else(|| ExtractError::corrupt(format!("its part `{main}` is missing")))?;
            append(&mut text, &body::text(&xml, watch)?);
            continue;
        }
        for relation in relations.iter().filter(|relation| relation.kind.ends_with(suffix)) {
            let Some(xml) = package.read(&relation.target)? else { continue };
            let part = body::text(&xml, watch)?;
            // First, even and default pages usually repeat the same header.
            if !seen.contains(&part) {
                append(&mut text, &part);
                seen.push(part);
            }
        }
    }
    if !text.chars().any(char::is_alphanumeric) {
        return Err(if package.has_pictures() { ExtractError::Scanned } else { ExtractError::Empty });
    }
    Ok((text, 1))
}

fn append(text: &mut String, part: &str) {
    if !part.trim().is_empty() {
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        text.push_str(part);
    }
}

/// Office wraps a document with a password into an OLE compound file; so are the formats from before 2007.
fn explain_compound_file(bytes: &[u8]) -> ExtractError {
    let name: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
    if bytes.windows(name.len()).any(|window| window == name) {
        ExtractError::Encrypted
    } else {
        ExtractError::unsupported("it is in the format of before 2007, save it as .docx")
    }
}
