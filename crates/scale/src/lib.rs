//! Scaling decisions as pure functions: exactly Kubernetes `autoscaling/v2` where that is expected, and always
//! explained. No clock, no I/O, no randomness: time and observations are arguments, so that production, the
//! simulator and the tests run the same code.

pub mod spec;
