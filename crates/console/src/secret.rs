//! A token that does not end up in a log.

use std::fmt;

use subtle::ConstantTimeEq;

/// A bearer token: prints as `***`, compares in constant time.
#[derive(Clone)]
pub struct Secret(String);

// === impl Secret ===

impl Secret {
    /// Takes the token as it is, without the white space around it (a file or variable often ends with a line break).
    pub fn new(token: impl AsRef<str>) -> Self {
        Self(token.as_ref().trim().to_owned())
    }

    /// Whether `candidate` is the token. Takes as long for a wrong one as for the right one of the same length.
    pub fn matches(&self, candidate: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(candidate).into()
    }

    /// The token itself, to put it on the wire.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn debug_does_not_show_the_token() {
        assert_eq!(format!("{:?}", Secret::new("hunter2-hunter2")), "Secret(***)");
    }

    #[test]
    fn only_the_whole_token_matches() {
        let secret = Secret::new("correct horse\n");
        assert!(secret.matches(b"correct horse"));
        assert!(!secret.matches(b"correct hors"));
        assert!(!secret.matches(b"correct horse\n"));
        assert!(!secret.matches(b""));
    }
}
