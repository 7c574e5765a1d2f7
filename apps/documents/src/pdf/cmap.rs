//! `/ToUnicode` CMaps: which characters a font's codes stand for.
//!
//! Ranges are kept as ranges (a range may claim four billion codes), and entries are counted.

use std::collections::{BTreeMap, HashMap};

/// Most mappings one font may bring; Unicode's basic plane has fewer characters.
const MAX_ENTRIES: usize = 70_000;
/// Most UTF-16 units one code may stand for.
const MAX_TARGET_UNITS: usize = 64;

/// Codes of one to four bytes and the text each stands for.
#[derive(Debug, Default)]
pub(crate) struct CMap {
    /// Lengths of codes, in bytes, that the code space declares; bit `n` stands for `n` bytes.
    lengths: u8,
    singles: HashMap<u32, String>,
    /// First code → last code and the UTF-16 text of the first, whose last unit counts up.
    ranges: BTreeMap<u32, (u32, Vec<u16>)>,
}

enum Token<'a> {
    Hex(Vec<u8>),
    Open,
    Close,
    Word(&'a [u8]),
}

enum Section {
    None,
    CodeSpace,
    Char,
    Range,
}

// === impl CMap ===

impl CMap {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let mut cmap = Self::default();
        let mut section = Section::None;
        let mut pending: Vec<Vec<u8>> = Vec::new();
        let mut array: Option<Vec<Vec<u8>>> = None;
        let mut rest = bytes;
        while let Some(token) = next_token(&mut rest) {
            match token {
                Token::Word(b"begincodespacerange") => section = Section::CodeSpace,
                Token::Word(b"beginbfchar") => section = Section::Char,
                Token::Word(b"beginbfrange") => section = Section::Range,
                Token::Word(word) => {
                    if word.starts_with(b"end") {
                        section = Section::None;
                    }
                    pending.clear();
                    array = None;
                }
                Token::Open => array = Some(Vec::new()),
                Token::Close => {
                    if let (Some(targets), [first, _last]) = (array.take(), pending.as_slice()) {
                        cmap.add_array(code_of(first), targets);
                    }
                    pending.clear();
                }
                Token::Hex(hex) => match &mut array {
                    Some(targets) if targets.len() < MAX_ENTRIES => targets.push(hex),
                    Some(_) => {}
                    None => {
                        pending.push(hex);
                        cmap.take_pending(&section, &mut pending);
                    }
                },
            }
        }
        cmap
    }

    /// What `code` stands for; `None` when the font does not say.
    pub(crate) fn get(&self, code: u32) -> Option<String> {
        if let Some(text) = self.singles.get(&code) {
            return Some(text.clone());
        }
        let (first, (last, base)) = self.ranges.range(..=code).next_back()?;
        if code > *last {
            return None;
        }
        let mut units = base.clone();
        let unit = units.last_mut()?;
        *unit = unit.wrapping_add(u16::try_from(code - first).ok()?);
        // A range whose base is a surrogate pair counts up through its low half.
        Some(String::from_utf16_lossy(&units))
    }

    /// Whether all codes are one byte long.
    pub(crate) fn is_single_byte(&self) -> bool {
        self.lengths == 1 << 1
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.singles.is_empty() && self.ranges.is_empty()
    }

    fn take_pending(&mut self, section: &Section, pending: &mut Vec<Vec<u8>>) {
        match (section, pending.as_slice()) {
            (Section::CodeSpace, [first, _last]) => {
                self.lengths |= 1u8.checked_shl(u32::try_from(first.len().min(4)).unwrap_or(4)).unwrap_or(0);
            }
            (Section::Char, [code, target]) => {
                let code = code_of(code);
                let target = units_of(target);
                self.add(code, &target);
            }
            (Section::Range, [first, last, target]) => {
                let (first, last, target) = (code_of(first), code_of(last), units_of(target));
                if first <= last && !target.is_empty() && self.has_room() {
                    self.ranges.insert(first, (last, target));
                }
            }
            (Section::None, _) => {}
            _ => return,
        }
        pending.clear();
    }

    fn add_array(&mut self, first: u32, targets: Vec<Vec<u8>>) {
        for (code, target) in (first..=u32::MAX).zip(targets) {
            self.add(code, &units_of(&target));
        }
    }

    fn add(&mut self, code: u32, target: &[u16]) {
        if self.has_room() {
            self.singles.insert(code, String::from_utf16_lossy(target));
        }
    }

    fn has_room(&self) -> bool {
        self.singles.len() + self.ranges.len() < MAX_ENTRIES
    }
}

/// Big-endian number of the last four bytes.
fn code_of(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |code, byte| (code << 8) | u32::from(*byte))
}

fn units_of(bytes: &[u8]) -> Vec<u16> {
    match bytes {
        // Some writers shorten `<0041>` to `<41>`.
        [byte] => vec![u16::from(*byte)],
        _ => bytes
            .as_chunks::<2>()
            .0
            .iter()
            .take(MAX_TARGET_UNITS)
            .map(|pair| u16::from_be_bytes(*pair))
            .collect(),
    }
}

fn next_token<'a>(rest: &mut &'a [u8]) -> Option<Token<'a>> {
    loop {
        let (&first, tail) = rest.split_first()?;
        match first {
            b'%' => {
                *rest =
                    &rest[rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len())..]
            }
            b'[' => {
                *rest = tail;
                return Some(Token::Open);
            }
            b']' => {
                *rest = tail;
                return Some(Token::Close);
            }
            b'<' if tail.first() == Some(&b'<') => *rest = &tail[1..],
            b'<' => {
                let end = tail.iter().position(|byte| *byte == b'>').unwrap_or(tail.len());
                *rest = tail.get(end + 1..).unwrap_or_default();
                return Some(Token::Hex(hex_bytes(&tail[..end])));
            }
            byte if byte.is_ascii_alphanumeric() => {
                let end = rest.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(rest.len());
                let (word, tail) = rest.split_at(end);
                *rest = tail;
                // Counts (`2 beginbfchar`) carry no meaning that the sections themselves do not.
                if !word[0].is_ascii_digit() {
                    return Some(Token::Word(word));
                }
            }
            _ => *rest = tail,
        }
    }
}

fn hex_bytes(digits: &[u8]) -> Vec<u8> {
    let mut nibbles =
        digits.iter().filter_map(|digit| char::from(*digit).to_digit(16)).map(|digit| digit as u8);
    let mut bytes = Vec::with_capacity(digits.len() / 2);
    while let Some(high) = nibbles.next() {
        bytes.push(high << 4 | nibbles.next().unwrap_or(0));
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::CMap;

    const CMAP: &[u8] = b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap
        1 begincodespacerange <0000> <FFFF> endcodespacerange % a comment <00> <00>
        2 beginbfchar <0003> <0020> <0010> <006600660069> endbfchar
        3 beginbfrange <0024> <003D> <0041> <0050><0052>[<0061> <D83DDE00> <63>] <0100> <FFFFFFFF> <4E00> endbfrange
        endcmap CMapName currentdict /CMap defineresource pop end end";

    #[test]
    fn chars_ranges_and_arrays_are_read() {
        let cmap = CMap::parse(CMAP);
        assert!(!cmap.is_single_byte());
        let expected = [
            (3, " "),
            (0x10, "ffi"),
            (0x24, "A"),
            (0x3D, "Z"),
            (0x50, "a"),
            (0x51, "😀"),
            (0x52, "c"),
            (0x101, "丁"),
        ];
        for (code, text) in expected {
            assert_eq!(cmap.get(code).as_deref(), Some(text), "{code:#x}");
        }
        for code in [0, 0x23, 0x3E, 0x53] {
            assert_eq!(cmap.get(code), None, "{code:#x}");
        }
    }

    #[test]
    fn any_prefix_of_a_cmap_is_read_as_far_as_it_goes() {
        for end in 0..CMAP.len() {
            let _ = CMap::parse(&CMAP[..end]);
        }
        assert!(CMap::parse(b"beginbfrange <00> <FFFFFFFF> <").is_empty());
    }
}
