//! Who runs the instances of a stack: today local processes.
//!
//! [`Fleet`] starts instances on free loopback ports, tells when they are ready, restarts the ones that
//! crash, measures what they use, keeps their logs and stops them without leaving anything behind, even
//! when plimsoll itself is killed with SIGKILL. `README.md` beside this crate explains how each of these
//! promises is kept and where it ends.
//!
//! Everything that knows about processes of this machine is in the private module `process`; the rest
//! (states, back-off, probes, logs, supervision) does not care what an instance is made of.

mod backoff;
mod config;
mod entry;
mod error;
mod fleet;
mod health;
mod instance;
mod ledger;
mod logs;
mod monitor;
mod ports;
mod probe;
mod process;
mod sampler;
mod supervise;
mod usage;

pub use config::{FleetConfig, Health, LogLimits, LogLine, LogSink, ServiceSpec, Stream, Timings};
pub use error::FleetError;
pub use fleet::Fleet;
pub use instance::{Instance, InstanceId, MemoryEnforcement, State};
pub use process::exec::run_exec;
pub use process::guard::run_guard;
