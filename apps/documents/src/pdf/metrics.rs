//! Advance widths of the standard fonts, which a PDF may use without bringing them.
//!
//! Numbers from Adobe's core 14 font metrics, for codes 32 to 126, in thousandths of the font size. They only serve to
//! tell gaps between words from gaps within them, so a family stands for its slanted cuts.

/// Widths of one family.
pub(crate) struct Standard {
    widths: Option<&'static [u16; 95]>,
    other: u16,
}

// === impl Standard ===

impl Standard {
    /// The family that `base_font` names, or the one it resembles most.
    pub(crate) fn named(base_font: &[u8]) -> Self {
        let name = String::from_utf8_lossy(base_font).to_ascii_lowercase();
        let bold = name.contains("bold") || name.contains("black") || name.contains("heavy");
        if name.contains("courier") || name.contains("mono") || name.contains("consol") {
            return Self { widths: None, other: 600 };
        }
        let widths =
            if ["times", "serif", "roman", "georgia", "garamond"].iter().any(|word| name.contains(word))
                && !name.contains("sans")
            {
                &TIMES
            } else if bold {
                &HELVETICA_BOLD
            } else {
                &HELVETICA
            };
        Self { widths: Some(widths), other: 556 }
    }

    /// Width of `character`, in thousandths of the font size.
    pub(crate) fn width(&self, character: char) -> f64 {
        let index = u32::from(character).checked_sub(32).and_then(|index| usize::try_from(index).ok());
        let width = self.widths.zip(index).and_then(|(widths, index)| widths.get(index).copied());
        f64::from(width.unwrap_or(self.other))
    }
}

const HELVETICA: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556,
    556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278,
    500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469,
    556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500,
    278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
];

const HELVETICA_BOLD: [u16; 95] = [
    278, 333, 474, 556, 556, 889, 722, 238, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556,
    556, 556, 556, 556, 556, 333, 333, 584, 584, 584, 611, 975, 722, 722, 722, 722, 667, 611, 778, 722, 278,
    556, 722, 611, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 333, 278, 333, 584,
    556, 333, 556, 611, 556, 611, 556, 333, 611, 611, 278, 278, 556, 278, 889, 611, 611, 611, 611, 389, 556,
    333, 611, 556, 778, 556, 556, 500, 389, 280, 389, 584,
];

const TIMES: [u16; 95] = [
    250, 333, 408, 500, 500, 833, 778, 180, 333, 333, 500, 564, 250, 333, 250, 278, 500, 500, 500, 500, 500,
    500, 500, 500, 500, 500, 278, 278, 564, 564, 564, 444, 921, 722, 667, 667, 722, 611, 556, 722, 722, 333,
    389, 722, 611, 889, 722, 722, 556, 722, 667, 556, 611, 722, 722, 944, 722, 722, 611, 333, 278, 333, 469,
    500, 333, 444, 500, 444, 500, 444, 333, 500, 500, 278, 278, 500, 278, 778, 500, 500, 500, 500, 333, 389,
    278, 500, 500, 722, 500, 500, 444, 480, 200, 480, 541,
];
