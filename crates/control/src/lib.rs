//! Observe, decide, act, record: the loop that keeps every service at the size its signals ask for.

pub mod view;
