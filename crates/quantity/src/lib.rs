//! Amounts and durations as a stack file writes them.
//!
//! [`Quantity`] follows the rules of the Kubernetes `resource.Quantity`: a decimal number with an optional
//! suffix, kept exactly, rounded away from zero where a coarser unit is asked for. Durations follow the
//! syntax of Go's `time.ParseDuration`, without negative values.
//!
//! Nothing here touches floating point: `0.1` is a tenth, not its nearest neighbour.

mod decimal;
mod duration;
mod quantity;

pub use duration::{DurationError, format_duration, parse_duration};
pub use quantity::{Format, MAX_TEXT_BYTES, Quantity, QuantityError};
