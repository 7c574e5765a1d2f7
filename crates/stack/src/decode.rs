//! From nodes to typed values: each reader notes what is wrong and gives `None`, so that the caller can go on.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use plimsoll_quantity::{DurationError, Quantity, QuantityError, format_duration, parse_duration};

use crate::diagnostic::{Mark, Sink, quote};
use crate::node::{Entry, Kind, Node, Value};

/// A mapping whose keys have been compared with those that are known.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a> {
    /// Where the mapping starts.
    pub(crate) at: Mark,
    entries: &'a [Entry],
}

/// A value and how messages call it.
#[derive(Clone)]
pub(crate) struct Field<'a> {
    /// In backticks, or "item 2 of `command`".
    pub(crate) label: String,
    pub(crate) node: &'a Node,
}

/// A value and where it stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At<T> {
    pub(crate) at: Mark,
    pub(crate) value: T,
}

// === impl Fields ===

impl<'a> Fields<'a> {
    /// Reads a mapping; notes keys that are not in `known`.
    pub(crate) fn open(field: &Field<'a>, known: &[&str], sink: &mut Sink) -> Option<Fields<'a>> {
        let fields = Fields::open_any(field, sink)?;
        for entry in fields.entries {
            if !known.contains(&entry.key.as_str()) {
                let hint = match did_you_mean(&entry.key, known.iter().copied()) {
                    Some(hint) => hint,
                    None => format!("{} takes {}", field.label, listed(known)),
                };
                sink.hint(entry.at, format!("unknown key {}", quote(&entry.key)), hint);
            }
        }
        Some(fields)
    }

    /// Reads a mapping whose keys are the user's own.
    pub(crate) fn open_any(field: &Field<'a>, sink: &mut Sink) -> Option<Fields<'a>> {
        match &field.node.value {
            Value::Map(entries) => Some(Fields { at: field.node.at, entries }),
            _ => {
                let hint = "write its keys below it, indented by two spaces, each as `key: value`";
                field.wrong(sink, "a mapping of keys to values", hint);
                None
            }
        }
    }

    /// The value of a key; a key without value counts as absent, as in Kubernetes.
    pub(crate) fn optional(&self, key: &str) -> Option<Field<'a>> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        (!entry.value.is_null()).then(|| Field::named(key, &entry.value))
    }

    /// The value of a key that must be there.
    pub(crate) fn required(&self, key: &str, hint: &str, sink: &mut Sink) -> Option<Field<'a>> {
        let found = self.optional(key);
        if found.is_none() {
            let at = self.entries.iter().find(|entry| entry.key == key).map_or(self.at, |entry| entry.at);
            sink.hint(at, format!("`{key}` is missing"), hint);
        }
        found
    }

    /// Keys and values in file order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'a Entry, Field<'a>)> + use<'a> {
        self.entries.iter().map(|entry| (entry, Field::named(&entry.key, &entry.value)))
    }

    /// Where a key stands; the start of the mapping when it is absent.
    pub(crate) fn key_at(&self, key: &str) -> Mark {
        self.entries.iter().find(|entry| entry.key == key).map_or(self.at, |entry| entry.at)
    }
}

// === impl Field ===

impl<'a> Field<'a> {
    /// A field called by its key.
    pub(crate) fn named(key: &str, node: &'a Node) -> Field<'a> {
        Field { label: quote(key), node }
    }

    /// Where the value stands.
    pub(crate) fn at(&self) -> Mark {
        self.node.at
    }

    /// Notes that the value is not `wanted`, and how to mend that.
    pub(crate) fn wrong(&self, sink: &mut Sink, wanted: &str, hint: &str) {
        let what = format!("{} must be {wanted}, not {}", self.label, self.node.describe());
        sink.hint(self.at(), what, hint);
    }

    fn nul(&self, sink: &mut Sink) {
        let what = format!("{} must not hold a NUL character", self.label);
        sink.hint(self.at(), what, "leave out the `\\0`: programs and files end their names there");
    }

    /// The words of a scalar of any kind but null.
    fn words(&self) -> Option<(&'a str, Kind)> {
        match &self.node.value {
            Value::Scalar(scalar) if scalar.kind() != Kind::Null => Some((&scalar.text, scalar.kind())),
            _ => None,
        }
    }

    /// A text that is not empty.
    pub(crate) fn text(&self, sink: &mut Sink) -> Option<&'a str> {
        match self.words() {
            Some(("", Kind::Text)) => {
                let hint = "write something, or remove the key";
                sink.hint(self.at(), format!("{} must not be empty", self.label), hint);
                None
            }
            Some((text, Kind::Text)) if text.contains('\0') => {
                self.nul(sink);
                None
            }
            Some((text, Kind::Text)) => Some(text),
            Some((text, _)) => {
                let hint = format!("put it in quotes: {}", quote(&format!("\"{text}\"")));
                self.wrong(sink, "text", &hint);
                None
            }
            None => {
                self.wrong(sink, "text", "write one word, or a text in quotes");
                None
            }
        }
    }

    /// A text that may be empty, where numbers and truth values stand for their words.
    pub(crate) fn any_text(&self, sink: &mut Sink) -> Option<&'a str> {
        match self.words() {
            Some((text, _)) if text.contains('\0') => {
                self.nul(sink);
                None
            }
            Some((text, _)) => Some(text),
            None => {
                let empty = "write `\"\"` for an empty text";
                let hint = if self.node.is_null() { empty } else { "write one value, in quotes if need be" };
                self.wrong(sink, "text, a number or a truth value", hint);
                None
            }
        }
    }

    /// A whole number inside a range.
    pub(crate) fn integer<T>(&self, range: RangeInclusive<T>, sink: &mut Sink) -> Option<T>
    where
        T: Copy + PartialOrd + TryFrom<i64> + std::fmt::Display,
    {
        let (first, last) = (*range.start(), *range.end());
        let value = match self.words() {
            Some((text, Kind::Number)) => text.parse::<i64>(),
            Some((text, Kind::Text)) if text.parse::<i64>().is_ok() => {
                self.wrong(sink, "a whole number", "remove the quotes");
                return None;
            }
            Some((text, _)) if text.ends_with('%') => {
                self.wrong(sink, "a whole number", "leave out the `%`");
                return None;
            }
            other => {
                // `60s` where the unit is in the key.
                let digits = other.map_or("", |(text, _)| text);
                let digits = digits.split(|char: char| !char.is_ascii_digit()).next().unwrap_or_default();
                let hint = match digits {
                    "" => format!("digits alone, from `{first}` to `{last}`"),
                    _ => format!("write the number alone, {}", quote(digits)),
                };
                self.wrong(sink, "a whole number", &hint);
                return None;
            }
        };
        let whole =
            value.ok().and_then(|value| T::try_from(value).ok()).filter(|value| range.contains(value));
        if whole.is_none() {
            let number = self.words().and_then(|(text, _)| text.parse::<f64>().ok()).unwrap_or_default();
            let hint = if number.fract() != 0.0 {
                format!("write it without a fraction, such as `{:.0}`", number.abs().ceil())
            } else if number < 1.0 {
                format!("the least is `{first}`")
            } else {
                format!("the range is `{first}` to `{last}`")
            };
            self.wrong(sink, &format!("a whole number from {first} to {last}"), &hint);
        }
        whole
    }

    /// A duration inside a range.
    pub(crate) fn duration(&self, range: RangeInclusive<Duration>, sink: &mut Sink) -> Option<Duration> {
        let accepted = "write a number with a unit, such as `30s`, `1m30s`, `500ms` or `2h`";
        let text = match self.words() {
            Some((text, Kind::Text | Kind::Number)) => text,
            _ => {
                self.wrong(sink, "a duration", accepted);
                return None;
            }
        };
        let hint = match parse_duration(text) {
            Ok(duration) if range.contains(&duration) => return Some(duration),
            Ok(duration) => {
                let (first, last) = (format_duration(*range.start()), format_duration(*range.end()));
                let what =
                    format!("{} must be from {first} to {last}, not {}", self.label, self.node.describe());
                let short = duration < *range.start();
                let hint = if short {
                    format!("write `{first}` or more")
                } else {
                    format!("write `{last}` or less")
                };
                sink.hint(self.at(), what, hint);
                return None;
            }
            Err(DurationError::NoUnit)
                if text.len() < 20 && text.bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                format!("add the unit: `{text}s` for seconds, `{text}ms` for thousandths")
            }
            Err(DurationError::Unit(unit)) if unit == "d" => {
                "the largest unit is `h`: a day is `24h`".to_owned()
            }
            Err(DurationError::Negative) => "a duration cannot be negative".to_owned(),
            Err(DurationError::Overflow) => "292 years are the most".to_owned(),
            Err(_) => accepted.to_owned(),
        };
        self.wrong(sink, "a duration", &hint);
        None
    }

    /// A Kubernetes quantity.
    pub(crate) fn quantity(&self, sink: &mut Sink) -> Option<Quantity> {
        let text = match self.words() {
            Some((text, Kind::Text | Kind::Number)) => text,
            _ => {
                self.wrong(sink, "a quantity", "such as `500m`, `1.5` or `512Mi`");
                return None;
            }
        };
        let hint = match text.parse::<Quantity>() {
            Ok(quantity) => return Some(quantity),
            Err(QuantityError::Suffix(suffix)) => suffix_hint(&suffix),
            Err(QuantityError::Overflow) => "the largest quantity is 9223372036854775807".to_owned(),
            Err(_) => "such as `500m`, `1.5` or `512Mi`".to_owned(),
        };
        self.wrong(sink, "a quantity", &hint);
        None
    }

    /// A quantity in thousandths.
    pub(crate) fn milli(&self, sink: &mut Sink) -> Option<i64> {
        let milli = self.quantity(sink)?.checked_milli();
        if milli.is_none() {
            let hint = "write a smaller one; amounts are kept in thousandths of 64 bits";
            self.wrong(sink, "a quantity of at most 9223372036854775", hint);
        }
        milli
    }

    /// A quantity above zero in thousandths.
    pub(crate) fn positive_milli(&self, sink: &mut Sink) -> Option<i64> {
        let milli = self.milli(sink)?;
        if milli <= 0 {
            self.wrong(sink, "above zero", "such as `500m` or `1`");
            return None;
        }
        Some(milli)
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&self, sink: &mut Sink) -> Option<bool> {
        match self.words() {
            Some((text, Kind::Bool)) => Some(text.eq_ignore_ascii_case("true")),
            Some((text, _)) => {
                let meant = match text.to_ascii_lowercase().as_str() {
                    "yes" | "on" | "y" | "true" | "1" => "write `true`",
                    "no" | "off" | "n" | "false" | "0" => "write `false`",
                    _ => "one of the two, without quotes",
                };
                self.wrong(sink, "`true` or `false`", meant);
                None
            }
            None => {
                self.wrong(sink, "`true` or `false`", "one of the two, without quotes");
                None
            }
        }
    }

    /// A number of seconds above zero, perhaps with a fraction. The unit is in the key, as in Kubernetes.
    pub(crate) fn seconds(&self, sink: &mut Sink) -> Option<f64> {
        let words = self.words().filter(|(_, kind)| *kind == Kind::Number);
        let value = words.and_then(|(text, _)| text.parse::<f64>().ok());
        let seconds = value.filter(|seconds| seconds.is_finite() && *seconds > 0.0);
        if seconds.is_none() {
            let duration = self.words().and_then(|(text, _)| parse_duration(text).ok());
            let hint = duration.map(|duration| format!("write `{}`", duration.as_secs_f64()));
            let hint = hint.unwrap_or_else(|| "such as `30` or `0.5`".to_owned());
            self.wrong(sink, "a number of seconds above zero", &hint);
        }
        seconds
    }

    /// A share above 0 and at most 1.
    pub(crate) fn share(&self, sink: &mut Sink) -> Option<f64> {
        let words = self.words().filter(|(_, kind)| *kind == Kind::Number);
        let value = words.and_then(|(text, _)| text.parse::<f64>().ok());
        let share = value.filter(|share| *share > 0.0 && *share <= 1.0);
        if share.is_none() {
            let percent = value.filter(|value| (1.0..=100.0).contains(value));
            let hint = percent.map(|percent| format!("write `{}`", percent / 100.0));
            let hint = hint.unwrap_or_else(|| "such as `0.95`".to_owned());
            self.wrong(sink, "a share above 0 and at most 1", &hint);
        }
        share
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(&self, choices: &[(&str, T)], sink: &mut Sink) -> Option<T> {
        let names = || choices.iter().map(|(name, _)| *name);
        let text = self.text(sink)?;
        if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text) {
            return Some(*value);
        }
        let all = listed(&names().collect::<Vec<_>>());
        let hint = did_you_mean(text, names()).unwrap_or_else(|| format!("it takes {all}"));
        sink.hint(self.at(), format!("{} cannot be {}", self.label, quote(text)), hint);
        None
    }

    /// An IP address with a port.
    pub(crate) fn socket_addr(&self, sink: &mut Sink) -> Option<SocketAddr> {
        let text = match self.words() {
            Some((text, _)) => text,
            None => {
                self.wrong(sink, "an address with a port", "such as `127.0.0.1:8080`");
                return None;
            }
        };
        if let Ok(address) = text.parse() {
            return Some(address);
        }
        let port = text.rsplit(':').next().filter(|port| port.parse::<u16>().is_ok());
        let hint = match (text.strip_prefix(':'), text.strip_prefix("localhost:"), port) {
            (Some(_), _, Some(port)) => format!("write `0.0.0.0:{port}` to listen on every address"),
            (_, Some(_), Some(port)) => format!("write the address instead of the name: `127.0.0.1:{port}`"),
            (_, _, Some(port)) if text == port => format!("add the address: `127.0.0.1:{port}`"),
            _ => "such as `127.0.0.1:8080` or `[::1]:8080`; names are not resolved".to_owned(),
        };
        self.wrong(sink, "an address with a port", &hint);
        None
    }

    /// The items of a list.
    pub(crate) fn list(&self, hint: &str, sink: &mut Sink) -> Option<Vec<Field<'a>>> {
        let Value::List(items) = &self.node.value else {
            self.wrong(sink, "a list", hint);
            return None;
        };
        let label = |index: usize| format!("item {} of {}", index + 1, self.label);
        Some(items.iter().enumerate().map(|(index, node)| Field { label: label(index), node }).collect())
    }
}

/// What to write instead of a suffix that people use and Kubernetes does not know.
fn suffix_hint(suffix: &str) -> String {
    let lower = suffix.to_ascii_lowercase();
    let known = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let meant = known.iter().find(|one| {
        let one = one.to_ascii_lowercase();
        lower == one
            || lower.strip_suffix('b') == Some(&one)
            || lower.strip_suffix('b') == one.strip_suffix('i')
    });
    match (meant, suffix) {
        (_, "K") => "thousands are `k` and multiples of 1024 are `Ki`".to_owned(),
        (_, "%") => "write the number alone".to_owned(),
        (Some(meant), _) => format!("did you mean `{meant}`?"),
        (None, _) => "the suffixes are n u m k M G T P E and Ki Mi Gi Ti Pi Ei".to_owned(),
    }
}

/// "did you mean `x`?" when one of the names is close enough to be a slip of the pen.
pub fn did_you_mean<'n>(word: &str, names: impl Iterator<Item = &'n str> + Clone) -> Option<String> {
    // Longer words than any name would only cost time.
    if word.len() > 64 {
        return None;
    }
    let plain = |text: &str| text.replace(['_', '-', ' '], "").to_ascii_lowercase();
    let folded = plain(word);
    let nearest = names
        .clone()
        .map(|name| (strsim::damerau_levenshtein(&folded, &plain(name)), name))
        .min_by_key(|(distance, _)| *distance)?;
    let allowed = (folded.chars().count() / 3).max(1);
    let close = nearest.0 <= allowed && nearest.0 < folded.chars().count();
    // `environment` is far from `env` by letters and close by meaning.
    let longer = || names.clone().find(|name| name.len() >= 3 && folded.starts_with(&plain(name)));
    let meant = if close { Some(nearest.1) } else { longer() };
    meant.map(|name| format!("did you mean {}?", quote(name)))
}

/// "`a`, `b` and `c`".
pub(crate) fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| quote(name)).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}
