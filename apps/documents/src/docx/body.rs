//! Words of a WordprocessingML part (ECMA-376 part 1, section 17).

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::package::{damaged, declares_entities};
use crate::ExtractError;
use crate::limits::Watch;

/// Nesting of elements; tables within tables within text boxes reach a few dozen.
const MAX_DEPTH: usize = 1_000;
/// How many events pass between two looks at the clock.
const EVENTS_PER_CHECK: usize = 4_096;

/// Elements whose whole content is no text of the document as it reads now: text that was deleted or moved away under
/// change tracking, and the picture of a text box kept for old programs beside the box itself.
const SKIPPED: [&str; 4] = ["del", "moveFrom", "Fallback", "instrText"];

pub(crate) fn text(xml: &str, watch: &Watch<'_>) -> Result<String, ExtractError> {
    let mut reader = Reader::from_str(xml);
    let mut words = Words::default();
    let mut events = 0usize;
    loop {
        events += 1;
        if events.is_multiple_of(EVENTS_PER_CHECK) {
            watch.check_time()?;
            watch.check_text(words.text.len())?;
        }
        match reader.read_event() {
            Ok(Event::Start(element)) => {
                words.open(&element);
                if words.depth > MAX_DEPTH {
                    return Err(ExtractError::bomb(format!(
                        "its elements are nested deeper than {MAX_DEPTH}"
                    )));
                }
            }
            Ok(Event::Empty(element)) => {
                words.open(&element);
                words.close(element.local_name().as_ref());
            }
            Ok(Event::End(element)) => words.close(element.local_name().as_ref()),
            Ok(Event::Text(text)) => words.write(&text.xml10_content()),
            Ok(Event::CData(text)) => words.write(&text.xml10_content()),
            Ok(Event::GeneralRef(reference)) => {
                let character = match reference.resolve_char_ref() {
                    Ok(Some(character)) => Some(character),
                    Ok(None) => predefined(&reference),
                    Err(_) => None,
                };
                if let Some(character) = character {
                    words.write(character.encode_utf8(&mut [0; 4]));
                }
            }
            Ok(Event::DocType(_)) => return Err(declares_entities()),
            Ok(Event::Eof) if words.depth > 0 => {
                return Err(ExtractError::corrupt("its text breaks off in the middle"));
            }
            Ok(Event::Eof) => return Ok(words.text),
            Ok(_) => {}
            Err(error) => return Err(damaged("text", &error)),
        }
    }
}

/// The five entities of XML itself; others cannot exist without a document type, which is refused.
fn predefined(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => return None,
    })
}

#[derive(Default)]
struct Words {
    text: String,
    /// What separates the next words from those before: decided when they come, so that the end of a cell wins over
    /// the end of its last paragraph, and the end of a row over both.
    separator: &'static str,
    depth: usize,
    /// Depth at which a skipped element began.
    skip_from: Option<usize>,
    /// Open runs, innermost last: whether each is hidden.
    runs: Vec<bool>,
    /// Whether the properties now open are those of a paragraph and not of a run.
    in_paragraph_properties: bool,
    in_text: bool,
}

// === impl Words ===

impl Words {
    fn open(&mut self, element: &BytesStart<'_>) {
        self.depth += 1;
        if self.skip_from.is_some() {
            return;
        }
        let name = element.local_name();
        match name.as_ref() {
            name if SKIPPED.contains(&name) => self.skip_from = Some(self.depth),
            "r" => self.runs.push(false),
            "pPr" => self.in_paragraph_properties = true,
            "vanish" if !self.in_paragraph_properties && is_on(element) => {
                if let Some(hidden) = self.runs.last_mut() {
                    *hidden = true;
                }
            }
            "t" => self.in_text = true,
            "tab" if !self.in_paragraph_properties && !self.runs.is_empty() => self.push("\t"),
            "br" | "cr" => self.push("\n"),
            "noBreakHyphen" => self.push("-"),
            "sym" => self.push("•"),
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        if let Some(from) = self.skip_from {
            if self.depth == from {
                self.skip_from = None;
            }
            self.depth = self.depth.saturating_sub(1);
            return;
        }
        self.depth = self.depth.saturating_sub(1);
        match name {
            "r" => {
                self.runs.pop();
            }
            "pPr" => self.in_paragraph_properties = false,
            "t" => self.in_text = false,
            // An empty paragraph is how people make a gap.
            "p" => self.separator = if self.separator.is_empty() { "\n" } else { "\n\n" },
            "tc" => self.separator = "\t",
            "tr" => self.separator = "\n",
            "tbl" => self.separator = "\n\n",
            _ => {}
        }
    }

    fn write(&mut self, text: &str) {
        if self.in_text {
            self.push(text);
        }
    }

    fn push(&mut self, text: &str) {
        let hidden = self.runs.last().copied().unwrap_or(false);
        if hidden || self.skip_from.is_some() || text.is_empty() {
            return;
        }
        if !self.text.is_empty() {
            self.text.push_str(self.separator);
        }
        self.separator = "";
        self.text.push_str(text);
    }
}

/// Whether an on/off property is on: it is, unless it says otherwise.
fn is_on(element: &BytesStart<'_>) -> bool {
    let value = element.attributes().flatten().find(|attribute| attribute.key.local_name().as_ref() == "val");
    value.is_none_or(|attribute| !matches!(attribute.value.as_ref(), "0" | "false" | "off"))
}

#[cfg(test)]
mod tests {
    use super::text;
    use crate::Limits;
    use crate::limits::Watch;

    fn words(xml: &str) -> Result<String, crate::ExtractError> {
        text(xml, &Watch::new(&Limits::default(), &|| false))
    }

    #[test]
    fn paragraphs_breaks_and_tables_keep_their_shape() {
        let xml = r#"<w:document xmlns:w="w"><w:body>
            <w:p><w:pPr><w:tabs><w:tab w:val="left"/></w:tabs></w:pPr><w:r><w:t xml:space="preserve">R&amp;D </w:t></w:r>
                <w:hyperlink r:id="rId1"><w:r><w:t>caf&#xE9;</w:t><w:br/><w:t>two</w:t><w:tab/><w:t>three</w:t></w:r></w:hyperlink></w:p>
            <w:p/>
            <w:tbl><w:tr><w:tc><w:p><w:r><w:t>a</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>b</w:t></w:r></w:p></w:tc></w:tr>
            <w:tr><w:tc><w:p><w:r><w:t>c</w:t></w:r></w:p></w:tc></w:tr></w:tbl>
            <w:p><w:r><w:t>end</w:t></w:r></w:p></w:body></w:document>"#;
        assert_eq!(words(xml).expect("text"), "R&D café\ntwo\tthree\n\na\tb\nc\n\nend");
    }

    #[test]
    fn deleted_hidden_and_doubled_text_is_left_out() {
        let xml = r#"<w:document><w:p>
            <w:del><w:r><w:delText>gone</w:delText></w:r></w:del>
            <w:moveFrom><w:r><w:t>moved</w:t></w:r></w:moveFrom>
            <w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r>
            <w:r><w:rPr><w:vanish w:val="0"/></w:rPr><w:t>seen</w:t></w:r>
            <w:r><w:instrText>PAGE</w:instrText></w:r>
            <mc:AlternateContent><mc:Choice><w:r><w:t>, box</w:t></w:r></mc:Choice>
            <mc:Fallback><w:r><w:t>box</w:t></w:r></mc:Fallback></mc:AlternateContent></w:p></w:document>"#;
        assert_eq!(words(xml).expect("text"), "seen, box");
    }

    #[test]
    fn entities_depth_and_broken_xml_are_refused() {
        let bomb = r#"<!DOCTYPE a [<!ENTITY b "bbbbbbbb">]><w:document><w:t>&b;</w:t></w:document>"#;
        assert_eq!(words(bomb).expect_err("entity").code(), "DOCUMENT_BOMB");
        assert_eq!(words(&"<a>".repeat(2_000)).expect_err("deep").code(), "DOCUMENT_BOMB");
        assert_eq!(words("<w:document><w:p>").expect_err("cut").code(), "DOCUMENT_CORRUPT");
        assert_eq!(words("<w:document></w:p>").expect_err("crossed").code(), "DOCUMENT_CORRUPT");
    }
}
