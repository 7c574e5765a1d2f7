//! Settings from the environment, with every mistake told at once.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Reads variables one by one and remembers what was wrong with each.
#[derive(Debug)]
pub struct Settings {
    variables: BTreeMap<String, String>,
    mistakes: Vec<Mistake>,
}

/// One variable that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The variable.
    pub name: String,
    /// What is wrong. Never holds the value of a secret.
    pub what: String,
    /// How to mend it.
    pub hint: String,
}

/// All that was wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes(pub Vec<Mistake>);

// === impl Settings ===

impl Settings {
    /// Reads from the process's environment. Variables that are not Unicode count as mistakes when asked for.
    #[must_use]
    pub fn from_environment() -> Self {
        Self::new(std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        }))
    }

    /// Reads from these variables.
    #[must_use]
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { variables: variables.into_iter().collect(), mistakes: Vec::new() }
    }

    /// The variable's text, trimmed; None when unset or empty.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        let value = self.variables.get(name)?.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// The variable parsed, or the default when unset. A value that does not parse is a mistake with this hint.
    pub fn parsed<T: FromStr>(&mut self, name: &str, default: T, hint: &str) -> T {
        match self.text(name) {
            None => default,
            Some(text) => match text.parse() {
                Ok(value) => value,
                Err(_) => {
                    self.mistake(name, format!("`{text}` cannot be read"), hint);
                    default
                }
            },
        }
    }

    /// A number within bounds, or the default when unset.
    pub fn number(&mut self, name: &str, default: u64, bounds: std::ops::RangeInclusive<u64>) -> u64 {
        let hint = format!("give a whole number from {} to {}", bounds.start(), bounds.end());
        let value = self.parsed(name, default, &hint);
        if bounds.contains(&value) {
            return value;
        }
        self.mistake(name, format!("{value} is out of range"), hint);
        default
    }

    /// The items of a comma-separated list, each parsed; empty when unset.
    pub fn list<T: FromStr>(&mut self, name: &str, hint: &str) -> Vec<T> {
        let text = self.text(name).unwrap_or_default();
        let mut items = Vec::new();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            match item.parse() {
                Ok(value) => items.push(value),
                Err(_) => self.mistake(name, format!("`{item}` cannot be read"), hint),
            }
        }
        items
    }

    /// Notes a mistake that the caller found. Keep values of secrets out of `what`.
    pub fn mistake(&mut self, name: &str, what: impl Into<String>, hint: impl Into<String>) {
        self.mistakes.push(Mistake { name: name.to_owned(), what: what.into(), hint: hint.into() });
    }

    /// The value when nothing was wrong.
    ///
    /// # Errors
    /// All mistakes, in the order in which the variables were read.
    pub fn finish<T>(self, value: T) -> Result<T, Mistakes> {
        if self.mistakes.is_empty() { Ok(value) } else { Err(Mistakes(self.mistakes)) }
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Mistake { name, what, hint }) in self.0.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(formatter, "{newline}{name}: {what}. hint: {hint}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_told_at_once() {
        let variables = [("PORT", "eighty"), ("MAX_UPLOAD_MB", "0"), ("PEERS", "127.0.0.1, nonsense")];
        let mut settings = Settings::new(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let port: u16 = settings.parsed("PORT", 8080, "give a port");
        let limit = settings.number("MAX_UPLOAD_MB", 10, 1..=1000);
        let peers: Vec<std::net::IpAddr> = settings.list("PEERS", "give addresses");
        assert_eq!((port, limit, peers.len()), (8080, 10, 1));
        assert_eq!(
            settings.finish(()).unwrap_err().to_string(),
            "PORT: `eighty` cannot be read. hint: give a port\n\
             MAX_UPLOAD_MB: 0 is out of range. hint: give a whole number from 1 to 1000\n\
             PEERS: `nonsense` cannot be read. hint: give addresses",
        );
    }

    #[test]
    fn empty_is_unset() {
        let mut settings = Settings::new([("PORT".to_owned(), "  ".to_owned())]);
        assert_eq!(settings.parsed("PORT", 8080, ""), 8080);
        assert!(settings.finish(()).is_ok());
    }
}
