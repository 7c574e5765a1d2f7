//! The graphics state, as far as the place of text depends on it.

use std::rc::Rc;

use super::font::Font;
use super::geometry::{Matrix, Point};

/// Most saved states, and most open marks, at once.
pub(crate) const MAX_SAVED: usize = 512;

/// The part of the graphics state that text depends on.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) to_page: Matrix,
    pub(crate) font: Option<Rc<Font>>,
    pub(crate) font_size: f64,
    pub(crate) character_spacing: f64,
    pub(crate) word_spacing: f64,
    /// 1.0 is normal.
    pub(crate) horizontal_scale: f64,
    pub(crate) leading: f64,
    pub(crate) rise: f64,
}

/// One run over one content stream.
pub(crate) struct Run {
    pub(crate) state: State,
    pub(crate) saved: Vec<State>,
    pub(crate) text: Matrix,
    pub(crate) line: Matrix,
    /// One entry for each open marked content: whether it brought its own text.
    pub(crate) marks: Vec<bool>,
    /// How many of the open marks replace what is drawn inside them.
    pub(crate) replaced: usize,
    /// Text that the next drawn piece is to show instead of its own.
    pub(crate) replacement: Option<String>,
}

// === impl State ===

impl State {
    pub(crate) fn new(to_page: Matrix) -> Self {
        Self {
            to_page,
            font: None,
            font_size: 0.0,
            character_spacing: 0.0,
            word_spacing: 0.0,
            horizontal_scale: 1.0,
            leading: 0.0,
            rise: 0.0,
        }
    }
}

// === impl Run ===

impl Run {
    pub(crate) fn empty() -> Self {
        Self {
            state: State::new(Matrix::IDENTITY),
            saved: Vec::new(),
            text: Matrix::IDENTITY,
            line: Matrix::IDENTITY,
            marks: Vec::new(),
            replaced: 0,
            replacement: None,
        }
    }

    pub(crate) fn start_text(&mut self) {
        self.text = Matrix::IDENTITY;
        self.line = Matrix::IDENTITY;
    }

    pub(crate) fn next_line(&mut self, x: f64, y: f64) {
        self.line = Matrix::translation(x, y).then(self.line);
        self.text = self.line;
    }

    pub(crate) fn advance(&mut self, distance: f64) {
        self.text = Matrix::translation(distance, 0.0).then(self.text);
    }

    pub(crate) fn position(&self) -> Point {
        self.text.then(self.state.to_page).apply(0.0, self.state.rise)
    }

    pub(crate) fn open_mark(&mut self, actual_text: Option<String>) {
        if self.marks.len() >= MAX_SAVED {
            return;
        }
        self.marks.push(actual_text.is_some());
        if let Some(text) = actual_text {
            self.replaced += 1;
            self.replacement = Some(text);
        }
    }

    pub(crate) fn close_mark(&mut self) {
        if self.marks.pop() == Some(true) {
            self.replaced -= 1;
            self.replacement = None;
        }
    }
}
