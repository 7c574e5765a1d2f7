//! Plain text of unknown encoding.

use crate::ExtractError;
use crate::limits::Watch;

/// Windows-1252's characters for 0x80..=0x9F, where it differs from Latin-1. The five codes it leaves undefined
/// stay the control characters they are in Latin-1, which cleaning drops.
pub(crate) const WINDOWS_1252_HIGH: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8D}', 'Ž', '\u{8F}', '\u{90}',
    '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9D}', 'ž', 'Ÿ',
];

pub(crate) fn extract(bytes: &[u8], watch: &Watch<'_>) -> Result<(String, u32), ExtractError> {
    watch.check_time()?;
    let text = decode(bytes)?;
    Ok((text, 1))
}

/// A byte order mark decides; without one, UTF-8 when the bytes are valid UTF-8, else Windows-1252, in which every
/// byte means something.
pub(crate) fn decode(bytes: &[u8]) -> Result<String, ExtractError> {
    match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => Ok(String::from_utf8_lossy(rest).into_owned()),
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ if bytes.contains(&0) => Err(ExtractError::unsupported("it holds binary data and not text")),
        _ => Ok(match str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => bytes.iter().copied().map(windows_1252).collect(),
        }),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, ExtractError> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(ExtractError::corrupt("half a character is missing at the end of its UTF-16 text"));
    }
    let units = pairs.iter().map(|pair| unit(*pair));
    Ok(char::decode_utf16(units).map(|result| result.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
}

/// One byte of Windows-1252.
pub(crate) fn windows_1252(byte: u8) -> char {
    match byte {
        0x80..=0x9F => WINDOWS_1252_HIGH[usize::from(byte) - 0x80],
        _ => char::from(byte),
    }
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn each_encoding_gives_the_same_words() {
        let words = "Zoë – café";
        let le: Vec<u8> =
            [0xFF, 0xFE].into_iter().chain(words.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        let be: Vec<u8> =
            [0xFE, 0xFF].into_iter().chain(words.encode_utf16().flat_map(u16::to_be_bytes)).collect();
        let marked = [&[0xEF, 0xBB, 0xBF], words.as_bytes()].concat();
        for bytes in [words.as_bytes(), &marked, &le, &be, b"Zo\xEB \x96 caf\xE9"] {
            assert_eq!(decode(bytes).expect("text"), words, "{bytes:?}");
        }
    }

    #[test]
    fn binary_data_is_not_text() {
        assert_eq!(decode(b"a\0b").expect_err("binary").code(), "DOCUMENT_UNSUPPORTED");
        assert_eq!(decode(b"\xFF\xFEa").expect_err("odd").code(), "DOCUMENT_CORRUPT");
    }
}
