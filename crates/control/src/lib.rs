//! Observe, decide, act, record: the loop that keeps every service at the size its signals ask for.
//!
//! ```text
//! fleet ─┐                                       ┌─ fleet: launch, stop
//! queue ─┼─ observe ─ decide (scale, pure) ─ act ┼─ gateway: who serves
//! edge ──┘             │        plan (pure) ┘    └─ record: decisions.jsonl ─ why
//!                      └─ memory: controller.json
//! ```
//!
//! [`start`] takes a running fleet, gateway and queue and returns a [`Handle`].

mod alert;
pub mod backlog;
mod controller;
mod deciding;
mod feed;
mod handle;
mod incident;
mod load;
pub mod log;
mod memory;
mod metric_line;
mod metrics;
mod observe;
mod operate;
mod pace;
pub mod plan;
mod publish;
mod rates;
pub mod record;
mod service;
mod shadow;
pub mod signal;
mod sizing;
pub mod view;

pub use controller::{Parts, start};
pub use handle::{Handle, Refusal};
