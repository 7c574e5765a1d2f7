//! A small language for one number out of several signals, the part of `expr-lang` that KEDA's `scalingModifiers` are
//! written in:
//!
//! * numbers, `true`, `false`, `nil`, signals by name, `[a, b]`, comments;
//! * `+ - * / % ** ^`, `== != < <= > >=`, `and or not` (`&& || !`), `a ? b : c`, `a ?? b`;
//! * `abs ceil floor round int float`, `max min sum mean avg median len` of numbers or lists;
//! * `count any all none one filter map` of a list and a predicate about `#`, such as `count([a, b], {# > 1})`.
//!
//! Operators bind as they do there: `??` the tightest, then powers, signs, products, `not`, sums, comparisons.
//!
//! Wanted properties:
//! * a text is either refused with its place, or is a formula that cannot fail for its form: kinds are checked first;
//! * no text and no value panics or takes long: length, height and predicates are bounded, there is no loop but over a
//!   list that was written out;
//! * a signal without a value is `nil`, and `nil` in an operation is no answer, never a zero;
//! * what is not a finite number is no answer either, wherever it arises: a division by zero decides no comparison.

mod build;
mod check;
mod error;
mod evaluate;
mod token;

pub use error::{FormulaError, Trouble};
pub use evaluate::{Failure, Outcome};

use build::Builder;

/// Longest text, in bytes.
pub const MAX_BYTES: usize = 2048;
/// How deep operations may stand in each other.
pub const MAX_HEIGHT: u8 = 64;

/// A text that was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Formula {
    root: Node,
    /// Which of the names it was given it looks at.
    used: Vec<bool>,
}

/// One operation, with what it needs to say where it failed.
#[derive(Debug, Clone, PartialEq)]
struct Node {
    what: What,
    kind: Kind,
    /// Characters from the start, from 1.
    at: u32,
    /// Of the longest way down.
    height: u8,
}

/// What kind of value an operation gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    /// True or false.
    Condition,
    /// Numbers.
    List,
    /// Only `nil`, which may stand for any of them.
    Nothing,
}

#[derive(Debug, Clone, PartialEq)]
enum What {
    Number(f64),
    Condition(bool),
    Nil,
    /// By its place among the names.
    Signal(usize),
    /// `#`.
    Element,
    List(Vec<Node>),
    Not(Box<Node>),
    Negative(Box<Node>),
    Binary(Binary, Box<Node>, Box<Node>),
    Choice(Box<[Node; 3]>),
    /// Of one number.
    Rounded(Rounding, Box<Node>),
    /// Of numbers and lists, taken together.
    Folded(Fold, Vec<Node>),
    /// Of a list and a predicate.
    Each(Each, Box<Node>, Box<Node>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Binary {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
    Otherwise,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rounding {
    Abs,
    Ceil,
    Floor,
    /// Half away from zero.
    Round,
    /// Towards zero.
    Int,
    /// Not at all.
    Float,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fold {
    Max,
    Min,
    Sum,
    Mean,
    Median,
    Len,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Each {
    Count,
    Any,
    All,
    None,
    One,
    Filter,
    Map,
}

// === impl Formula ===

impl Formula {
    /// Reads a formula over signals of these names; a signal is known later by its place among them.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn compile<S: AsRef<str>>(text: &str, names: &[S]) -> Result<Self, FormulaError> {
        if text.len() > MAX_BYTES {
            return Err(FormulaError { at: 1, trouble: Trouble::TooLong });
        }
        let mut builder = Builder::new(token::tokens(text)?, names);
        let root = builder.whole()?;
        Ok(Self { root, used: builder.used })
    }

    /// True when the signal at this place among the names stands in the text.
    pub fn uses(&self, signal: usize) -> bool {
        self.used.get(signal).copied().unwrap_or(false)
    }

    /// The value for these signals, in the order of the names; one that is absent or not finite is `nil`.
    pub fn evaluate(&self, signals: &[Option<f64>]) -> Outcome {
        evaluate::evaluate(&self.root, signals)
    }
}
