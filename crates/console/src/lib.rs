//! The admin API, the page an operator looks at, and the client the command line uses.
//!
//! ```text
//! browser ──┐                        ┌── view, changes      (read, live)
//!           ├─ guard ─ api ─ Operator┼── decisions, why     (explain)
//! plimsoll ─┘   │                    ├── scale, drain, …    (act)
//!               │                    └── dead letters, jobs (queue)
//!               └ host, token, origin, content type, body limit
//! ```
//!
//! Whoever runs a stack implements [`Operator`]; [`Console::start`] puts it on a socket; [`AdminClient`] talks to it.
//! Without a token the console listens on loopback only, and refuses requests that a foreign web page could make a
//! browser send (a foreign `Host`, a foreign `Origin`, a form's content type).

mod api;
mod client;
mod error;
mod guard;
mod operator;
mod page;
pub mod queue;
mod secret;
mod server;
mod stream;
mod wire;

pub use api::openapi;
pub use client::{AdminClient, ClientError};
pub use operator::{DecisionQuery, Operator, OperatorError};
pub use secret::Secret;
pub use server::{Console, StartError};
pub use wire::{ActionReport, DecisionPage, ErrorBody, ErrorShape, LogLines, ReloadReport};
