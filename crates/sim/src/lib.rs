//! Discrete-event simulation of a service under a scaling policy. No clock, no I/O, no randomness from the system: a run
//! is a function of its workload, its [`Setup`], its [`Scaler`] and a seed, and decides with the code that decides in
//! production ([`plimsoll_scale::policy`]).
//!
//! The world: requests arrive, wait in one first-in-first-out queue and start as soon as a slot of a ready instance is
//! free. An instance that is asked for starts for a while, serves, drains (no new requests, those it has are finished) and
//! is gone; it is paid for from the request until it is gone. Metrics are scraped and decisions taken at fixed times, so a
//! decision sees the world as it was.

pub mod control;
mod fleet;
pub mod histogram;
mod observe;
pub mod oracle;
mod outcome;
pub mod random;
mod run;
pub mod search;
mod service;
mod station;
mod tally;
pub mod trace;
pub mod workload;

pub use control::{Clock, Keda, PolicyScaler, Scaler, Timing, Victims};
pub use observe::METRICS;
pub use outcome::{Flow, Outcome, Point, Served, Times};
pub use run::{Setup, run};
pub use service::{Delay, Service};
pub use tally::Limits;
pub use workload::{Request, Workload};
