//! Text of a DOCX.
use crate::{ExtractError, limits::Watch};
pub(crate) fn extract(_bytes: &[u8], _watch: &Watch<'_>) -> Result<(String, u32), ExtractError> {
    Err(ExtractError::unsupported("DOCX is being written"))
}
