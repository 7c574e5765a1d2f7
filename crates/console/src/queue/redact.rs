//! Takes out of a message what looks like a credential. Handlers are told to put none in; libraries they use know nothing of it.

const MASK: &str = "[redacted]";
/// Words after which a value is secret, whatever it looks like.
const NAMES: [&str; 9] =
    ["password", "passwd", "secret", "token", "api_key", "apikey", "api-key", "access_key", "authorization"];
/// How keys of well-known services begin.
const PREFIXES: [&str; 7] = ["sk-", "ghp_", "github_pat_", "xoxb-", "AKIA", "AIza", "eyJ"];
/// A shorter word with such a beginning is a word.
const LEAST_KEY_BYTES: usize = 16;

/// The message without passwords in addresses, values of `password=…` and the like, bearer tokens and keys of well-known
/// services.
pub fn redact(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    let mut after_bearer = false;
    for piece in message.split_inclusive(char::is_whitespace) {
        let word = piece.trim_end();
        let space = &piece[word.len()..];
        if after_bearer && !word.is_empty() {
            out.push_str(MASK);
            after_bearer = false;
        } else {
            let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
            after_bearer |= bare.eq_ignore_ascii_case("bearer");
            word_without_secret(word, &mut out);
        }
        out.push_str(space);
    }
    out
}

fn word_without_secret(word: &str, out: &mut String) {
    if let Some((scheme, rest)) = word.split_once("://") {
        let host = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        if let Some(at) = rest[..host].rfind('@') {
            out.push_str(scheme);
            out.push_str("://");
            out.push_str(MASK);
            // What follows the host may hold a secret of its own.
            return assigned(&rest[at..], out);
        }
    }
    assigned(word, out);
}

/// Each `name=value` or `name:value` among the parts of a word, such as a query or a line of JSON.
fn assigned(word: &str, out: &mut String) {
    for part in word.split_inclusive(['&', ',', ';', '?', '{', '}']) {
        let ends = part.ends_with(['&', ',', ';', '?', '{', '}']);
        let (body, end) = part.split_at(part.len() - usize::from(ends));
        match body.find(['=', ':']) {
            Some(at) if is_secret_name(&body[..at]) && at + 1 < body.len() => {
                out.push_str(&body[..=at]);
                out.push_str(MASK);
            }
            _ => key(body, out),
        }
        out.push_str(end);
    }
}

fn key(word: &str, out: &mut String) {
    let quoted = |c: char| matches!(c, '"' | '\'' | '`' | '(' | '[' | '=');
    let start = word.rfind(quoted).filter(|&at| at + 1 < word.len()).map_or(0, |at| at + 1);
    let (before, bare) = word.split_at(start);
    let long = bare.len() >= LEAST_KEY_BYTES;
    if long && PREFIXES.iter().any(|prefix| bare.starts_with(prefix)) {
        out.push_str(before);
        out.push_str(MASK);
    } else {
        out.push_str(word);
    }
}

fn is_secret_name(name: &str) -> bool {
    let name = name.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_ascii_lowercase();
    NAMES.iter().any(|secret| name.ends_with(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_credential_is_taken_out() {
        for (message, shown) in [
            ("cannot reach postgres://app:hunter2@db/jobs", "cannot reach postgres://[redacted]@db/jobs"),
            (
                "GET https://m.example/v1?api_key=abc&n=2 gave 500",
                "GET https://m.example/v1?api_key=[redacted]&n=2 gave 500",
            ),
            ("Authorization: Bearer abc.def refused", "Authorization: Bearer [redacted] refused"),
            (
                "incorrect API key provided: sk-proj-0123456789abcdef",
                "incorrect API key provided: [redacted]",
            ),
            (r#"{"token":"abc","n":1}"#, r#"{"token":[redacted],"n":1}"#),
            ("DB_PASSWORD=x y", "DB_PASSWORD=[redacted] y"),
        ] {
            assert_eq!(redact(message), shown);
        }
    }

    #[test]
    fn ordinary_messages_stay_as_they_are() {
        for message in [
            "model.timeout: no answer from http://127.0.0.1:9/v1 within 30 s",
            "documents.broken: cv.pdf has no text; upload one with text\n  (page 1)",
            "sk-8 is not a gate",
            "lease expired: the worker died, stalled or lost the database",
            "",
        ] {
            assert_eq!(redact(message), message);
        }
    }
}
