//! Bytes to a tree, inside fixed budgets.
//!
//! Aliases are expanded, and charged to the same budgets as the text itself, so a chain of aliases that doubles at
//! each step stops after a hundred thousand nodes.

use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, StrInput};

use crate::diagnostic::{Diagnostics, Mark, Sink, quote};
use crate::node::{Entry, Node, Scalar, Value};

/// The largest file that is read, in bytes. Callers refuse larger ones by their length, without reading them.
pub const MAX_FILE_BYTES: usize = 1 << 20;
/// The most values a file may hold after aliases are expanded.
pub const MAX_NODES: usize = 100_000;
/// The most bytes of text a file may hold after aliases are expanded.
pub const MAX_TEXT_BYTES: usize = 4 << 20;
/// How deep lists and mappings may nest.
pub const MAX_DEPTH: usize = 64;

/// What a part of the tree holds.
#[derive(Clone, Copy, Default)]
struct Extent {
    nodes: usize,
    /// Bytes of text.
    bytes: usize,
    /// Levels of lists and mappings.
    height: usize,
}

/// A list or mapping whose end has not been seen.
struct Frame {
    node: Node,
    anchor: usize,
    /// The key whose value comes next.
    key: Option<Key>,
    /// Keys of a mapping so far, and their lines.
    lines: HashMap<String, u32>,
    /// Values of merge keys so far.
    merged: Vec<Node>,
    extent: Extent,
}

struct Key {
    at: Mark,
    name: KeyName,
}

enum KeyName {
    Text(String),
    Merge,
    /// The key was refused and its value is to be dropped.
    Refused,
}

#[derive(Clone)]
struct Anchored {
    node: Rc<Node>,
    extent: Extent,
}

struct Loader<'s> {
    sink: &'s mut Sink,
    merge_keys: MergeKeys,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Anchored>,
    /// All that has been kept, copies for aliases included.
    used: Extent,
}

/// A mistake after which reading on makes no sense.
struct Stop {
    at: Mark,
    what: String,
    hint: &'static str,
}

/// Reads the one document of a file. Mistakes that leave a tree, such as a duplicate key, are noted and reading goes
/// on; others end it with `None`.
pub(crate) fn document(source: &[u8], sink: &mut Sink) -> Option<Node> {
    let mut documents = documents(source, 1, MergeKeys::Refused, sink)?;
    if documents.is_empty() {
        let hint = "the least is `name: x` and `services: { api: { command: [api] } }`";
        sink.hint(Mark::START, "file is empty", hint);
    }
    documents.pop()
}

/// Whether `<<` brings in the keys of another mapping. Compose files live by it; a stack file reads better without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MergeKeys {
    Followed,
    Refused,
}

/// Reads up to `most` documents of a file.
pub(crate) fn documents(
    source: &[u8],
    most: usize,
    merge_keys: MergeKeys,
    sink: &mut Sink,
) -> Option<Vec<Node>> {
    let text = text_of(source, sink)?;
    let mut loader =
        Loader { sink, merge_keys, frames: Vec::new(), anchors: HashMap::new(), used: Extent::default() };
    let mut found = Vec::new();
    for event in Parser::new(StrInput::new(text)) {
        let (event, span) = match event {
            Ok(next) => next,
            Err(error) => {
                let at = mark_of(error.marker());
                match error.info() {
                    // The scanner looks ahead and may meet its own limit before the loader meets ours.
                    "recursion limit exceeded" => loader.sink.hint(at, too_deep(), DEPTH_HINT),
                    info => loader.sink.hint(at, format!("not valid YAML: {info}"), syntax_hint(info)),
                }
                return None;
            }
        };
        let at = mark_of(&span.start);
        if matches!(event, Event::DocumentStart(_)) && found.len() == most {
            let hint = "one file holds one document; put the other into a file of its own";
            loader.sink.hint(at, "a further document starts here", hint);
            return None;
        }
        match loader.take(event, at) {
            Ok(Some(document)) => found.push(document),
            Ok(None) => {}
            Err(Stop { at, what, hint }) => {
                loader.sink.hint(at, what, hint);
                return None;
            }
        }
    }
    Some(found)
}

/// What usually leads to an error of the scanner.
fn syntax_hint(info: &str) -> &'static str {
    if info.contains("tab") {
        return "indent with spaces; an editor may show a tab as such";
    }
    if info.contains("anchor") {
        return "`*name` repeats what `&name` marks further up";
    }
    "look for a quote or bracket that is not closed, or other indentation, here or on the line before"
}

/// The refusal of a file of that many bytes, or `None` when it is small enough to be read.
pub fn too_large(file: &str, bytes: u64) -> Option<Diagnostics> {
    (bytes > MAX_FILE_BYTES as u64).then(|| {
        // Without the number: a caller may have read only one byte more than it needed to know.
        let what = format!("file is larger than {} MiB, and no stack file is", MAX_FILE_BYTES >> 20);
        Diagnostics::whole_file(file, &what, Some("is this the right file?"))
    })
}

/// The bytes as text without byte order mark, or a note of why they are none.
fn text_of<'a>(source: &'a [u8], sink: &mut Sink) -> Option<&'a str> {
    let not_text = "a stack file is UTF-8 text; is this the right file?";
    if source.starts_with(&[0xff, 0xfe]) || source.starts_with(&[0xfe, 0xff]) {
        sink.hint(Mark::START, "file is UTF-16 text", "save it as UTF-8");
        return None;
    }
    let text = match std::str::from_utf8(source) {
        Ok(text) => text,
        Err(error) => {
            let (good, rest) = source.split_at(error.valid_up_to());
            let at = end_of(std::str::from_utf8(good).unwrap_or_default());
            let byte = rest.first().copied().unwrap_or_default();
            sink.hint(at, format!("byte 0x{byte:02x} is not UTF-8 text"), not_text);
            return None;
        }
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let unprintable = |char: char| char.is_control() && !matches!(char, '\t' | '\n' | '\r' | '\u{85}');
    if let Some((before, char)) =
        text.find(unprintable).and_then(|i| Some((&text[..i], text[i..].chars().next()?)))
    {
        let what = format!("control character U+{:04X} cannot stand in YAML", u32::from(char));
        sink.hint(end_of(before), what, not_text);
        return None;
    }
    Some(text)
}

/// The position behind the last character.
fn end_of(text: &str) -> Mark {
    let line = text.matches('\n').count();
    let column = text.rsplit('\n').next().unwrap_or_default().chars().count();
    Mark { line: number(line + 1), column: number(column + 1) }
}

fn mark_of(marker: &Marker) -> Mark {
    Mark { line: number(marker.line().max(1)), column: number(marker.col() + 1) }
}

fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

const DEPTH_HINT: &str = "no part of a stack file needs a quarter of that";

fn too_deep() -> String {
    format!("lists and mappings nest deeper than {MAX_DEPTH} levels")
}

// === impl Loader ===

impl Loader<'_> {
    /// Takes one event; gives a document when it ends one.
    fn take(&mut self, event: Event<'_>, at: Mark) -> Result<Option<Node>, Stop> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.is_some(), at);
                let extent = Extent { nodes: 1, bytes: text.len(), height: 0 };
                self.charge(at, extent)?;
                let scalar = Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain };
                let node = Node { at: self.place(&scalar, at), value: Value::Scalar(scalar) };
                self.remember(anchor, &node, extent)?;
                Ok(self.attach(node, extent))
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_tag(tag.is_some(), at);
                self.open(Value::List(Vec::new()), anchor, at)
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_tag(tag.is_some(), at);
                self.open(Value::Map(Vec::new()), anchor, at)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => {
                let Some(anchored) = self.anchors.get(&anchor).cloned() else {
                    let hint = "an alias can only repeat what stands complete before it";
                    return Err(Stop { at, what: "alias inside its own anchor".into(), hint });
                };
                self.charge(at, anchored.extent)?;
                self.check_depth(at, anchored.extent.height)?;
                Ok(self.attach(Node::clone(&anchored.node), anchored.extent))
            }
            _ => Ok(None),
        }
    }

    fn refuse_tag(&mut self, tagged: bool, at: Mark) {
        if tagged {
            self.sink.hint(at, "tags are not understood here", "remove the word that starts with `!`");
        }
    }

    /// An absent value has no place of its own: it is reported where its key stands.
    fn place(&self, scalar: &Scalar, at: Mark) -> Mark {
        let absent = scalar.plain && scalar.text.is_empty();
        let key = self.frames.last().and_then(|frame| frame.key.as_ref());
        if absent { key.map_or(at, |key| key.at) } else { at }
    }

    fn charge(&mut self, at: Mark, extent: Extent) -> Result<(), Stop> {
        self.used.nodes += extent.nodes;
        self.used.bytes += extent.bytes;
        let hint = "aliases count with all that they repeat";
        if self.used.nodes > MAX_NODES {
            return Err(Stop { at, what: format!("file holds more than {MAX_NODES} values"), hint });
        }
        if self.used.bytes > MAX_TEXT_BYTES {
            return Err(Stop {
                at,
                what: format!("file holds more than {MAX_TEXT_BYTES} bytes of text"),
                hint,
            });
        }
        Ok(())
    }

    fn check_depth(&self, at: Mark, height: usize) -> Result<(), Stop> {
        if self.frames.len() + height > MAX_DEPTH {
            return Err(Stop { at, what: too_deep(), hint: DEPTH_HINT });
        }
        Ok(())
    }

    fn open(&mut self, value: Value, anchor: usize, at: Mark) -> Result<Option<Node>, Stop> {
        self.check_depth(at, 1)?;
        let extent = Extent { nodes: 1, bytes: 0, height: 1 };
        self.charge(at, extent)?;
        let node = Node { at, value };
        self.frames.push(Frame {
            node,
            anchor,
            key: None,
            lines: HashMap::new(),
            merged: Vec::new(),
            extent,
        });
        Ok(None)
    }

    fn close(&mut self) -> Result<Option<Node>, Stop> {
        let Some(mut frame) = self.frames.pop() else { return Ok(None) };
        let merged = std::mem::take(&mut frame.merged);
        if let Value::Map(entries) = &mut frame.node.value {
            merged.into_iter().for_each(|node| merge(node, entries, &mut frame.lines, self.sink));
        }
        self.remember(frame.anchor, &frame.node, frame.extent)?;
        Ok(self.attach(frame.node, frame.extent))
    }

    /// Keeps a copy for aliases. The copy is charged, or nested anchors would multiply memory by their depth.
    fn remember(&mut self, anchor: usize, node: &Node, extent: Extent) -> Result<(), Stop> {
        if anchor != 0 {
            self.charge(node.at, extent)?;
            self.anchors.insert(anchor, Anchored { node: Rc::new(node.clone()), extent });
        }
        Ok(())
    }

    /// Puts a complete node where it belongs: into the open list or mapping, or out as the document.
    fn attach(&mut self, node: Node, extent: Extent) -> Option<Node> {
        let Some(frame) = self.frames.last_mut() else {
            self.anchors.clear();
            return Some(node);
        };
        frame.extent.nodes += extent.nodes;
        frame.extent.bytes += extent.bytes;
        frame.extent.height = frame.extent.height.max(extent.height + 1);
        match (&mut frame.node.value, frame.key.take()) {
            (Value::List(items), _) => items.push(node),
            (Value::Map(entries), Some(Key { at, name: KeyName::Text(key) })) => {
                if let Some(line) = frame.lines.get(&key) {
                    let hint = format!("remove one of them; the first is on line {line}");
                    self.sink.hint(at, format!("{} is there twice", quote(&key)), hint);
                } else {
                    frame.lines.insert(key.clone(), at.line);
                    entries.push(Entry { key, at, value: node });
                }
            }
            (Value::Map(_), Some(Key { name: KeyName::Merge, .. })) => frame.merged.push(node),
            (Value::Map(_), Some(Key { name: KeyName::Refused, .. })) => {}
            (Value::Map(_), None) => frame.key = Some(key_of(node, self.merge_keys, self.sink)),
            (Value::Scalar(_), _) => {}
        }
        None
    }
}

/// A node in the place of a key. A complex or empty key is noted, and its value dropped.
fn key_of(node: Node, merge_keys: MergeKeys, sink: &mut Sink) -> Key {
    let at = node.at;
    let refused = Key { at, name: KeyName::Refused };
    let Value::Scalar(Scalar { text, plain }) = node.value else {
        let hint = "write `key: value`; `{` and `[` at the start of a line need quotes to be text";
        sink.hint(at, "a key must be a text, not a list or mapping", hint);
        return refused;
    };
    if plain && text == "<<" {
        if merge_keys == MergeKeys::Followed {
            return Key { at, name: KeyName::Merge };
        }
        let hint = "an alias can stand for a whole value (`env: *shared`); otherwise repeat the keys";
        sink.hint(at, "merge keys are not understood", hint);
        return refused;
    }
    if text.is_empty() {
        sink.hint(at, "a key is missing before `:`", "write `key: value`");
        return refused;
    }
    Key { at, name: KeyName::Text(text) }
}

/// Adds what the value of a merge key holds and the mapping does not. Of a list, earlier mappings win.
fn merge(node: Node, entries: &mut Vec<Entry>, lines: &mut HashMap<String, u32>, sink: &mut Sink) {
    match node.value {
        Value::Map(others) => {
            for entry in others {
                if !lines.contains_key(&entry.key) {
                    lines.insert(entry.key.clone(), entry.at.line);
                    entries.push(entry);
                }
            }
        }
        Value::List(items) => items.into_iter().for_each(|item| merge(item, entries, lines, sink)),
        Value::Scalar(_) => {
            let hint = "such as `<<: *shared`";
            sink.hint(node.at, "a merge key takes a mapping or a list of mappings", hint);
        }
    }
}
