//! What is wrong with a text, where, and how to mend it.

use super::{MAX_BYTES, MAX_HEIGHT};

/// Why a text is no formula.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{trouble} (character {at})")]
pub struct FormulaError {
    /// Characters from the start of the text, from 1.
    pub at: u32,
    /// What is wrong there.
    pub trouble: Trouble,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Nothing was written.
    #[error("nothing is written")]
    Empty,
    /// More than [`MAX_BYTES`].
    #[error("more than {MAX_BYTES} bytes")]
    TooLong,
    /// More than [`MAX_HEIGHT`].
    #[error("operations stand in each other more than {MAX_HEIGHT} deep")]
    TooDeep,
    /// A character that has no meaning here.
    #[error("{0:?} has no meaning here")]
    Character(char),
    /// Digits that are no number.
    #[error("`{0}` is no number")]
    Number(String),
    /// Something of the language that is left out here.
    #[error("{0} are not understood")]
    LeftOut(&'static str),
    /// A name that is no signal.
    #[error("`{0}` is no signal")]
    Signal(String),
    /// A name before a parenthesis that is no function.
    #[error("`{0}` is no function")]
    Function(String),
    /// A function without parentheses.
    #[error("`{0}` is a function and needs its arguments")]
    Bare(String),
    /// Another word or sign belongs here.
    #[error("{wanted} is expected, not {found}")]
    Expected {
        /// What belongs here.
        wanted: &'static str,
        /// What stands here.
        found: String,
    },
    /// A value of another kind belongs here.
    #[error("{whom} takes {wanted}, not {found}")]
    Kind {
        /// An operator or function, or the formula as a whole.
        whom: String,
        /// What it takes.
        wanted: &'static str,
        /// What it got.
        found: &'static str,
    },
    /// Both sides are compared or chosen from and differ in kind.
    #[error("{whom} takes two values of one kind, not {left} and {right}")]
    Unlike {
        /// The operator.
        whom: String,
        /// Kind of the one.
        left: &'static str,
        /// Kind of the other.
        right: &'static str,
    },
    /// Too many or too few arguments.
    #[error("`{function}` takes {wanted}")]
    Arguments {
        /// The function.
        function: String,
        /// What it takes.
        wanted: &'static str,
    },
    /// `#` outside of a predicate.
    #[error("`#` stands for an element of a list and has none here")]
    Element,
    /// A predicate inside a predicate.
    #[error("a predicate inside a predicate is not understood")]
    Nested,
}

// === impl Trouble ===

impl Trouble {
    /// What to do about it, when there is something to say.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Empty => "such as `max(waiting, in_flight)`",
            Self::TooLong | Self::TooDeep => "`sum([a, b, c])` is flat; what remains can be a recording rule",
            Self::Character('=') => "equality is `==`",
            Self::Character('&') => "both is `and` or `&&`",
            Self::Character('|') => "either is `or` or `||`; pipes are not understood",
            Self::Character('.') => "signals are called by one name, and numbers begin with a digit",
            Self::Character('"' | '\'' | '`') | Self::LeftOut(_) => {
                "a formula is of numbers, conditions and lists of numbers"
            }
            Self::Function(_) => {
                "known are abs, ceil, floor, round, int, float, max, min, sum, mean, avg, median, len, count, \
                 any, all, none, one, filter and map"
            }
            Self::Bare(_) => "such as `max(a, b)`",
            Self::Kind { found: "a condition", .. } => {
                "choose a number by it: `condition ? 1 : 0`; ranges are `1 < a and a < 5`"
            }
            Self::Kind { wanted: "a condition", .. } => {
                "compare it, such as `a > 0`; `not` takes a comparison in parentheses: `not (a > 0)`"
            }
            Self::Kind { wanted: "a list", .. } => "such as `[a, b]`",
            Self::Element => "such as `count([a, b], {# > 1})`",
            Self::Nested => "write the inner one out, such as `a > 1 ? 1 : 0`",
            Self::Expected { .. }
            | Self::Number(_)
            | Self::Character(_)
            | Self::Signal(_)
            | Self::Kind { .. }
            | Self::Unlike { .. }
            | Self::Arguments { .. } => return None,
        })
    }
}
