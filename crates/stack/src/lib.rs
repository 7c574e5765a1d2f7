//! The stack file: its types, and the reading of it with every mistake shown where it stands.
//!
//! [`parse`] takes the bytes of a file and gives either a [`Stack`] that is fit to run or [`Diagnostics`] that
//! lists *all* mistakes by position. Reading has three steps, each in its own files:
//!
//! 1. `load` turns bytes into a tree (`node`) of values with positions, inside fixed budgets of bytes, nodes and depth, so
//!    that an anchor bomb, a hundred-megabyte file or an executable is refused in milliseconds;
//! 2. `gateway`, `service`, `scaling` and `control` turn parts of the tree into the types of `types`, each
//!    reporting what is wrong and going on;
//! 3. `check` compares the parts with each other: routes with services, listeners with listeners.
//!
//! Nothing here opens a file or looks at the clock. Relative paths stay relative until the caller resolves them
//! with [`Stack::state_dir`] and [`Service::working_dir`].

mod check;
mod control;
mod decode;
mod diagnostic;
mod gateway;
mod import;
mod load;
mod names;
mod network;
mod node;
mod scaling;
mod service;
mod stack;
mod types;
mod vertical;

pub use decode::did_you_mean;
pub use diagnostic::{Diagnostic, Diagnostics, MAX_DIAGNOSTICS, Mark};
pub use import::{Imported, Note, import};
pub use load::{MAX_DEPTH, MAX_FILE_BYTES, MAX_NODES, MAX_TEXT_BYTES, too_large};
pub use network::IpNetwork;
pub use scaling::{parse_hpa, parse_scaling};
pub use stack::parse;
pub use types::{Admin, Control, Gateway, Health, Resources, Route, Service, Stack, Timeouts, defaults};
