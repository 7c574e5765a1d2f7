//! Recognises the PromQL expressions that an External metric says just as well: a selector with equality matchers,
//! plain or under `sum(...)`, since the series of an External metric are summed.

/// `name{label="value",...}` under an optional `sum(...)`: the name and its labels. Everything else is `None`.
pub(super) fn as_external(query: &str) -> Option<(String, Vec<(String, String)>)> {
    let query = query.trim();
    let inner = match query.strip_prefix("sum") {
        Some(rest) if rest.trim_start().starts_with('(') => {
            rest.trim_start().strip_prefix('(')?.strip_suffix(')')?
        }
        _ => query,
    };
    let inner = inner.trim();
    let (name, labels) = match inner.split_once('{') {
        Some((name, labels)) => (name.trim(), labels.strip_suffix('}')?),
        None => (inner, ""),
    };
    let starts = name.starts_with(|char: char| char.is_ascii_alphabetic() || matches!(char, '_' | ':'));
    let word = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | ':');
    if !starts || !name.chars().all(word) {
        return None;
    }
    let mut rest = labels.trim();
    let mut matchers = Vec::new();
    while !rest.is_empty() {
        let (label, tail) = rest.split_once('=')?;
        let label = label.trim();
        if label.is_empty() || !label.chars().all(|char| char.is_ascii_alphanumeric() || char == '_') {
            return None;
        }
        // An escape or another quote would need the whole grammar; `=~` fails here too.
        let (value, tail) = tail.trim_start().strip_prefix('"')?.split_once('"')?;
        if value.contains('\\') {
            return None;
        }
        matchers.push((label.to_owned(), value.to_owned()));
        rest = match tail.trim_start().strip_prefix(',') {
            Some(more) => more.trim_start(),
            None if tail.trim().is_empty() => "",
            None => return None,
        };
    }
    Some((name.to_owned(), matchers))
}

#[cfg(test)]
mod tests {
    use super::as_external;

    #[test]
    fn selectors_with_equality_are_taken_over() {
        let cases = [
            ("queue_depth", Some("queue_depth[]")),
            (" sum ( queue_depth{queue=\"a\", x = \"b,c\" ,} ) ", Some("queue_depth[queue=a;x=b,c]")),
            ("sum(rate(http_requests_total[1m]))", None),
            ("a + b", None),
            ("a{b=~\"c\"}", None),
            ("a{b!=\"c\"}", None),
            ("a{b=\"c\"} > 1", None),
            ("sum(a) by (b)", None),
            ("sum by (b) (a)", None),
            ("a{b=\"\\\"\"}", None),
            ("a{b=\"c\" d=\"e\"}", None),
            ("5", None),
            ("", None),
        ];
        for (query, expected) in cases {
            let found = as_external(query).map(|(name, labels)| {
                let labels: Vec<String> =
                    labels.iter().map(|(label, value)| format!("{label}={value}")).collect();
                format!("{name}[{}]", labels.join(";"))
            });
            assert_eq!(found.as_deref(), expected, "{query}");
        }
    }
}
