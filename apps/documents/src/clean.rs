//! Makes extracted text fit to be read by people and by models.

/// `text` without control characters, with blanks folded, lines trimmed at their end and no more than one empty
/// line in a row.
pub(crate) fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut empty_lines = 0;
    let text = text.replace("\r\n", "\n");
    for line in text.split(['\n', '\r', '\u{0B}', '\u{0C}', '\u{85}', '\u{2028}', '\u{2029}']) {
        let before = out.len();
        fold_line(line, &mut out);
        let length = out[before..].trim_end().len();
        out.truncate(before + length);
        if length == 0 {
            empty_lines += 1;
            continue;
        }
        if before > 0 {
            let line_length = out.len() - before;
            let line = out.split_off(out.len() - line_length);
            out.push_str(if empty_lines > 0 { "\n\n" } else { "\n" });
            out.push_str(&line);
        }
        empty_lines = 0;
    }
    out
}

fn fold_line(line: &str, out: &mut String) {
    let start = out.len();
    let mut blank = None;
    for character in line.chars() {
        match character {
            '\t' => blank = Some('\t'),
            ' ' | '\u{A0}' | '\u{1680}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{3000}' => {
                blank = blank.or(Some(' '));
            }
            // Soft hyphens and zero-width marks are layout, not words; the rest is never text.
            '\u{AD}'
            | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{2069}'
            | '\u{FEFF}' => {}
            _ if character.is_control() || is_noncharacter(character) => {}
            _ => {
                if let Some(blank) = blank.take()
                    && out.len() > start
                {
                    out.push(blank);
                }
                push_ligature(character, out);
            }
        }
    }
}

/// Typographic ligatures are one glyph on paper and several letters to a reader.
fn push_ligature(character: char, out: &mut String) {
    match character {
        '\u{FB00}' => out.push_str("ff"),
        '\u{FB01}' => out.push_str("fi"),
        '\u{FB02}' => out.push_str("fl"),
        '\u{FB03}' => out.push_str("ffi"),
        '\u{FB04}' => out.push_str("ffl"),
        '\u{FB05}' | '\u{FB06}' => out.push_str("st"),
        _ => out.push(character),
    }
}

fn is_noncharacter(character: char) -> bool {
    let code = u32::from(character);
    (0xFDD0..=0xFDEF).contains(&code) || code & 0xFFFE == 0xFFFE
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn blanks_and_empty_lines_are_folded() {
        assert_eq!(text("  a   b\u{A0}c \r\n\r\n\n\nd\t e\n\n"), "a b c\n\nd\te");
        assert_eq!(text(" \n\t\n"), "");
        assert_eq!(text("a\rb"), "a\nb");
    }

    #[test]
    fn marks_that_no_reader_sees_are_dropped() {
        assert_eq!(text("in\u{AD}vis\u{200B}ible\u{0}\u{1B}[0m"), "invisible[0m");
        assert_eq!(text("e\u{FB03}cient"), "efficient");
    }
}
