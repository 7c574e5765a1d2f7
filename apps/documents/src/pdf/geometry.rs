//! The little linear algebra that text positions need.

use lopdf::Object;

/// An affine map in PDF's row order `[a b c d e f]`: `x' = a·x + c·y + e`, `y' = b·x + d·y + f`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Matrix(pub(crate) [f64; 6]);

/// A point or a vector, in page units (1/72 inch).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
}

// === impl Matrix ===

impl Matrix {
    pub(crate) const IDENTITY: Self = Self([1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);

    pub(crate) fn translation(x: f64, y: f64) -> Self {
        Self([1.0, 0.0, 0.0, 1.0, x, y])
    }

    /// The six numbers that `objects` end with.
    pub(crate) fn read(objects: &[Object]) -> Option<Self> {
        let last = objects.len().checked_sub(6).map(|start| &objects[start..])?;
        let mut numbers = [0.0; 6];
        for (number, object) in numbers.iter_mut().zip(last) {
            *number = number_of(object)?;
        }
        Some(Self(numbers))
    }

    /// The map that applies `self` first and `next` then.
    pub(crate) fn then(self, next: Self) -> Self {
        let [a, b, c, d, e, f] = self.0;
        let [na, nb, nc, nd, ne, nf] = next.0;
        Self([
            a * na + b * nc,
            a * nb + b * nd,
            c * na + d * nc,
            c * nb + d * nd,
            e * na + f * nc + ne,
            e * nb + f * nd + nf,
        ])
    }

    pub(crate) fn apply(self, x: f64, y: f64) -> Point {
        let [a, b, c, d, e, f] = self.0;
        Point { x: a * x + c * y + e, y: b * x + d * y + f }
    }

    /// Unit vector along which text runs, and the height of one unit of font size.
    pub(crate) fn baseline(self) -> (Point, f64) {
        let [a, b, c, d, ..] = self.0;
        let length = a.hypot(b);
        let direction = if length > 0.0 && length.is_finite() {
            Point { x: a / length, y: b / length }
        } else {
            Point { x: 1.0, y: 0.0 }
        };
        (direction, c.hypot(d))
    }
}

/// A finite number, or nothing.
pub(crate) fn number_of(object: &Object) -> Option<f64> {
    object.as_float().ok().map(f64::from).filter(|number| number.is_finite())
}
