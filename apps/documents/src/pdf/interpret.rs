//! Runs the content of pages as far as text needs it.

use std::collections::HashMap;
use std::rc::Rc;

use lopdf::content::{Content, Operation};
use lopdf::{DecompressError, Dictionary, Document, Error, Object, Stream};

use super::Findings;
use super::font::Font;
use super::geometry::{Matrix, number_of};
use super::layout::{Layout, Piece};
use super::pages::{Page, resolve};
use super::state::{MAX_SAVED, Run, State};
use crate::ExtractError;
use crate::limits::Watch;

/// Forms within forms within a page.
const MAX_FORM_DEPTH: usize = 12;
/// Forms drawn in a whole document. Ten forms that each draw the next ten times are ten billion at depth ten.
const MAX_FORMS: usize = 20_000;
/// Largest content stream, in bytes.
const MAX_CONTENT_BYTES: usize = 24 * 1024 * 1024;
/// How many operations pass between two looks at the clock.
const OPERATIONS_PER_CHECK: usize = 512;

/// Draws all pages and returns their text.
pub(crate) fn draw(
    document: &Document,
    pages: &[Page<'_>],
    watch: &Watch<'_>,
    findings: &mut Findings,
) -> Result<String, ExtractError> {
    let mut canvas = Canvas {
        document,
        watch,
        findings,
        layout: Layout::default(),
        fonts: HashMap::new(),
        forms: 0,
        operations: 0,
    };
    for page in pages {
        watch.check_time()?;
        let content = canvas.page_content(page.dictionary)?;
        canvas.run(&content, page.resources, State::new(Matrix::IDENTITY), 0)?;
        canvas.annotations(page)?;
        canvas.layout.end_page();
    }
    Ok(canvas.layout.text)
}

struct Canvas<'a, 'w> {
    document: &'a Document,
    watch: &'w Watch<'w>,
    findings: &'w mut Findings,
    layout: Layout,
    /// Fonts already read, by the address of their dictionary.
    fonts: HashMap<usize, Option<Rc<Font>>>,
    forms: usize,
    operations: usize,
}

// === impl Canvas ===

impl<'a> Canvas<'a, '_> {
    fn page_content(&mut self, page: &'a Dictionary) -> Result<Vec<u8>, ExtractError> {
        let mut content = Vec::new();
        let Ok(object) = page.get_deref(b"Contents", self.document) else { return Ok(content) };
        let parts = match object {
            Object::Array(parts) => parts.as_slice(),
            part => std::slice::from_ref(part),
        };
        for part in parts {
            let Ok((_, Object::Stream(stream))) = self.document.dereference(part) else { continue };
            content.extend_from_slice(&self.inflate(stream)?);
            content.push(b'\n');
            if content.len() > MAX_CONTENT_BYTES {
                return Err(ExtractError::bomb(format!("a page draws more than {MAX_CONTENT_BYTES} bytes")));
            }
        }
        Ok(content)
    }

    fn inflate(&mut self, stream: &Stream) -> Result<Vec<u8>, ExtractError> {
        let limit = self.watch.expandable_bytes().min(MAX_CONTENT_BYTES);
        match stream.get_plain_content_with_limit(limit) {
            Ok(content) => {
                self.watch.book_expanded(content.len())?;
                Ok(content)
            }
            Err(Error::Decompress(DecompressError::MemoryLimitExceeded { .. })) => {
                Err(self.watch.expanded_too_far())
            }
            Err(_) => {
                self.findings.damaged_streams += 1;
                Ok(Vec::new())
            }
        }
    }

    fn run(
        &mut self,
        content: &[u8],
        resources: Option<&'a Dictionary>,
        state: State,
        depth: usize,
    ) -> Result<(), ExtractError> {
        let mut run = Run { state, ..Run::empty() };
        for operation in Content::decode_iter(content) {
            self.operations += 1;
            if self.operations.is_multiple_of(OPERATIONS_PER_CHECK) {
                self.watch.check_time()?;
                self.watch.check_text(self.layout.text.len())?;
            }
            // What was drawn before the damage stays; a reader shows that much too.
            let Ok(operation) = operation else {
                self.findings.damaged_streams += 1;
                break;
            };
            self.execute(&operation, &mut run, resources, depth)?;
        }
        Ok(())
    }

    fn execute(
        &mut self,
        operation: &Operation,
        run: &mut Run,
        resources: Option<&'a Dictionary>,
        depth: usize,
    ) -> Result<(), ExtractError> {
        let operands = operation.operands.as_slice();
        let number = |index: usize| operands.get(index).and_then(number_of);
        match operation.operator.as_str() {
            "q" if run.saved.len() < MAX_SAVED => run.saved.push(run.state.clone()),
            "Q" => {
                if let Some(state) = run.saved.pop() {
                    run.state = state;
                }
            }
            "cm" => {
                if let Some(matrix) = Matrix::read(operands) {
                    run.state.to_page = matrix.then(run.state.to_page);
                }
            }
            "BT" => run.start_text(),
            "Tf" => {
                let name = operands.first().and_then(|name| name.as_name().ok());
                run.state.font = name.and_then(|name| self.font(name, resources).transpose()).transpose()?;
                run.state.font_size = number(1).unwrap_or(0.0);
            }
            "Tc" => run.state.character_spacing = number(0).unwrap_or(0.0),
            "Tw" => run.state.word_spacing = number(0).unwrap_or(0.0),
            "Tz" => run.state.horizontal_scale = number(0).unwrap_or(100.0) / 100.0,
            "TL" => run.state.leading = number(0).unwrap_or(0.0),
            "Ts" => run.state.rise = number(0).unwrap_or(0.0),
            "Td" => run.next_line(number(0).unwrap_or(0.0), number(1).unwrap_or(0.0)),
            "TD" => {
                run.state.leading = -number(1).unwrap_or(0.0);
                run.next_line(number(0).unwrap_or(0.0), number(1).unwrap_or(0.0));
            }
            "Tm" => {
                if let Some(matrix) = Matrix::read(operands) {
                    run.line = matrix;
                    run.text = matrix;
                }
            }
            "T*" => run.next_line(0.0, -run.state.leading),
            "Tj" => self.show_operand(operands.first(), run),
            "'" => {
                run.next_line(0.0, -run.state.leading);
                self.show_operand(operands.first(), run);
            }
            "\"" => {
                run.state.word_spacing = number(0).unwrap_or(0.0);
                run.state.character_spacing = number(1).unwrap_or(0.0);
                run.next_line(0.0, -run.state.leading);
                self.show_operand(operands.get(2), run);
            }
            "TJ" => {
                for part in operands.first().and_then(|array| array.as_array().ok()).into_iter().flatten() {
                    match number_of(part) {
                        Some(back) => {
                            run.advance(-back / 1000.0 * run.state.font_size * run.state.horizontal_scale)
                        }
                        None => self.show_operand(Some(part), run),
                    }
                }
            }
            "BDC" => run.open_mark(self.actual_text(operands.get(1), resources)),
            "BMC" => run.open_mark(None),
            "EMC" => run.close_mark(),
            "Do" => {
                let name = operands.first().and_then(|name| name.as_name().ok());
                if let Some(stream) = name.and_then(|name| self.x_object(name, resources)) {
                    self.draw_x_object(stream, run, resources, depth)?;
                }
            }
            "BI" => self.findings.images += 1,
            "f" | "F" | "f*" | "S" | "s" | "B" | "B*" | "b" | "b*" => self.findings.strokes += 1,
            _ => {}
        }
        Ok(())
    }

    fn show_operand(&mut self, operand: Option<&Object>, run: &mut Run) {
        let Some(Object::String(string, _)) = operand else { return };
        let Some(font) = run.state.font.clone() else { return };
        let mut text = String::new();
        let start = run.position();
        let state = run.state.clone();
        let findings = &mut *self.findings;
        font.decode(string, &mut |glyph| {
            match &glyph.text {
                Some(own) => {
                    findings.mapped_codes += 1;
                    text.push_str(own);
                }
                None => findings.unmapped_codes += 1,
            }
            let spacing = state.character_spacing + if glyph.is_space { state.word_spacing } else { 0.0 };
            run.advance((glyph.width * state.font_size + spacing) * state.horizontal_scale);
        });
        if run.replaced > 0 {
            // The mark's own text stands for everything drawn inside it: shown once, at the first piece.
            text = run.replacement.take().unwrap_or_default();
        }
        let (direction, height) = run.text.then(run.state.to_page).baseline();
        let size = height * state.font_size.abs();
        self.layout.place(&Piece { text: &text, start, end: run.position(), direction, size });
    }

    fn font(
        &mut self,
        name: &[u8],
        resources: Option<&'a Dictionary>,
    ) -> Result<Option<Rc<Font>>, ExtractError> {
        let font = resources
            .and_then(|resources| resolve(self.document, resources, b"Font"))
            .and_then(|fonts| resolve(self.document, fonts, name));
        let Some(font) = font else { return Ok(None) };
        let address = std::ptr::from_ref(font).addr();
        if let Some(known) = self.fonts.get(&address) {
            return Ok(known.clone());
        }
        let read = Some(Rc::new(Font::read(self.document, font, self.watch)?));
        self.fonts.insert(address, read.clone());
        Ok(read)
    }

    fn x_object(&self, name: &[u8], resources: Option<&'a Dictionary>) -> Option<&'a Stream> {
        let objects = resolve(self.document, resources?, b"XObject")?;
        objects.get_deref(name, self.document).and_then(Object::as_stream).ok()
    }

    fn draw_x_object(
        &mut self,
        stream: &'a Stream,
        run: &Run,
        resources: Option<&'a Dictionary>,
        depth: usize,
    ) -> Result<(), ExtractError> {
        match stream.dict.get(b"Subtype").and_then(Object::as_name) {
            Ok(b"Image") => self.findings.images += 1,
            Ok(b"Form") => {
                self.forms += 1;
                if self.forms > MAX_FORMS || depth >= MAX_FORM_DEPTH {
                    return Err(ExtractError::bomb("its forms draw each other without end"));
                }
                self.watch.check_time()?;
                let content = self.inflate(stream)?;
                let matrix = stream.dict.get_deref(b"Matrix", self.document).and_then(Object::as_array).ok();
                let own = matrix.and_then(|matrix| Matrix::read(matrix)).unwrap_or(Matrix::IDENTITY);
                let mut state = run.state.clone();
                state.to_page = own.then(state.to_page);
                // Old writers let a form use the resources of the page that draws it.
                let resources = resolve(self.document, &stream.dict, b"Resources").or(resources);
                self.run(&content, resources, state, depth + 1)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Filled-in form fields and text boxes laid over the page.
    fn annotations(&mut self, page: &Page<'a>) -> Result<(), ExtractError> {
        let annotations = page.dictionary.get_deref(b"Annots", self.document).and_then(Object::as_array);
        for annotation in annotations.into_iter().flatten() {
            let Ok((_, Object::Dictionary(annotation))) = self.document.dereference(annotation) else {
                continue;
            };
            let kind = annotation.get(b"Subtype").and_then(Object::as_name).unwrap_or_default();
            if !matches!(kind, b"Widget" | b"FreeText") {
                continue;
            }
            let normal = resolve(self.document, annotation, b"AP").and_then(|appearance| {
                appearance.get_deref(b"N", self.document).and_then(Object::as_stream).ok()
            });
            let place = annotation.get_deref(b"Rect", self.document).and_then(Object::as_array).ok();
            let corner =
                |index: usize| place.and_then(|place| place.get(index)).and_then(number_of).unwrap_or(0.0);
            if let Some(stream) = normal {
                let state = State::new(Matrix::translation(corner(0), corner(1)));
                let run = Run { state, ..Run::empty() };
                self.draw_x_object(stream, &run, page.resources, 0)?;
            }
        }
        Ok(())
    }

    /// `/ActualText` of a marked content's properties: what the drawn glyphs mean.
    fn actual_text(&self, properties: Option<&Object>, resources: Option<&Dictionary>) -> Option<String> {
        let dictionary = match properties? {
            Object::Dictionary(dictionary) => dictionary,
            Object::Name(name) => {
                let named = resolve(self.document, resources?, b"Properties")?;
                return self.actual_text_of(resolve(self.document, named, name)?);
            }
            _ => return None,
        };
        self.actual_text_of(dictionary)
    }

    fn actual_text_of(&self, dictionary: &Dictionary) -> Option<String> {
        let text = dictionary.get_deref(b"ActualText", self.document).ok()?;
        lopdf::decode_text_string(text).ok()
    }
}
