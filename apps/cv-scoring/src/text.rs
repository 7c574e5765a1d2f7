//! Small handling of texts that both scorers share.

/// `text` with at most `max_chars` characters, cut at a word and marked with `…` when it was longer.
pub(crate) fn shorten(text: &str, max_chars: usize) -> String {
    match text.char_indices().nth(max_chars) {
        None => text.to_owned(),
        Some((end, _)) => {
            let head = &text[..end];
            let at_word = head.rfind(char::is_whitespace).filter(|at| *at > end / 2).unwrap_or(end);
            format!("{}…", head[..at_word].trim_end())
        }
    }
}

/// `text` in pieces of at most `max_bytes` bytes (of one character when that is longer), cut at blanks where there are any.
pub(crate) fn pieces(text: &str, max_bytes: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let limit = rest.floor_char_boundary(max_bytes.min(rest.len()));
        let limit = if limit == 0 { rest.chars().next().map_or(rest.len(), char::len_utf8) } else { limit };
        let cut = if limit == rest.len() {
            limit
        } else {
            rest[..limit].rfind(' ').map_or(limit, |blank| blank + 1)
        };
        let (piece, tail) = rest.split_at(cut);
        rest = tail;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::{pieces, shorten};

    #[test]
    fn long_texts_are_cut_at_a_word() {
        assert_eq!(shorten("short", 10), "short");
        assert_eq!(shorten("some longer words", 12), "some longer…");
        assert_eq!(shorten("ééééé", 3), "ééé…");
    }

    #[test]
    fn pieces_are_the_whole_text() {
        for text in ["", "a", "some words here", "wordwithoutblanks", "éééé", " "] {
            for max_bytes in 1..6 {
                let pieces: Vec<&str> = pieces(text, max_bytes).collect();
                assert_eq!(pieces.concat(), text);
                assert!(pieces.iter().all(|piece| piece.len() <= max_bytes.max(2)), "{pieces:?}");
            }
        }
    }
}
