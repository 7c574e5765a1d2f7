//! Turns pieces of text with positions into lines of words.
//!
//! Pieces keep the order in which the page draws them, which in documents made by word processors and TeX is the order
//! in which people read; positions only decide what separates two pieces.

use std::collections::HashSet;

use super::geometry::Point;

/// Across the line, in font sizes: less is a raised or lowered character of the same line.
const SAME_LINE: f64 = 0.5;
/// Across the line, in font sizes: more is the gap between paragraphs.
const NEW_PARAGRAPH: f64 = 1.9;
/// Along the line, in font sizes: more is a space. The narrowest space in use is about 0.2.
const SPACE: f64 = 0.15;
/// Along the line, in font sizes: more is the gap between columns.
const COLUMN: f64 = 3.0;
/// Backwards along the line, in font sizes: more is not kerning but another piece of the page.
const BACKWARDS: f64 = 0.6;

/// Text drawn in one go, along one baseline.
pub(crate) struct Piece<'a> {
    pub(crate) text: &'a str,
    pub(crate) start: Point,
    pub(crate) end: Point,
    /// Unit vector of the baseline.
    pub(crate) direction: Point,
    /// Height of the font, in page units.
    pub(crate) size: f64,
}

/// The text of a page as it grows.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    pub(crate) text: String,
    last: Option<Last>,
}

#[derive(Debug)]
struct Last {
    text_start: usize,
    start: Point,
    end: Point,
    size: f64,
}

// === impl Layout ===

impl Layout {
    pub(crate) fn place(&mut self, piece: &Piece<'_>) {
        if piece.text.is_empty() {
            return;
        }
        if let Some(last) = &self.last {
            if self.repeats(last, piece) {
                return;
            }
            let separator = separator(last, piece);
            self.text.push_str(separator);
        }
        let text_start = self.text.len();
        self.text.push_str(piece.text);
        self.last = Some(Last { text_start, start: piece.start, end: piece.end, size: piece.size });
    }

    /// Ends the page: whatever comes next starts a new paragraph.
    pub(crate) fn end_page(&mut self) {
        self.last = None;
        self.text.push_str("\n\n");
    }

    /// Bold faked by drawing the same words twice, a hair apart.
    fn repeats(&self, last: &Last, piece: &Piece<'_>) -> bool {
        let apart = (piece.start.x - last.start.x).hypot(piece.start.y - last.start.y);
        apart < 0.1 * piece.size && &self.text[last.text_start..] == piece.text
    }
}

fn separator(last: &Last, piece: &Piece<'_>) -> &'static str {
    let size = if piece.size > 0.0 { piece.size.max(last.size) } else { 1.0 };
    let (dx, dy) = (piece.start.x - last.end.x, piece.start.y - last.end.y);
    let along = (dx * piece.direction.x + dy * piece.direction.y) / size;
    let across = (dx * piece.direction.y - dy * piece.direction.x).abs() / size;
    if across > NEW_PARAGRAPH {
        "\n\n"
    } else if across > SAME_LINE {
        "\n"
    } else if along > COLUMN {
        "\t"
    } else if along > SPACE {
        " "
    } else if along < -COLUMN {
        "\n"
    } else if along < -BACKWARDS {
        " "
    } else {
        ""
    }
}

/// Joins words that were broken at the end of a line.
///
/// A hyphen there either belongs to the word (`first-pass`) or was put in to break it (`exten-sion`). It is dropped
/// when the word without it occurs elsewhere in the text, and kept otherwise.
pub(crate) fn join_broken_words(text: &str) -> String {
    let words: HashSet<&str> = text.split(|character: char| !character.is_alphanumeric()).collect();
    let mut joined = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("-\n") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        let head = before.rsplit(|character: char| !character.is_alphanumeric()).next().unwrap_or_default();
        let tail = after.split(|character: char| !character.is_alphanumeric()).next().unwrap_or_default();
        joined.push_str(before);
        if head.is_empty() || !tail.starts_with(char::is_lowercase) {
            joined.push_str("-\n");
        } else if !words.contains(format!("{head}{tail}").as_str()) {
            joined.push('-');
        }
        rest = after;
    }
    joined.push_str(rest);
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(layout: &mut Layout, text: &str, x: f64, y: f64, width: f64) {
        let (start, end) = (Point { x, y }, Point { x: x + width, y });
        layout.place(&Piece { text, start, end, direction: Point { x: 1.0, y: 0.0 }, size: 10.0 });
    }

    #[test]
    fn gaps_decide_what_separates_two_pieces() {
        let mut layout = Layout::default();
        place(&mut layout, "Ker", 0.0, 700.0, 15.0);
        place(&mut layout, "ned", 14.5, 700.0, 15.0);
        place(&mut layout, "word", 32.0, 700.0, 20.0);
        place(&mut layout, "2", 52.0, 704.0, 5.0);
        place(&mut layout, "2024", 300.0, 700.0, 20.0);
        place(&mut layout, "next line", 0.0, 688.0, 40.0);
        place(&mut layout, "next paragraph", 0.0, 660.0, 40.0);
        assert_eq!(layout.text, "Kerned word2\t2024\nnext line\n\nnext paragraph");
    }

    #[test]
    fn words_broken_at_the_end_of_a_line_are_joined() {
        let text = "a first-\npass model of exten-\nsion, an extension\n- item\nnon-\nEU – é-\nà -\n";
        assert_eq!(
            join_broken_words(text),
            "a first-pass model of extension, an extension\n- item\nnon-\nEU – é-à -\n"
        );
    }

    #[test]
    fn words_drawn_twice_for_bold_are_read_once() {
        let mut layout = Layout::default();
        place(&mut layout, "Skills", 0.0, 700.0, 30.0);
        place(&mut layout, "Skills", 0.3, 700.0, 30.0);
        assert_eq!(layout.text, "Skills");
    }
}
