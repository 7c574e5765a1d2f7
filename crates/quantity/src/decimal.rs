//! An unsigned decimal number of a few dozen digits, exact under the two operations quantities need.

/// `digits` read as an integer, times ten to the power of `exponent`.
pub(crate) struct Decimal {
    /// Most significant first, each 0..=9.
    digits: Vec<u8>,
    exponent: i64,
}

// === impl Decimal ===

impl Decimal {
    /// Reads `digits[.digits]`; `None` when there is no digit or another character.
    pub(crate) fn parse(text: &str) -> Option<Decimal> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let mut digits = Vec::with_capacity(text.len());
        for byte in whole.bytes().chain(fraction.bytes()) {
            if !byte.is_ascii_digit() {
                return None;
            }
            digits.push(byte - b'0');
        }
        if digits.is_empty() {
            return None;
        }
        Some(Decimal { digits, exponent: -(fraction.len() as i64) })
    }

    /// Multiplies by ten to the power of `power`.
    pub(crate) fn scale(&mut self, power: i64) {
        self.exponent = self.exponent.saturating_add(power);
    }

    /// Multiplies by 1024, digit by digit with a carry.
    pub(crate) fn times_1024(&mut self) {
        let mut carry = 0u32;
        for digit in self.digits.iter_mut().rev() {
            let product = u32::from(*digit) * 1024 + carry;
            *digit = (product % 10) as u8;
            carry = product / 10;
        }
        while carry > 0 {
            self.digits.insert(0, (carry % 10) as u8);
            carry /= 10;
        }
    }

    /// The smallest integer that is not below the number, or `None` when it does not fit.
    pub(crate) fn ceil(&self) -> Option<i128> {
        let dropped = usize::try_from(self.exponent.saturating_neg()).unwrap_or(0).min(self.digits.len());
        let (kept, rest) = self.digits.split_at(self.digits.len() - dropped);
        let mut value = 0i128;
        for digit in kept {
            value = value.checked_mul(10)?.checked_add(i128::from(*digit))?;
        }
        if value != 0 && self.exponent > 0 {
            let power = u32::try_from(self.exponent).ok()?;
            value = value.checked_mul(10i128.checked_pow(power)?)?;
        }
        if rest.iter().any(|digit| *digit != 0) { value.checked_add(1) } else { Some(value) }
    }
}
