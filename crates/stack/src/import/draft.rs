//! What has been gathered of the stack file so far.

use super::emit::{Yaml, map, text};
use super::{Imported, Note};
use crate::decode::Fields;
use crate::diagnostic::{Mark, Sink, quote};
use crate::names::{MAX_SERVICE_NAME, suggestion};

/// Services with their parts, and notes.
#[derive(Default)]
pub(super) struct Draft {
    services: Vec<(String, Vec<(String, Yaml)>)>,
    notes: Vec<Note>,
    /// Present when the file describes a whole stack.
    pub(super) name: Option<String>,
    pub(super) gateway: Option<Yaml>,
    pub(super) admin: Option<Yaml>,
}

// === impl Draft ===

impl Draft {
    pub(super) fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    /// Notes something that can be mended.
    pub(super) fn note(&mut self, at: Mark, what: impl Into<String>, hint: impl Into<String>) {
        self.notes.push(Note { at, what: what.into(), hint: Some(hint.into()) });
    }

    /// Notes something that just is so.
    pub(super) fn mention(&mut self, at: Mark, what: impl Into<String>) {
        self.notes.push(Note { at, what: what.into(), hint: None });
    }

    /// Notes every key that is not among those the caller reads.
    pub(super) fn note_others(&mut self, owner: &str, fields: &Fields<'_>, read: &[&str]) {
        for (entry, field) in fields.entries() {
            if !read.contains(&entry.key.as_str()) && !field.node.is_null() {
                self.mention(entry.at, format!("{} of {owner} has no equivalent", quote(&entry.key)));
            }
        }
    }

    /// Turns the notes into mistakes, for a file of which nothing is left.
    pub(super) fn refuse(&mut self, sink: &mut Sink) {
        for note in self.notes.drain(..) {
            match note.hint {
                Some(hint) => sink.hint(note.at, note.what, hint),
                None => sink.mention(note.at, note.what),
            }
        }
    }

    /// A name fit for a service; a change is noted.
    pub(super) fn service_name(&mut self, name: &str, at: Mark) -> String {
        let label: String = suggestion(name).unwrap_or_else(|| name.to_owned());
        let label: String = label.chars().take(MAX_SERVICE_NAME).collect();
        let label = label.trim_end_matches('-').to_owned();
        let label = if label.is_empty() || !label.is_ascii() { "service".to_owned() } else { label };
        if label != name {
            self.mention(at, format!("{} is called `{label}` here, as names are DNS labels", quote(name)));
        }
        label
    }

    /// Adds a service. A second one of the same name is noted and left out.
    pub(super) fn add(&mut self, name: String, at: Mark, parts: Vec<(String, Yaml)>) {
        if self.services.iter().any(|(other, _)| *other == name) {
            let what = format!("a second description of `{name}` is not used");
            self.note(at, what, "import it on its own and choose");
            return;
        }
        self.services.push((name, parts));
    }

    /// Renders what was gathered.
    pub(super) fn finish(mut self, file_name: &str) -> Imported {
        self.notes.sort();
        let services = self.services.into_iter().map(|(name, parts)| (name, Yaml::Map(parts))).collect();
        let mut parts = Vec::new();
        let is_stack = self.name.is_some();
        parts.extend(self.name.map(|name| ("name".to_owned(), text(name))));
        parts.extend(self.gateway.map(|gateway| ("gateway".to_owned(), gateway)));
        parts.push(("services".to_owned(), Yaml::Map(services)));
        parts.extend(self.admin.map(|admin| ("admin".to_owned(), admin)));
        Imported {
            stack_yaml_fragment: Yaml::Map(parts).render(),
            is_stack,
            notes: self.notes,
            file: file_name.to_owned(),
        }
    }
}

/// A part of a service.
pub(super) fn part(key: &str, value: Yaml) -> (String, Yaml) {
    (key.to_owned(), value)
}

/// `{ type: ..., <key>: ... }`.
pub(super) fn typed(kind: &str, key: &str, value: Yaml) -> Yaml {
    map([("type", text(kind)), (key, value)])
}
