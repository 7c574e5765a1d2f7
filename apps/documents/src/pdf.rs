//! Text of a PDF.
use crate::{ExtractError, limits::Watch};
pub(crate) fn extract(_bytes: &[u8], _watch: &Watch<'_>) -> Result<(String, u32), ExtractError> {
    Err(ExtractError::unsupported("PDF is being written"))
}
