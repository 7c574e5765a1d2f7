//! Observe, decide, act, record: the loop that keeps every service at the size its signals ask for.

pub mod log;
pub mod plan;
pub mod record;
pub mod view;
