//! Times by the thousand million in constant space.

/// Bits of the mantissa that tell buckets apart: a bucket is at most 1/128 (0.8 %) wide, and percentiles are
/// interpolated inside it.
const MANTISSA_BITS: u32 = 7;
/// Shorter times count as zero: 2^-20 s is about a microsecond.
const LEAST_EXPONENT: u64 = 1023 - 20;
/// Longer times count in the last bucket: 2^24 s is half a year.
const OCTAVES: usize = 44;
const BUCKETS: usize = OCTAVES << MANTISSA_BITS;

/// Histogram over logarithmic buckets taken from the bits of the number itself: recording is a shift and an addition.
#[derive(Clone)]
pub struct Histogram {
    zeros: u64,
    counts: Box<[u64]>,
    total: u64,
    sum_s: f64,
    max_s: f64,
}

// === impl Histogram ===

impl Default for Histogram {
    fn default() -> Self {
        Self { zeros: 0, counts: vec![0; BUCKETS].into(), total: 0, sum_s: 0.0, max_s: 0.0 }
    }
}

impl Histogram {
    /// Adds a time, `weight` times.
    #[inline]
    pub fn record(&mut self, seconds: f64, weight: u64) {
        self.total += weight;
        self.sum_s += seconds * weight as f64;
        self.max_s = self.max_s.max(seconds);
        let index = (seconds.to_bits() >> (52 - MANTISSA_BITS)) as usize;
        match index.checked_sub((LEAST_EXPONENT as usize) << MANTISSA_BITS) {
            Some(index) if seconds > 0.0 => self.counts[index.min(BUCKETS - 1)] += weight,
            _ => self.zeros += weight,
        }
    }

    /// How many were recorded.
    pub fn count(&self) -> u64 {
        self.total
    }

    /// Their mean in seconds, exact; 0 when there is none.
    pub fn mean_s(&self) -> f64 {
        if self.total == 0 { 0.0 } else { self.sum_s / self.total as f64 }
    }

    /// The longest in seconds, exact.
    pub fn max_s(&self) -> f64 {
        self.max_s
    }

    /// The time that this share does not exceed, in seconds, within one bucket of the truth; 0 when there is none.
    pub fn quantile_s(&self, share: f64) -> f64 {
        let rank = share.clamp(0.0, 1.0) * self.total as f64;
        let mut below = self.zeros as f64;
        if self.total == 0 || rank <= below {
            return 0.0;
        }
        for (index, &count) in self.counts.iter().enumerate() {
            let here = count as f64;
            if below + here >= rank && count > 0 {
                let (from, to) = (edge_s(index), edge_s(index + 1));
                return (from + (to - from) * (rank - below) / here).min(self.max_s);
            }
            below += here;
        }
        self.max_s
    }
}

/// Lower edge of a bucket.
fn edge_s(index: usize) -> f64 {
    let bits = (index as u64 + (LEAST_EXPONENT << MANTISSA_BITS)) << (52 - MANTISSA_BITS);
    f64::from_bits(bits)
}

impl std::fmt::Debug for Histogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Histogram").field("total", &self.total).field("mean_s", &self.mean_s()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_one_bucket() {
        let mut histogram = Histogram::default();
        for index in 1..=100_000_u32 {
            histogram.record(f64::from(index) * 1e-3, 1);
        }
        for share in [0.01, 0.5, 0.95, 0.99, 0.999] {
            let (got, want) = (histogram.quantile_s(share), share * 100.0);
            assert!((got - want).abs() < 0.001 * want, "{share}: {got} instead of {want}");
        }
        assert!((histogram.mean_s() - 50.0005).abs() < 1e-6);
    }

    #[test]
    fn anything_can_be_recorded() {
        let mut histogram = Histogram::default();
        for seconds in [0.0, -1.0, 1e-300, 1e300, f64::INFINITY, f64::NAN] {
            histogram.record(seconds, 1);
        }
        assert_eq!(histogram.count(), 6);
        assert!(histogram.quantile_s(0.4) < 1e-6);
    }
}
