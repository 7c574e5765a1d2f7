//! What every reference application of Plimsoll needs and none should write twice: one JSON error shape,
//! request ids and trace context, security headers, a bounded server that drains, client addresses that cannot
//! be forged, rate limits, settings with all their mistakes told at once, health and metrics pages, entity tags
//! and content negotiation.

pub mod accept;
pub mod client;
pub mod error;
pub mod etag;
pub mod extract;
pub mod health;
pub mod metrics;
pub mod network;
pub mod rate_limit;
pub mod request_id;
pub mod security;
pub mod server;
pub mod settings;
pub mod telemetry;

pub use error::{ApiError, Code};
