//! `Retry-After` (RFC 9110 10.2.3): seconds or a date.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;

/// Longest wait that is believed; more is a provider's mistake or bad will.
const MAX: Duration = Duration::from_secs(3600);

/// The wait that a header value asks for, at most an hour. `None` for anything unreadable, and for a date in the past.
pub(crate) fn parse(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok().map(|wait| wait.min(MAX));
    }
    let at = rfc2822::parse(value).ok()?.timestamp();
    let wait = Duration::try_from(at.duration_since(now)).ok()?;
    Some(wait.min(MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_read_and_bounded() {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().expect("time");
        let parse = |value| parse(value, now).map(|wait| wait.as_secs_f64());
        assert_eq!(parse("7"), Some(7.0));
        assert_eq!(parse(" 0.5 "), Some(0.5));
        assert_eq!(parse("999999999"), Some(3600.0));
        assert_eq!(parse("Fri, 02 Jan 2026 03:04:35 GMT"), Some(30.0));
        for unreadable in ["Fri, 02 Jan 2026 03:04:00 GMT", "-5", "soon", "", "NaN", "1e400"] {
            assert_eq!(parse(unreadable), None, "{unreadable}");
        }
    }
}
