//! Durations in the syntax of Go: numbers with a unit each, the largest first by habit, such as `1m30s`.

use std::time::Duration;

/// Go keeps a duration in 64 signed bits of nanoseconds: a little more than 292 years.
const MAX_NANOS: u128 = i64::MAX as u128;

/// Unit names and their length in nanoseconds.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// There is nothing to read.
    #[error("empty duration")]
    Empty,
    /// A minus sign: time only passes forwards here.
    #[error("negative duration")]
    Negative,
    /// A number was expected.
    #[error("expected a number at `{0}`")]
    Number(String),
    /// A number without its unit.
    #[error("duration without a unit")]
    NoUnit,
    /// A unit nobody knows.
    #[error("unknown duration unit `{0}`")]
    Unit(String),
    /// More than about 292 years.
    #[error("duration is too long")]
    Overflow,
}

/// Reads a duration: `30s`, `1m30s`, `500ms`, `1.5h`, or plain `0`.
///
/// What is finer than a nanosecond is cut off, as Go does.
///
/// # Errors
/// See [`DurationError`]; the whole text must be a duration.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    match text {
        "" => return Err(DurationError::Empty),
        "0" => return Ok(Duration::ZERO),
        _ if text.starts_with('-') => return Err(DurationError::Negative),
        _ => {}
    }
    let mut rest = text;
    let mut total_ns = 0u128;
    while !rest.is_empty() {
        let (number, tail) = rest.split_at(end_of(rest, |c| c.is_ascii_digit() || c == '.'));
        let (unit, tail) = tail.split_at(end_of(tail, |c| !c.is_ascii_digit() && c != '.'));
        let unit_ns = match UNITS.iter().find(|(name, _)| *name == unit) {
            Some((_, unit_ns)) => u128::from(*unit_ns),
            _ if number.is_empty() => return Err(DurationError::Number(excerpt(rest))),
            _ if unit.is_empty() => return Err(DurationError::NoUnit),
            _ => return Err(DurationError::Unit(excerpt(unit))),
        };
        total_ns += nanoseconds(rest, number, unit_ns)?;
        if total_ns > MAX_NANOS {
            return Err(DurationError::Overflow);
        }
        rest = tail;
    }
    Ok(Duration::from_nanos(u64::try_from(total_ns).map_err(|_| DurationError::Overflow)?))
}

/// `number` (digits, at most one point) of units of `unit_ns` nanoseconds; `rest` is where it was found.
fn nanoseconds(rest: &str, number: &str, unit_ns: u128) -> Result<u128, DurationError> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(DurationError::Number(excerpt(rest)));
    }
    let mut total = 0u128;
    for byte in whole.bytes() {
        total = total * 10 + u128::from(byte - b'0');
        if total > MAX_NANOS {
            return Err(DurationError::Overflow);
        }
    }
    total *= unit_ns;
    // Twenty digits reach below a nanosecond even for hours; the product stays far inside 128 bits.
    let mut numerator = 0u128;
    let mut denominator = 1u128;
    for byte in fraction.bytes().take(20) {
        numerator = numerator * 10 + u128::from(byte - b'0');
        denominator *= 10;
    }
    Ok(total + numerator * unit_ns / denominator)
}

fn end_of(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

/// The first characters of something wrong, so that a message stays a line.
fn excerpt(text: &str) -> String {
    text.chars().take(16).collect()
}

/// Writes a duration with the fewest units that are exact: `2h`, `1m30s`, `1.5ms`, `0s`.
///
/// Every result is read back by [`parse_duration`] as the same duration as long as it is under 292 years.
pub fn format_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let nanos = duration.subsec_nanos();
    if seconds == 0 && nanos > 0 {
        let (unit_ns, unit) = match nanos {
            ..1_000 => (1, "ns"),
            1_000..1_000_000 => (1_000, "us"),
            _ => (1_000_000, "ms"),
        };
        return with_fraction(u64::from(nanos / unit_ns), nanos % unit_ns, unit_ns, unit);
    }
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let mut text = String::new();
    if hours > 0 {
        text.push_str(&format!("{hours}h"));
    }
    if minutes > 0 {
        text.push_str(&format!("{minutes}m"));
    }
    if seconds > 0 || nanos > 0 || text.is_empty() {
        text.push_str(&with_fraction(seconds, nanos, 1_000_000_000, "s"));
    }
    text
}

/// `whole` and `part` of `parts`, a power of ten, as a decimal number without trailing zeros.
fn with_fraction(whole: u64, part: u32, parts: u32, unit: &str) -> String {
    if part == 0 {
        return format!("{whole}{unit}");
    }
    let width = parts.ilog10() as usize;
    let fraction = format!("{part:0width$}");
    format!("{whole}.{}{unit}", fraction.trim_end_matches('0'))
}
