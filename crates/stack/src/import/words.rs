//! A command line taken apart as a POSIX shell would, without running anything.

/// The words of a line; `None` when a quote is not closed.
pub(super) fn split(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(char) = chars.next() {
        match char {
            char if char.is_ascii_whitespace() => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '\'' => break,
                        inner => word.push(inner),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => match chars.next()? {
                            escaped @ ('"' | '\\' | '$' | '`') => word.push(escaped),
                            other => word.extend(['\\', other]),
                        },
                        inner => word.push(inner),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(chars.next()?),
            char => word.get_or_insert_default().push(char),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn quotes_and_escapes_are_those_of_a_shell() {
        let cases = [
            ("a b  c", Some(vec!["a", "b", "c"])),
            ("sh -c 'a b' \"c \\\"d\\\" \\e\" f\\ g", Some(vec!["sh", "-c", "a b", "c \"d\" \\e", "f g"])),
            ("a '' b", Some(vec!["a", "", "b"])),
            ("", Some(vec![])),
            ("a 'b", None),
            ("a \\", None),
        ];
        for (line, words) in cases {
            let expected = words.map(|words| words.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(split(line), expected, "{line}");
        }
    }
}
