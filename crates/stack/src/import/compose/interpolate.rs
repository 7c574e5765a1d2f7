//! `${NAME}` in values. Compose fills them in from its environment; a stack file says what it means.

/// A text after interpolation.
pub(super) struct Filled {
    /// The text; a variable without default stays as it was written.
    pub(super) text: String,
    /// Variables whose default was used.
    pub(super) defaulted: Vec<String>,
    /// Variables that only the environment knows.
    pub(super) unknown: Vec<String>,
}

/// Resolves `$$`, and `${NAME:-default}` or `${NAME-default}` to the default.
pub(super) fn fill(text: &str) -> Filled {
    let mut filled = Filled { text: String::new(), defaulted: Vec::new(), unknown: Vec::new() };
    let mut rest = text;
    while let Some(start) = rest.find('$') {
        let (before, tail) = rest.split_at(start);
        filled.text.push_str(before);
        let after = &tail[1..];
        if let Some(escaped) = after.strip_prefix('$') {
            filled.text.push('$');
            rest = escaped;
            continue;
        }
        let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let (inner, next) = match braced {
            Some(found) => found,
            None => after.split_at(after.find(|char| !is_name(char)).unwrap_or(after.len())),
        };
        let name = &inner[..inner.find(|char| !is_name(char)).unwrap_or(inner.len())];
        if name.is_empty() {
            filled.text.push('$');
            rest = after;
            continue;
        }
        let operator = &inner[name.len()..];
        match operator.strip_prefix(":-").or_else(|| operator.strip_prefix('-')) {
            Some(default) => {
                filled.text.push_str(default);
                filled.defaulted.push(name.to_owned());
            }
            None => {
                filled.text.push_str(&tail[..tail.len() - next.len()]);
                filled.unknown.push(name.to_owned());
            }
        }
        rest = next;
    }
    filled.text.push_str(rest);
    filled
}

fn is_name(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_'
}

#[cfg(test)]
mod tests {
    use super::fill;

    #[test]
    fn defaults_are_used_and_the_rest_is_told() {
        let cases = [
            ("plain", "plain", "", ""),
            ("a$$b", "a$b", "", ""),
            ("${A:-x}/${B-y}", "x/y", "A B", ""),
            ("$A-${B}-${C:?needed}", "$A-${B}-${C:?needed}", "", "A B C"),
            ("${A:-}", "", "A", ""),
            ("cost: 5$", "cost: 5$", "", ""),
            ("${", "${", "", ""),
        ];
        for (text, result, defaulted, unknown) in cases {
            let filled = fill(text);
            assert_eq!(filled.text, result, "{text}");
            assert_eq!(filled.defaulted.join(" "), defaulted, "{text}");
            assert_eq!(filled.unknown.join(" "), unknown, "{text}");
        }
    }
}
