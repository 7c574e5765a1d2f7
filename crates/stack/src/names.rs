//! Names that end up in host names, files, control groups and environments.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::decode::Field;
use crate::diagnostic::{Mark, Sink, quote};

/// The longest DNS label (RFC 1035, section 2.3.4).
const MAX_LABEL: usize = 63;
/// An instance is called `<service>-<number>`, which has to be a DNS label too: ten digits and a dash less.
pub(crate) const MAX_SERVICE_NAME: usize = MAX_LABEL - 11;

/// Durations a user may mean: not nothing, not a year.
pub(crate) const SOME_TIME: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(86_400);
/// The same with zero.
pub(crate) const ANY_TIME: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(86_400);

/// Notes what keeps `name` from being a DNS label (RFC 1123: lower-case letters, digits and inner dashes).
pub(crate) fn check_label(label: &str, name: &str, max: usize, at: Mark, sink: &mut Sink) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if name.len() > max {
        sink.hint(at, format!("{label} {} is too long", quote(name)), format!("at most {max} characters"));
        return false;
    }
    let bytes = name.as_bytes();
    let good = bytes.iter().all(|byte| inner(*byte) || *byte == b'-')
        && bytes.first().is_some_and(|byte| inner(*byte))
        && bytes.last().is_some_and(|byte| inner(*byte));
    if !good {
        let hint = match suggestion(name) {
            Some(better) => format!("lower-case letters, digits and inner dashes, such as `{better}`"),
            None => "lower-case letters, digits and inner dashes".to_owned(),
        };
        sink.hint(at, format!("{label} {} is not a DNS label", quote(name)), hint);
    }
    good
}

/// The nearest DNS label; `None` when it is one already or nothing of it could be kept.
pub(crate) fn suggestion(name: &str) -> Option<String> {
    let lower = name.to_ascii_lowercase().replace(['_', ' ', '.'], "-");
    let kept: String = lower.chars().filter(|char| char.is_ascii_alphanumeric() || *char == '-').collect();
    let better = kept.trim_matches('-');
    (!better.is_empty() && better != name).then(|| better.to_owned())
}

/// The name of a stack.
pub(crate) fn stack_name(field: &Field<'_>, sink: &mut Sink) -> Option<String> {
    let name = field.text(sink)?;
    check_label("name", name, MAX_LABEL, field.at(), sink).then(|| name.to_owned())
}

/// Whether a text can name an environment variable in every shell.
pub(crate) fn is_env_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether Plimsoll sets this variable for every instance itself.
pub(crate) fn is_reserved_env(name: &str) -> bool {
    matches!(name, "PORT" | "HOST") || name.starts_with("PLIMSOLL_")
}

/// A path of a URL: starts with `/`, no query, nothing that would have to be escaped.
pub(crate) fn url_path(field: &Field<'_>, sink: &mut Sink) -> Option<String> {
    let text = field.text(sink)?;
    if !text.starts_with('/') {
        let hint = format!("write {}", quote(&format!("/{text}")));
        sink.hint(field.at(), format!("{} must start with `/`, not {}", field.label, quote(text)), hint);
        return None;
    }
    let foreign = |char: char| !char.is_ascii_graphic() || matches!(char, '?' | '#' | '"' | '<' | '>' | '\\');
    if let Some(char) = text.chars().find(|char| foreign(*char)) {
        let what = format!("{} must be a path alone, without {}", field.label, quote(&char.to_string()));
        sink.hint(field.at(), what, "write the path up to there; a query is no part of a route");
        return None;
    }
    let mut segments = text.trim_end_matches('/').split('/').skip(1);
    if text.starts_with("//") || segments.any(|segment| matches!(segment, "" | "." | "..")) {
        let what =
            format!("{} must not hold empty, `.` or `..` segments, as {} does", field.label, quote(text));
        sink.hint(field.at(), what, "write the plain path, such as `/api/v1`");
        return None;
    }
    Some(text.to_owned())
}

/// A path of the file system, relative or absolute.
pub(crate) fn file_path(field: &Field<'_>, sink: &mut Sink) -> Option<std::path::PathBuf> {
    field.text(sink).map(Into::into)
}
