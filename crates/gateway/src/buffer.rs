//! Fixed-size read buffers, lent to a connection only while it has something to do.
//!
//! An idle keep-alive connection holds none, so ten thousand of them cost sockets and small futures, not megabytes.

use std::sync::{Mutex, PoisonError};

/// Size of every buffer, and so the hard limit for the head of a request or of a response.
pub(crate) const BUFFER_BYTES: usize = 32 * 1024;

/// Buffers that a worker keeps for reuse; more are freed.
const MAX_SPARE: usize = 256;

/// A window of received bytes inside a fixed allocation.
pub(crate) struct Buffer {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

/// Buffers between two uses. One per worker thread, so its lock is never contended.
#[derive(Default)]
pub(crate) struct BufferPool {
    spare: Mutex<Vec<Box<[u8]>>>,
}

// === impl Buffer ===

impl Buffer {
    /// Stands for no buffer: without memory and without room.
    pub(crate) fn none() -> Self {
        Self { bytes: Box::default(), start: 0, end: 0 }
    }

    pub(crate) fn is_none(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What was received and not yet consumed.
    pub(crate) fn filled(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(crate) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Room to read into; moves what is there to the front when the room at the end is used up. Empty when full.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        if self.end == self.bytes.len() && self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        &mut self.bytes[self.end..]
    }

    pub(crate) fn is_full(&self) -> bool {
        self.end - self.start == self.bytes.len()
    }

    /// Counts bytes that were read into [`Self::room`].
    pub(crate) fn received(&mut self, count: usize) {
        self.end = (self.end + count).min(self.bytes.len());
    }
}

// === impl BufferPool ===

impl BufferPool {
    pub(crate) fn take(&self) -> Buffer {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let bytes = spare.unwrap_or_else(|| vec![0; BUFFER_BYTES].into_boxed_slice());
        Buffer { bytes, start: 0, end: 0 }
    }

    pub(crate) fn give_back(&self, buffer: Buffer) {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < MAX_SPARE {
            spare.push(buffer.bytes);
        }
    }
}
