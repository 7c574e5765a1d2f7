//! Kubernetes quantities.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};

use crate::decimal::Decimal;

/// The longest text [`Quantity`] reads, in bytes. The widest meaningful quantity has about thirty digits.
pub const MAX_TEXT_BYTES: usize = 64;

const NANO: i128 = 1_000_000_000;
const MAX_NANO: i128 = i64::MAX as i128 * NANO;

/// How a quantity was written, and therefore how it is written back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `500m`, `1.5`, `2M`: suffixes in powers of a thousand.
    DecimalSi,
    /// `512Mi`: suffixes in powers of 1024.
    BinarySi,
    /// `2e3`: an exponent of ten.
    DecimalExponent,
}

/// An exact amount with a resolution of one billionth and a magnitude of at most `i64::MAX`.
///
/// Comparison and hashing look at the amount only: `1Ki` equals `1024`. [`fmt::Display`] gives the canonical
/// form, which keeps the family of suffixes, drops the fraction and uses the largest suffix that is exact.
#[derive(Debug, Clone, Copy)]
pub struct Quantity {
    nano: i128,
    format: Format,
}

/// Why a text is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// There is nothing to read.
    #[error("empty quantity")]
    Empty,
    /// The text has more than [`MAX_TEXT_BYTES`] bytes.
    #[error("quantity is longer than {MAX_TEXT_BYTES} bytes")]
    TooLong,
    /// What stands before the suffix is not a decimal number.
    #[error("quantity does not start with a decimal number")]
    Number,
    /// The suffix is unknown.
    #[error("unknown quantity suffix `{0}`")]
    Suffix(String),
    /// The amount does not fit 64 bits.
    #[error("quantity is too large")]
    Overflow,
}

// === impl Quantity ===

impl Quantity {
    /// Zero.
    pub const ZERO: Quantity = Quantity { nano: 0, format: Format::DecimalSi };

    /// `milli` thousandths, written with decimal suffixes.
    pub const fn from_milli(milli: i64) -> Quantity {
        Quantity { nano: milli as i128 * 1_000_000, format: Format::DecimalSi }
    }

    /// A whole number, written with decimal suffixes.
    pub const fn from_value(value: i64) -> Quantity {
        // `i64::MIN` is one further from zero than the range, which is symmetric.
        let value = if value == i64::MIN { -i64::MAX } else { value };
        Quantity { nano: value as i128 * NANO, format: Format::DecimalSi }
    }

    /// A number of bytes, written with binary suffixes; amounts above `i64::MAX` become `i64::MAX`.
    pub const fn from_bytes(bytes: u64) -> Quantity {
        let bytes = if bytes > i64::MAX as u64 { i64::MAX as u64 } else { bytes };
        Quantity { nano: bytes as i128 * NANO, format: Format::BinarySi }
    }

    /// The amount in thousandths, rounded away from zero. Saturates; see [`Quantity::checked_milli`].
    pub fn milli(&self) -> i64 {
        self.checked_milli().unwrap_or(if self.nano < 0 { i64::MIN } else { i64::MAX })
    }

    /// The amount in thousandths, rounded away from zero, or `None` when that does not fit 64 bits.
    pub fn checked_milli(&self) -> Option<i64> {
        i64::try_from(divide_away_from_zero(self.nano, 1_000_000)).ok()
    }

    /// The amount as a whole number, rounded away from zero. Always fits.
    pub fn value(&self) -> i64 {
        divide_away_from_zero(self.nano, NANO) as i64
    }

    /// The nearest floating-point number, for arithmetic that is approximate anyway.
    pub fn approximate(&self) -> f64 {
        self.nano as f64 / NANO as f64
    }

    /// How the quantity was written.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether the amount is below zero.
    pub fn is_negative(&self) -> bool {
        self.nano < 0
    }
}

/// The quotient, moved away from zero when there is a remainder. `divisor` is positive.
fn divide_away_from_zero(dividend: i128, divisor: i128) -> i128 {
    let quotient = dividend / divisor;
    if dividend % divisor == 0 { quotient } else { quotient + dividend.signum() }
}

/// What a suffix multiplies by.
enum Scale {
    Ten(i64),
    Kibi(u32),
}

fn scale_of(suffix: &str) -> Result<(Scale, Format), QuantityError> {
    let si = |power| Ok((Scale::Ten(power), Format::DecimalSi));
    let binary = |power| Ok((Scale::Kibi(power), Format::BinarySi));
    match suffix {
        "n" => si(-9),
        "u" => si(-6),
        "m" => si(-3),
        "" => si(0),
        "k" => si(3),
        "M" => si(6),
        "G" => si(9),
        "T" => si(12),
        "P" => si(15),
        "E" => si(18),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        other => {
            let unknown = || QuantityError::Suffix(other.to_owned());
            let exponent = other.strip_prefix(['e', 'E']).ok_or_else(unknown)?;
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(unknown());
            }
            // Beyond 18 digits only the sign matters: the amount overflows, or vanishes below a billionth.
            let magnitude = digits.parse::<i64>().unwrap_or(i64::MAX);
            let power = if exponent.starts_with('-') { -magnitude } else { magnitude };
            Ok((Scale::Ten(power), Format::DecimalExponent))
        }
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Quantity, QuantityError> {
        if text.is_empty() {
            return Err(QuantityError::Empty);
        }
        if text.len() > MAX_TEXT_BYTES {
            return Err(QuantityError::TooLong);
        }
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let end = unsigned.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        let mut amount = Decimal::parse(number).ok_or(QuantityError::Number)?;
        let (scale, format) = scale_of(suffix)?;
        match scale {
            Scale::Ten(power) => amount.scale(power),
            Scale::Kibi(power) => (0..power).for_each(|_| amount.times_1024()),
        }
        amount.scale(9);
        let nano = amount.ceil().ok_or(QuantityError::Overflow)?;
        if nano > MAX_NANO {
            return Err(QuantityError::Overflow);
        }
        Ok(Quantity { nano: if negative { -nano } else { nano }, format })
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.nano / NANO;
        // A small or broken amount in binary suffixes would lose precision, so it is written in decimal ones.
        if self.format == Format::BinarySi && self.nano % NANO == 0 && whole.abs() >= 1024 {
            let mut mantissa = whole;
            let mut power = 0;
            while mantissa % 1024 == 0 && power < 6 {
                mantissa /= 1024;
                power += 1;
            }
            return write!(f, "{mantissa}{}", ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][power]);
        }
        if self.nano == 0 {
            return f.write_str("0");
        }
        let mut mantissa = self.nano;
        let mut step = 0;
        while mantissa % 1000 == 0 && step < 9 {
            mantissa /= 1000;
            step += 1;
        }
        match self.format {
            Format::DecimalExponent if step == 3 => write!(f, "{mantissa}"),
            Format::DecimalExponent => write!(f, "{mantissa}e{}", step as i64 * 3 - 9),
            _ => write!(f, "{mantissa}{}", ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"][step]),
        }
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Quantity) -> bool {
        self.nano == other.nano
    }
}

impl Eq for Quantity {}

impl Hash for Quantity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.nano.hash(state);
    }
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Quantity) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Quantity) -> Ordering {
        self.nano.cmp(&other.nano)
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Quantity, D::Error> {
        deserializer.deserialize_any(QuantityVisitor)
    }
}

struct QuantityVisitor;

impl Visitor<'_> for QuantityVisitor {
    type Value = Quantity;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a quantity such as \"500m\", \"512Mi\" or a whole number")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Quantity, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Quantity, E> {
        Ok(Quantity::from_value(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Quantity, E> {
        i64::try_from(value).map(Quantity::from_value).map_err(|_| E::custom(QuantityError::Overflow))
    }
}
