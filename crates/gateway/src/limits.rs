//! Limits on what a client may send.

use crate::buffer::BUFFER_BYTES;

/// Limits on a request. The head as a whole is limited by the read buffer to 32 KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest request target, in bytes; more is answered with 414.
    pub target_bytes: usize,
    /// Largest request body, in bytes; more is answered with 413. Bodies are streamed, so this protects the upstreams.
    pub body_bytes: u64,
}

// === impl Limits ===

impl Limits {
    /// Most header fields in one head; more is answered with 431.
    pub const FIELDS: usize = 100;
    /// Largest head of a request or a response, in bytes; more is answered with 431 or 502.
    pub const HEAD_BYTES: usize = BUFFER_BYTES;
}

impl Default for Limits {
    fn default() -> Self {
        Self { target_bytes: 8 * 1024, body_bytes: 1024 * 1024 * 1024 }
    }
}
