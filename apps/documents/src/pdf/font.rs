//! A font as far as text needs it: which characters its codes are, and how far each advances.

use std::collections::HashMap;

use lopdf::{Dictionary, Document, Encoding, Object};

use super::cmap::CMap;
use super::geometry::number_of;
use super::metrics::Standard;
use super::pages::resolve;
use crate::ExtractError;
use crate::limits::Watch;

/// Largest `/ToUnicode` stream, in bytes; one with an entry for each character of the basic plane has about 1 MiB.
const MAX_CMAP_BYTES: usize = 4 * 1024 * 1024;
/// Most width entries of a composite font: one for each two-byte code.
const MAX_WIDTHS: usize = 65_536;

/// A font, ready to decode strings.
pub(crate) struct Font {
    to_unicode: Option<CMap>,
    codes: Codes,
    widths: Widths,
}

/// How a string is cut into codes, and what they are when `/ToUnicode` does not say.
enum Codes {
    /// One byte each.
    Single(Box<[Option<char>; 256]>),
    /// Two bytes each; UTF-16 when the encoding says so, else glyph numbers that only `/ToUnicode` explains.
    Double { utf16: bool },
}

/// Widths in the unit that `scale` turns into font sizes.
struct Widths {
    by_code: HashMap<u32, f64>,
    default: Option<f64>,
    standard: Standard,
    scale: f64,
}

/// One decoded character code.
pub(crate) struct Glyph {
    /// Its text; `None` when nobody says what it is.
    pub(crate) text: Option<String>,
    /// Its advance, in font sizes.
    pub(crate) width: f64,
    /// Whether word spacing applies to it.
    pub(crate) is_space: bool,
}

// === impl Font ===

impl Font {
    pub(crate) fn read(
        document: &Document,
        font: &Dictionary,
        watch: &Watch<'_>,
    ) -> Result<Self, ExtractError> {
        let to_unicode = read_to_unicode(document, font, watch)?.filter(|cmap| !cmap.is_empty());
        let base_font = font.get(b"BaseFont").and_then(Object::as_name).unwrap_or_default();
        let standard = Standard::named(base_font);
        let composite =
            font.get(b"Subtype").and_then(Object::as_name).is_ok_and(|subtype| subtype == b"Type0");
        if composite {
            let utf16 = font
                .get(b"Encoding")
                .and_then(Object::as_name)
                .is_ok_and(|name| [&b"UCS2"[..], b"UTF16"].iter().any(|part| contains(name, part)));
            let single = to_unicode.as_ref().is_some_and(CMap::is_single_byte);
            let codes = if single { Codes::Single(Box::new([None; 256])) } else { Codes::Double { utf16 } };
            return Ok(Self { to_unicode, codes, widths: composite_widths(document, font, standard) });
        }
        let table = Box::new(single_byte_table(document, font, base_font));
        Ok(Self { to_unicode, codes: Codes::Single(table), widths: simple_widths(document, font, standard) })
    }

    /// Cuts `string` into codes and hands each to `take`.
    pub(crate) fn decode(&self, string: &[u8], take: &mut dyn FnMut(Glyph)) {
        match &self.codes {
            Codes::Single(table) => {
                for byte in string {
                    let code = u32::from(*byte);
                    let own = table[usize::from(*byte)];
                    let text = self.mapped(code).or_else(|| own.map(String::from));
                    let width = self.widths.of(code, text.as_deref());
                    take(Glyph { text, width, is_space: code == 32 });
                }
            }
            Codes::Double { utf16 } => {
                for pair in string.as_chunks::<2>().0 {
                    let code = u32::from(u16::from_be_bytes(*pair));
                    let own = if *utf16 { char::from_u32(code) } else { None };
                    let text = self.mapped(code).or_else(|| own.map(String::from));
                    let width = self.widths.of(code, text.as_deref());
                    take(Glyph { text, width, is_space: false });
                }
            }
        }
    }

    fn mapped(&self, code: u32) -> Option<String> {
        self.to_unicode.as_ref()?.get(code).filter(|text| !text.contains('\0'))
    }
}

fn contains(name: &[u8], part: &[u8]) -> bool {
    name.windows(part.len()).any(|window| window == part)
}

fn read_to_unicode(
    document: &Document,
    font: &Dictionary,
    watch: &Watch<'_>,
) -> Result<Option<CMap>, ExtractError> {
    let Ok(stream) = font.get_deref(b"ToUnicode", document).and_then(Object::as_stream) else {
        return Ok(None);
    };
    let limit = watch.expandable_bytes().min(MAX_CMAP_BYTES);
    match stream.get_plain_content_with_limit(limit) {
        Ok(content) => {
            watch.book_expanded(content.len())?;
            Ok(Some(CMap::parse(&content)))
        }
        Err(lopdf::Error::Decompress(lopdf::DecompressError::MemoryLimitExceeded { .. })) => {
            Err(watch.expanded_too_far())
        }
        Err(_) => Ok(None),
    }
}

// === one-byte encodings ===

fn single_byte_table(document: &Document, font: &Dictionary, base_font: &[u8]) -> [Option<char>; 256] {
    let mut table = [None; 256];
    // Symbol fonts hold bullets, ticks and telephones: none of them a letter, all of them bullets to a reader.
    if [&b"Dingbats"[..], b"Wingdings", b"Webdings"].iter().any(|name| contains(base_font, name)) {
        return [Some('•'); 256];
    }
    let encoding = font.get_deref(b"Encoding", document);
    let (base, differences) = match encoding {
        Ok(Object::Name(name)) => (Some(name.as_slice()), None),
        Ok(Object::Dictionary(encoding)) => (
            encoding.get(b"BaseEncoding").and_then(Object::as_name).ok(),
            encoding.get_deref(b"Differences", document).and_then(Object::as_array).ok(),
        ),
        _ => (None, None),
    };
    fill_base(document, base, &mut table);
    if contains(base_font, b"Symbol") {
        table[183] = Some('•');
    }
    let mut code = 0usize;
    for entry in differences.into_iter().flatten() {
        match entry {
            Object::Integer(number) => code = usize::try_from(*number).unwrap_or(usize::MAX),
            Object::Name(name) => {
                if let Some(place) = table.get_mut(code) {
                    *place = character_named(document, name).or(*place);
                }
                code = code.saturating_add(1);
            }
            _ => {}
        }
    }
    table
}

fn fill_base(document: &Document, name: Option<&[u8]>, table: &mut [Option<char>; 256]) {
    let known = [&b"WinAnsiEncoding"[..], b"MacRomanEncoding", b"MacExpertEncoding", b"StandardEncoding"];
    let name = name.filter(|name| known.contains(name)).unwrap_or(b"StandardEncoding");
    let mut probe = Dictionary::new();
    probe.set("Type", Object::Name(b"Font".to_vec()));
    probe.set("Encoding", Object::Name(name.to_vec()));
    let Ok(encoding) = probe.get_font_encoding(document) else { return };
    for (byte, place) in (0..=u8::MAX).zip(table.iter_mut()) {
        *place = encoding.bytes_to_string(&[byte]).ok().and_then(|text| text.chars().next());
    }
}

/// The character of an Adobe glyph name such as `eacute`, `fi`, `uni20AC` or `a.alt`.
fn character_named(document: &Document, name: &[u8]) -> Option<char> {
    let stem = name.split(|byte| *byte == b'.').next().filter(|stem| !stem.is_empty())?;
    let hexadecimal = |digits: &[u8]| {
        str::from_utf8(digits)
            .ok()
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .and_then(char::from_u32)
    };
    match stem {
        b"ff" => return Some('\u{FB00}'),
        b"ffi" => return Some('\u{FB03}'),
        b"ffl" => return Some('\u{FB04}'),
        [b'u', b'n', b'i', digits @ ..] if digits.len() == 4 => return hexadecimal(digits),
        [b'u', digits @ ..] if (4..=6).contains(&digits.len()) => {
            if let Some(character) = hexadecimal(digits) {
                return Some(character);
            }
        }
        _ => {}
    }
    // lopdf knows the glyph list but shows it only through an encoding with that one difference.
    let mut differences = Dictionary::new();
    differences.set("Differences", vec![Object::Integer(1), Object::Name(stem.to_vec())]);
    let mut probe = Dictionary::new();
    probe.set("Type", Object::Name(b"Font".to_vec()));
    probe.set("Encoding", Object::Dictionary(differences));
    match probe.get_font_encoding(document) {
        Ok(Encoding::Differences(found)) => {
            let unit = found.map.get(&1)?.utf16_code_unit();
            char::from_u32(u32::from(unit))
        }
        _ => None,
    }
}

// === widths ===

fn simple_widths(document: &Document, font: &Dictionary, standard: Standard) -> Widths {
    let first = font.get_deref(b"FirstChar", document).and_then(Object::as_i64).unwrap_or(0);
    let widths = font.get_deref(b"Widths", document).and_then(Object::as_array).ok();
    let mut by_code = HashMap::new();
    for (offset, width) in widths.into_iter().flatten().take(256).enumerate() {
        let code = i64::try_from(offset).ok().and_then(|offset| first.checked_add(offset));
        let width = document.dereference(width).ok().and_then(|(_, width)| number_of(width));
        if let (Some(Ok(code)), Some(width)) = (code.map(u32::try_from), width) {
            by_code.insert(code, width);
        }
    }
    let default = (!by_code.is_empty())
        .then(|| resolve(document, font, b"FontDescriptor"))
        .flatten()
        .and_then(|descriptor| descriptor.get(b"MissingWidth").ok())
        .and_then(number_of);
    // Type 3 fonts bring their own unit of length.
    let scale = font
        .get_deref(b"FontMatrix", document)
        .and_then(Object::as_array)
        .ok()
        .and_then(|matrix| matrix.first())
        .and_then(number_of)
        .filter(|scale| *scale > 0.0)
        .unwrap_or(0.001);
    Widths { by_code, default, standard, scale }
}

/// `/W` of the descendant font: `first [w w …]` and `first last w`, in any mix.
fn composite_widths(document: &Document, font: &Dictionary, standard: Standard) -> Widths {
    let descendant = font
        .get_deref(b"DescendantFonts", document)
        .and_then(Object::as_array)
        .ok()
        .and_then(|fonts| fonts.first())
        .and_then(|font| document.dereference(font).ok())
        .and_then(|(_, font)| font.as_dict().ok());
    let mut by_code = HashMap::new();
    let default = descendant.and_then(|font| font.get(b"DW").ok()).and_then(number_of).unwrap_or(1000.0);
    let entries = descendant.and_then(|font| font.get_deref(b"W", document).and_then(Object::as_array).ok());
    let mut entries = entries.into_iter().flatten();
    while let (Some(first), Some(second)) = (entries.next(), entries.next()) {
        let Some(first) = code(first) else { continue };
        if let Ok((_, Object::Array(widths))) = document.dereference(second) {
            for (code, width) in (first..=0xFFFF).zip(widths) {
                by_code.extend(number_of(width).map(|width| (code, width)));
            }
        } else if let (Some(last), Some(width)) = (code(second), entries.next().and_then(number_of)) {
            by_code.extend((first..=last).take(MAX_WIDTHS).map(|code| (code, width)));
        }
    }
    Widths { by_code, default: Some(default), standard, scale: 0.001 }
}

fn code(object: &Object) -> Option<u32> {
    object.as_i64().ok().and_then(|number| u32::try_from(number).ok()).filter(|code| *code <= 0xFFFF)
}

// === impl Widths ===

impl Widths {
    fn of(&self, code: u32, text: Option<&str>) -> f64 {
        if let Some(width) = self.by_code.get(&code).copied().or(self.default) {
            return width * self.scale;
        }
        let character = text.and_then(|text| text.chars().next()).unwrap_or('n');
        self.standard.width(character) * 0.001
    }
}
