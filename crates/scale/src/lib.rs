//! Scaling decisions as pure functions: exactly Kubernetes `autoscaling/v2` where that is expected, and always
//! explained. No clock, no I/O, no randomness: time and observations are arguments, so that production, the
//! simulator and the tests run the same code.
//!
//! A round has two halves, because the write of the new scale lies between them:
//!
//! 1. [`reconcile`] looks at the spec, the history and the observation and returns a [`Decision`];
//! 2. the caller writes the scale when [`Decision::write`] says so, and reports the outcome to [`settle`].
//!
//! [`State`] is the whole memory between rounds; restored after a restart, it leads to the same decisions.

pub mod calculate;
pub mod explain;
pub mod formula;
pub mod normalize;
pub mod observe;
pub mod policy;
pub mod queueing;
mod reconcile;
pub mod settings;
pub mod spec;
pub mod state;
mod time;
pub mod vpa;

pub use explain::{Decision, Explanation, MetricReport};
pub use observe::Observation;
pub use reconcile::{Written, reconcile, settle};
pub use settings::Settings;
pub use spec::HpaSpec;
pub use state::State;
pub use time::Time;
