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
mod dead;
mod deciding;
mod delay;
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
mod times;
pub mod view;
mod wake;

pub use controller::{Parts, start, start_paced};
pub use handle::{Handle, Refusal};
pub use wake::Pacing;
