//! Detects instructions to the scorer inside documents.
