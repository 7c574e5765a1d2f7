//! Turns what people already have into parts of a stack file: a HorizontalPodAutoscaler, a KEDA ScaledObject, a
//! Compose file.
//!
//! Whatever has no equivalent becomes a [`Note`] with its place. The rule that keeps that promise: each reader names
//! the keys it understands, and everything else is noted by the same loop.

mod compose;
mod draft;
mod emit;
mod hpa;
mod keda;
mod promql;
mod words;

use std::fmt;

use crate::decode::Field;
use crate::diagnostic::{Diagnostics, Mark, Sink, quote};
use crate::load::{self, MergeKeys};
use crate::node::{Node, Value};
use draft::Draft;

/// The most documents of one file.
const MAX_DOCUMENTS: usize = 1000;
const ACCEPTED: &str =
    "HorizontalPodAutoscaler (autoscaling/v2), ScaledObject (keda.sh) and Compose files are read";

/// What came of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// YAML: a whole stack file when [`Imported::is_stack`], else its `services` with nothing but their scaling.
    pub stack_yaml_fragment: String,
    /// Whether the fragment is a whole stack file that [`crate::parse`] accepts.
    pub is_stack: bool,
    /// What was left out or changed, in order of position.
    pub notes: Vec<Note>,
    file: String,
}

/// Something of the imported file that the fragment does not say, or says differently.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// Where it stands in the imported file.
    pub at: Mark,
    /// What it is and what became of it, one sentence without its full stop.
    pub what: String,
    /// What can be done about it, when there is something to say.
    pub hint: Option<String>,
}

/// Reads a file of one or more documents and finds out of which kind each is.
///
/// # Errors
/// Every mistake with its position when the file is not valid by the rules of its own kind, or holds nothing that can
/// be imported.
pub fn import(file_name: &str, source: &[u8]) -> Result<Imported, Diagnostics> {
    if let Some(refusal) = load::too_large(file_name, source.len() as u64) {
        return Err(refusal);
    }
    let mut sink = Sink::default();
    let mut draft = Draft::default();
    let documents = load::documents(source, MAX_DOCUMENTS, MergeKeys::Followed, &mut sink);
    if sink.count() > 0 && source.windows(2).any(|two| two == b"{{") {
        let what = "this looks like a template, not like what comes of it";
        sink.hint(Mark::START, what, "render it first, such as with `helm template`, and import that");
    }
    for document in documents.iter().flatten().filter(|document| !document.is_null()) {
        read(document, file_name, &mut draft, &mut sink);
    }
    if sink.count() == 0 && draft.is_empty() {
        // The notes say why nothing is left.
        draft.refuse(&mut sink);
        sink.hint(Mark::START, "nothing to import", ACCEPTED);
    }
    sink.finish(file_name, Some(draft)).map(|draft| draft.finish(file_name))
}

fn read(document: &Node, file_name: &str, draft: &mut Draft, sink: &mut Sink) {
    let field = Field { label: "the document".to_owned(), node: document };
    let word = |key: &str| match document.get(key).map(|node| &node.value) {
        Some(Value::Scalar(scalar)) => Some(scalar.text.as_str()),
        _ => None,
    };
    match (word("kind"), word("apiVersion")) {
        (Some("HorizontalPodAutoscaler"), version) => hpa::hpa(&field, version, draft, sink),
        (Some("ScaledObject"), _) => keda::scaled_object(&field, draft, sink),
        (Some(kind), _) if kind == "List" || kind.ends_with("List") => {
            if let Some(Value::List(items)) = document.get("items").map(|node| &node.value) {
                items.iter().for_each(|item| read(item, file_name, draft, sink));
            }
        }
        (Some(kind), Some(_)) => {
            draft.note(document.at, format!("{} is not imported", quote(kind)), ACCEPTED);
        }
        _ if document.get("services").is_some() => compose::compose(&field, file_name, draft, sink),
        _ => {
            sink.hint(document.at, "cannot tell what kind of file this is", ACCEPTED);
        }
    }
}

// === impl Imported ===

impl Imported {
    /// The notes as `file:line:column: what. hint: how`, one a line; empty without notes.
    pub fn report(&self) -> String {
        let lines: Vec<String> = self.notes.iter().map(|note| format!("{}:{note}", self.file)).collect();
        lines.join("\n")
    }
}

// === impl Note ===

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}.", self.at, self.what)?;
        match &self.hint {
            Some(hint) => write!(f, " hint: {hint}"),
            None => Ok(()),
        }
    }
}
