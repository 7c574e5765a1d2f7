//! Which format a file is in, from its first bytes and its name.

use serde::{Deserialize, Serialize};

/// A format this crate reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Portable Document Format.
    Pdf,
    /// Office Open XML word-processing document.
    Docx,
    /// Plain text in UTF-8, UTF-16 with a byte order mark, or Windows-1252.
    Txt,
}

/// How far into a file the `%PDF-` marker may begin (readers in the field allow junk before it).
const PDF_MARKER_WINDOW: usize = 1024;
/// Header of an OLE compound file: a legacy `.doc`, or a `.docx` with a password.
pub(crate) const OLE_MAGIC: &[u8] = &[0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1];

/// The kind of a file that begins with `head` (a few kilobytes are enough) and is called `file_name`.
///
/// Content decides; the name only has to agree with it. `None` when the content is none of ours, or when the name
/// claims another format than the content shows (a program renamed to `.pdf`, a PDF renamed to `.txt`). A file
/// with no bytes is taken at its name, so that [`extract`](crate::extract) can say that it is empty.
pub fn sniff(head: &[u8], file_name: Option<&str>) -> Option<Kind> {
    let extension = file_name.and_then(extension_of);
    let claimed = match extension.as_deref() {
        None => None,
        Some("pdf") => Some(Kind::Pdf),
        Some("docx") => Some(Kind::Docx),
        Some("txt") => Some(Kind::Txt),
        Some(_) => return None,
    };
    if head.is_empty() {
        return claimed;
    }
    let found = kind_of_content(head, claimed)?;
    claimed.is_none_or(|kind| kind == found).then_some(found)
}

fn extension_of(file_name: &str) -> Option<String> {
    let base = file_name.rsplit(['/', '\\']).next()?;
    let (stem, extension) = base.rsplit_once('.')?;
    (!stem.is_empty()).then(|| extension.to_ascii_lowercase())
}

fn kind_of_content(head: &[u8], claimed: Option<Kind>) -> Option<Kind> {
    let window = &head[..head.len().min(PDF_MARKER_WINDOW)];
    if window.windows(5).any(|five| five == b"%PDF-") {
        return Some(Kind::Pdf);
    }
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return Some(Kind::Docx);
    }
    if head.starts_with(OLE_MAGIC) {
        // Without the name it could as well be a legacy `.doc`, which is not read here.
        return (claimed == Some(Kind::Docx)).then_some(Kind::Docx);
    }
    looks_like_text(head).then_some(Kind::Txt)
}

fn looks_like_text(head: &[u8]) -> bool {
    if head.starts_with(&[0xFF, 0xFE]) || head.starts_with(&[0xFE, 0xFF]) {
        return true;
    }
    let odd =
        head.iter().filter(|byte| byte.is_ascii_control() && !matches!(byte, b'\n' | b'\r' | b'\t' | 0x0C));
    let (mut controls, mut zeros) = (0, 0);
    for byte in odd {
        controls += 1;
        zeros += usize::from(*byte == 0);
    }
    zeros == 0 && controls * 20 <= head.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides_and_the_name_must_agree() {
        assert_eq!(sniff(b"%PDF-1.7\n", Some("cv.PDF")), Some(Kind::Pdf));
        assert_eq!(sniff(b"\n\n%PDF-1.7\n", None), Some(Kind::Pdf));
        assert_eq!(sniff(b"PK\x03\x04rest", Some("a.docx")), Some(Kind::Docx));
        assert_eq!(sniff("Zoë, engineer".as_bytes(), Some("dir/cv.txt")), Some(Kind::Txt));
        assert_eq!(sniff(b"%PDF-1.7\n", Some("cv.txt")), None);
        assert_eq!(sniff(b"plain words", Some("cv.pdf")), None);
        assert_eq!(sniff(b"plain words", Some("cv.exe")), None);
        assert_eq!(sniff(b"\x7fELF\x02\x01\x01\0\0\0", Some("cv.txt")), None);
        assert_eq!(sniff(b"\x7fELF\x02\x01\x01\0\0\0", None), None);
    }

    #[test]
    fn compound_files_are_ours_only_when_called_docx() {
        assert_eq!(sniff(OLE_MAGIC, Some("locked.docx")), Some(Kind::Docx));
        assert_eq!(sniff(OLE_MAGIC, Some("old.doc")), None);
        assert_eq!(sniff(OLE_MAGIC, None), None);
    }

    #[test]
    fn no_bytes_are_taken_at_their_name() {
        assert_eq!(sniff(b"", Some("cv.pdf")), Some(Kind::Pdf));
        assert_eq!(sniff(b"", None), None);
    }
}
