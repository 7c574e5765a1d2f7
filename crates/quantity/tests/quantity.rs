//! Quantities: what is read, how it rounds, how it is written back.

use plimsoll_quantity::{Quantity, QuantityError};
use proptest::prelude::*;

fn read(text: &str) -> Quantity {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn canonical_forms_are_those_of_kubernetes() {
    let cases = [
        ("500m", "500m"),
        ("0.5", "500m"),
        ("1500m", "1500m"),
        ("1.5", "1500m"),
        ("2000m", "2"),
        ("1000", "1k"),
        ("1500", "1500"),
        ("2e3", "2e3"),
        ("2E3", "2e3"),
        ("1.5e3", "1500"),
        ("15e2", "1500"),
        ("5e-1", "500e-3"),
        ("512Mi", "512Mi"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("1024", "1024"),
        ("0.5Ki", "512"),
        ("0.1Mi", "104857600m"),
        ("1Ki", "1Ki"),
        ("0Mi", "0"),
        ("0", "0"),
        ("+5", "5"),
        ("-5", "-5"),
        (".5", "500m"),
        ("5.", "5"),
        ("1E", "1E"),
        ("7Ei", "7Ei"),
        ("1n", "1n"),
        ("0.1n", "1n"),
        ("-0.1n", "-1n"),
        ("1e-400", "1e-9"),
        ("0e999999999999999999999", "0"),
        ("9223372036854775807", "9223372036854775807"),
        ("00001", "1"),
    ];
    for (text, canonical) in cases {
        assert_eq!(read(text).to_string(), canonical, "{text}");
    }
}

#[test]
fn rounding_goes_away_from_zero() {
    let cases = [
        ("1n", 1, 1),
        ("1u", 1, 1),
        ("-1u", -1, -1),
        ("1.0001", 1001, 2),
        ("-1.0001", -1001, -2),
        ("250m", 250, 1),
        ("1Ki", 1_024_000, 1024),
    ];
    for (text, milli, value) in cases {
        assert_eq!((read(text).milli(), read(text).value()), (milli, value), "{text}");
    }
    assert_eq!(read("1E").checked_milli(), None);
    assert_eq!(read("1E").milli(), i64::MAX);
    assert_eq!(read("-1E").milli(), i64::MIN);
}

#[test]
fn amounts_compare_across_suffixes() {
    assert_eq!(read("1Ki"), read("1024"));
    assert!(read("1k") < read("1Ki"));
    assert!(read("1.000000001") > read("1"));
}

#[test]
fn what_is_not_a_quantity_is_refused() {
    let suffix = |text: &str| QuantityError::Suffix(text.to_owned());
    let cases = [
        ("", QuantityError::Empty),
        (".", QuantityError::Number),
        ("-", QuantityError::Number),
        ("1.2.3", QuantityError::Number),
        ("Mi", QuantityError::Number),
        (" 1", QuantityError::Number),
        ("1K", suffix("K")),
        ("1mi", suffix("mi")),
        ("1 ", suffix(" ")),
        ("1e", suffix("e")),
        ("1e+", suffix("e+")),
        ("1e3m", suffix("e3m")),
        ("1MB", suffix("MB")),
        ("9223372036854775808", QuantityError::Overflow),
        ("8Ei", QuantityError::Overflow),
        ("1e19", QuantityError::Overflow),
        ("1e99999999999999999999", QuantityError::Overflow),
    ];
    for (text, error) in cases {
        assert_eq!(text.parse::<Quantity>(), Err(error), "{text}");
    }
    assert_eq!("1".repeat(65).parse::<Quantity>(), Err(QuantityError::TooLong));
}

#[test]
fn serde_reads_strings_and_whole_numbers() {
    assert_eq!(serde_json::from_str::<Quantity>("\"500m\"").ok(), Some(read("500m")));
    assert_eq!(serde_json::from_str::<Quantity>("3").ok(), Some(read("3")));
    assert_eq!(serde_json::to_string(&read("1024Mi")).ok().as_deref(), Some("\"1Gi\""));
    assert!(serde_json::from_str::<Quantity>("18446744073709551615").is_err());
    assert!(serde_json::from_str::<Quantity>("1.5").is_err());
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*") {
        let _ = text.parse::<Quantity>();
    }

    #[test]
    fn the_canonical_form_reads_back_and_is_stable(
        sign in "[+-]?", number in "[0-9]{1,12}(\\.[0-9]{0,12})?",
        suffix in "n|u|m||k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|e[+-]?[0-9]{1,2}",
    ) {
        if let Ok(quantity) = format!("{sign}{number}{suffix}").parse::<Quantity>() {
            let canonical = quantity.to_string();
            let again = read(&canonical);
            prop_assert_eq!(again, quantity);
            prop_assert_eq!(again.to_string(), canonical);
        }
    }

    #[test]
    fn milli_is_the_smallest_that_covers(nano in 0i64..i64::MAX) {
        let quantity = read(&format!("{nano}n"));
        prop_assert_eq!(i128::from(quantity.milli()), (i128::from(nano) + 999_999) / 1_000_000);
    }
}
