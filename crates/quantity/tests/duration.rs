//! Durations: what is read, what is refused, how it is written back.

use std::time::Duration;

use plimsoll_quantity::{DurationError, format_duration, parse_duration};
use proptest::prelude::*;

#[test]
fn common_forms_are_read() {
    let cases = [
        ("0", 0),
        ("0s", 0),
        ("30s", 30_000_000_000),
        ("1m30s", 90_000_000_000),
        ("500ms", 500_000_000),
        ("2h", 7_200_000_000_000),
        ("1.5h", 5_400_000_000_000),
        (".5s", 500_000_000),
        ("1.s", 1_000_000_000),
        ("1us1ns", 1_001),
        ("1\u{b5}s", 1_000),
        ("0.3333333333333333333333h", 1_199_999_999_999),
        ("2562047h47m16.854775807s", i64::MAX as u64),
    ];
    for (text, nanos) in cases {
        assert_eq!(parse_duration(text), Ok(Duration::from_nanos(nanos)), "{text}");
    }
}

#[test]
fn what_is_not_a_duration_is_refused() {
    let number = |text: &str| DurationError::Number(text.to_owned());
    let unit = |text: &str| DurationError::Unit(text.to_owned());
    let cases = [
        ("", DurationError::Empty),
        ("-5s", DurationError::Negative),
        ("5", DurationError::NoUnit),
        ("5s3", DurationError::NoUnit),
        ("s", number("s")),
        (".s", number(".s")),
        ("1.2.3s", number("1.2.3s")),
        ("5d", unit("d")),
        ("5 s", unit(" s")),
        ("5S", unit("S")),
        ("2562047h47m16.854775808s", DurationError::Overflow),
        ("99999999999999999999999999999999999999999999999h", DurationError::Overflow),
    ];
    for (text, error) in cases {
        assert_eq!(parse_duration(text), Err(error), "{text}");
    }
}

#[test]
fn the_shortest_exact_form_is_written() {
    let cases = [
        (0, "0s"),
        (1, "1ns"),
        (1_500, "1.5us"),
        (1_500_000, "1.5ms"),
        (1_000_000_000, "1s"),
        (90_500_000_000, "1m30.5s"),
        (7_200_000_000_000, "2h"),
        (7_230_000_000_000, "2h30s"),
    ];
    for (nanos, text) in cases {
        assert_eq!(format_duration(Duration::from_nanos(nanos)), text);
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*") {
        let _ = parse_duration(&text);
    }

    #[test]
    fn near_durations_are_read_or_refused(text in "([0-9.]{0,40}(h|m|s|ms|us|ns|\u{3bc}s|x)?){0,5}") {
        let _ = parse_duration(&text);
    }

    #[test]
    fn a_written_duration_reads_back(nanos in 0u64..=i64::MAX as u64) {
        let duration = Duration::from_nanos(nanos);
        prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
    }
}
