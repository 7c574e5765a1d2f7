//! The archive and the relations between its parts (ECMA-376 part 2).

use std::io::{Cursor, Read};

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use zip::ZipArchive;
use zip::result::ZipError;

use crate::ExtractError;
use crate::limits::Watch;

/// Entries of an archive; a report with a hundred pictures has a few hundred.
const MAX_ENTRIES: usize = 10_000;
/// Relations of one part that are looked at.
const MAX_RELATIONS: usize = 2_000;
/// How much is inflated between two looks at the budget and the clock, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// An open archive.
pub(crate) struct Package<'a, 'w> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
    watch: &'w Watch<'w>,
}

/// One part's pointer to another.
pub(crate) struct Relation {
    /// The type, a URI that ends in what the target is: `…/header`.
    pub(crate) kind: String,
    /// Name of the part inside the archive.
    pub(crate) target: String,
}

// === impl Package ===

impl<'a, 'w> Package<'a, 'w> {
    pub(crate) fn open(bytes: &'a [u8], watch: &'w Watch<'w>) -> Result<Self, ExtractError> {
        let archive = ZipArchive::new(Cursor::new(bytes)).map_err(explain)?;
        if archive.len() > MAX_ENTRIES {
            return Err(ExtractError::bomb(format!("it holds more than {MAX_ENTRIES} files")));
        }
        if archive.has_duplicate_names() {
            // Two parts of one name: what is read depends on who reads.
            return Err(ExtractError::corrupt("two of its parts have the same name"));
        }
        Ok(Self { archive, watch })
    }

    /// Name of the part that holds the body.
    pub(crate) fn main_part(&mut self) -> Result<String, ExtractError> {
        let named =
            self.relations("")?.into_iter().find(|relation| relation.kind.ends_with("/officeDocument"));
        let main = named.map_or_else(|| "word/document.xml".to_owned(), |relation| relation.target);
        let is_word = main.starts_with("word/") || self.archive.index_for_name("word/document.xml").is_some();
        if self.archive.index_for_name(&main).is_none() {
            return Err(ExtractError::unsupported("it is not a word-processing document"));
        }
        if is_word {
            Ok(main)
        } else {
            Err(ExtractError::unsupported("it is not a word-processing document"))
        }
    }

    /// The relations of `part`; those of the whole package for the empty name.
    pub(crate) fn relations(&mut self, part: &str) -> Result<Vec<Relation>, ExtractError> {
        let (folder, name) = part.rsplit_once('/').unwrap_or(("", part));
        let path = if folder.is_empty() {
            format!("_rels/{name}.rels")
        } else {
            format!("{folder}/_rels/{name}.rels")
        };
        let Some(xml) = self.read(&path)? else { return Ok(Vec::new()) };
        let mut relations = Vec::new();
        let mut reader = Reader::from_str(&xml);
        loop {
            match reader.read_event() {
                Ok(Event::Start(element) | Event::Empty(element)) => {
                    if element.local_name().as_ref() == "Relationship" && relations.len() < MAX_RELATIONS {
                        relations.extend(relation(&element, folder));
                    }
                }
                Ok(Event::DocType(_)) => return Err(declares_entities()),
                Ok(Event::Eof) => return Ok(relations),
                Ok(_) => {}
                Err(error) => return Err(damaged(&path, &error)),
            }
        }
    }

    /// The XML of a part, `None` when the archive has no such part.
    pub(crate) fn read(&mut self, name: &str) -> Result<Option<String>, ExtractError> {
        self.watch.check_time()?;
        let mut file = match self.archive.by_name(name) {
            Ok(file) => file,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(error) => return Err(explain(error)),
        };
        let mut bytes = Vec::new();
        loop {
            let before = bytes.len();
            let mut chunk = file.by_ref().take(CHUNK_BYTES as u64);
            chunk.read_to_end(&mut bytes).map_err(|error| damaged(name, &error))?;
            if bytes.len() == before {
                break;
            }
            self.watch.book_expanded(bytes.len() - before)?;
            self.watch.check_time()?;
        }
        let xml = match bytes.as_slice() {
            [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => crate::txt::decode(&bytes)?,
            _ => String::from_utf8(bytes).map_err(|error| damaged(name, &error))?,
        };
        Ok(Some(xml))
    }

    /// Whether the archive holds pictures.
    pub(crate) fn has_pictures(&self) -> bool {
        self.archive.file_names_raw().any(|name| name.starts_with(b"word/media/"))
    }
}

pub(crate) fn declares_entities() -> ExtractError {
    ExtractError::bomb("its XML declares a document type, as entity bombs do and documents do not")
}

pub(crate) fn damaged(part: &str, error: &dyn std::fmt::Display) -> ExtractError {
    ExtractError::corrupt(format!("its part `{part}` cannot be read: {error}"))
}

fn relation(element: &BytesStart<'_>, folder: &str) -> Option<Relation> {
    let mut kind = None;
    let mut target = None;
    for attribute in element.attributes().flatten() {
        match attribute.key.local_name().as_ref() {
            "Type" => kind = Some(attribute.value.into_owned()),
            "Target" => target = resolve(folder, &attribute.value),
            "TargetMode" if attribute.value.eq_ignore_ascii_case("external") => return None,
            _ => {}
        }
    }
    Some(Relation { kind: kind?, target: target? })
}

/// The part that `target` names from inside `folder`. `None` when it climbs out of the archive.
fn resolve(folder: &str, target: &str) -> Option<String> {
    let base = if target.starts_with('/') { "" } else { folder };
    let mut path: Vec<&str> = Vec::new();
    for step in base.split('/').chain(target.split('/')) {
        match step {
            "" | "." => {}
            ".." => {
                path.pop()?;
            }
            _ => path.push(step),
        }
    }
    (!path.is_empty()).then(|| path.join("/"))
}

fn explain(error: ZipError) -> ExtractError {
    match error {
        ZipError::InvalidPassword => ExtractError::Encrypted,
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) => ExtractError::Encrypted,
        ZipError::UnsupportedArchive(why) => ExtractError::unsupported(why),
        ZipError::CompressionMethodNotSupported(method) => {
            ExtractError::unsupported(format!("it is compressed with method {method}"))
        }
        error => ExtractError::corrupt(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::resolve;

    #[test]
    fn targets_stay_inside_the_archive() {
        assert_eq!(resolve("word", "header1.xml").as_deref(), Some("word/header1.xml"));
        assert_eq!(resolve("word", "../docProps/core.xml").as_deref(), Some("docProps/core.xml"));
        assert_eq!(resolve("word", "/word/footer1.xml").as_deref(), Some("word/footer1.xml"));
        assert_eq!(resolve("word", "../../etc/passwd"), None);
        assert_eq!(resolve("", ""), None);
    }
}
