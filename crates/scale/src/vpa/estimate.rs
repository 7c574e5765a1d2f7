//! Amounts, margins and confidence: the arithmetic of an estimate.

use super::defaults;

/// A whole amount (millicores or bytes) from a number: truncated, between 0 and [`defaults::MAX_AMOUNT`].
pub fn amount(value: f64) -> i64 {
    if value > defaults::MAX_AMOUNT {
        return defaults::MAX_AMOUNT as i64;
    }
    // Takes what is not a number to 0.
    (value as i64).max(0)
}

/// An amount times a factor.
pub fn scale_amount(base: i64, factor: f64) -> i64 {
    amount(base as f64 * factor)
}

/// An amount and its safety margin.
pub fn with_margin(base: i64, margin: f64) -> i64 {
    base.saturating_add(scale_amount(base, margin))
}

/// How much the history is worth: the smaller of its length in intervals and its samples per minute of interval.
pub fn confidence(lifespan_s: f64, samples: u64, interval_s: f64) -> f64 {
    (lifespan_s / interval_s).min(samples as f64 / (interval_s / 60.0))
}

/// The factor of a bound. Without history it is infinite for a positive exponent and 0 for a negative one.
pub fn confidence_factor(confidence: f64, multiplier: f64, exponent: f64) -> f64 {
    (1.0 + multiplier / confidence).powf(exponent)
}
