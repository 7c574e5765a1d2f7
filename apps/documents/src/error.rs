//! What can be wrong with a document.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why a document gave no text. None of these can be cured by trying the same bytes again, except [`Timeout`] on a
/// starved machine and [`Isolation`], which is the machine's fault and not the document's.
///
/// [`Timeout`]: ExtractError::Timeout
/// [`Isolation`]: ExtractError::Isolation
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "error", rename_all = "snake_case")]
pub enum ExtractError {
    /// The document needs a password.
    #[error("the document is encrypted, upload a copy without a password")]
    Encrypted,
    /// The document is well-formed and holds neither text nor pictures.
    #[error("the document holds no text")]
    Empty,
    /// The document holds pictures and no text: a scan, or a photograph of paper.
    #[error("the document holds pictures of pages and no text, upload one with selectable text")]
    Scanned,
    /// The document breaks the rules of its format.
    #[error("the document is damaged: {why}")]
    Corrupt {
        /// What the parser stumbled over.
        why: String,
    },
    /// The document would take far more memory or work than its size suggests.
    #[error("the document expands beyond its limit: {why}")]
    Bomb {
        /// Which limit it ran into.
        why: String,
    },
    /// The document is larger than this service takes.
    #[error("the {what} is larger than the limit of {limit}")]
    TooLarge {
        /// `file` and `text` are counted in bytes, `page count` in pages.
        what: std::borrow::Cow<'static, str>,
        /// The limit, in the unit of `what`.
        limit: u64,
    },
    /// Extraction took longer than [`Limits::time`](crate::Limits::time).
    #[error("the document took longer than {limit_ms} ms to read")]
    Timeout {
        /// The limit, in milliseconds.
        limit_ms: u64,
    },
    /// The bytes are of a format, or use a feature of it, that is not supported.
    #[error("the document cannot be read here: {why}")]
    Unsupported {
        /// What is not supported.
        why: String,
    },
    /// The isolated child could not be started or spoken to. The document itself may be fine: worth a retry.
    #[error("the extraction process failed: {why}")]
    Isolation {
        /// What failed.
        why: String,
    },
}

// === impl ExtractError ===

impl ExtractError {
    /// The stable code of the API's error body.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Encrypted => "DOCUMENT_ENCRYPTED",
            Self::Empty => "DOCUMENT_EMPTY",
            Self::Scanned => "DOCUMENT_SCANNED",
            Self::Corrupt { .. } => "DOCUMENT_CORRUPT",
            Self::Bomb { .. } => "DOCUMENT_BOMB",
            Self::TooLarge { .. } => "DOCUMENT_TOO_LARGE",
            Self::Timeout { .. } => "DOCUMENT_TIMEOUT",
            Self::Unsupported { .. } => "DOCUMENT_UNSUPPORTED",
            Self::Isolation { .. } => "EXTRACTION_UNAVAILABLE",
        }
    }

    /// Whether the same bytes may give another answer later: true when the machine is to blame and not the document.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Isolation { .. } | Self::Timeout { .. })
    }

    pub(crate) fn corrupt(why: impl Into<String>) -> Self {
        Self::Corrupt { why: why.into() }
    }

    pub(crate) fn bomb(why: impl Into<String>) -> Self {
        Self::Bomb { why: why.into() }
    }

    pub(crate) fn unsupported(why: impl Into<String>) -> Self {
        Self::Unsupported { why: why.into() }
    }

    pub(crate) fn isolation(why: impl Into<String>) -> Self {
        Self::Isolation { why: why.into() }
    }

    pub(crate) fn timeout(limit: Duration) -> Self {
        Self::Timeout { limit_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX) }
    }
}
