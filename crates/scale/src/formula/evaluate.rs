//! From the values of the signals to one number.

use super::{Binary, Each, Fold, Node, Rounding, What};

/// What came of a formula.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The number, finite.
    pub value: Result<f64, Failure>,
    /// Signals without a value that were looked at, in order and without repeats: the value did without them.
    pub missed: Vec<usize>,
}

/// Why there is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// A signal without a value was needed.
    Missing {
        /// Its place among the names.
        signal: usize,
    },
    /// `nil`, or the largest of nothing, was needed.
    Nothing {
        /// Where in the text.
        at: u32,
    },
    /// A division by zero, or a number too large.
    NotFinite {
        /// Where in the text.
        at: u32,
    },
}

#[derive(Debug, Clone)]
enum Value {
    Number(f64),
    Condition(bool),
    List(Vec<Value>),
    Nil(Failure),
}

type Evaluated = Result<Value, Failure>;

struct Round<'a> {
    signals: &'a [Option<f64>],
    /// What `#` stands for.
    element: Option<Value>,
    missed: Vec<usize>,
}

pub(super) fn evaluate(root: &Node, signals: &[Option<f64>]) -> Outcome {
    let mut round = Round { signals, element: None, missed: Vec::new() };
    let value = round.number(root);
    let mut missed = round.missed;
    missed.sort_unstable();
    missed.dedup();
    Outcome { value, missed }
}

// === impl Round ===

impl Round<'_> {
    fn value(&mut self, node: &Node) -> Evaluated {
        let at = node.at;
        Ok(match &node.what {
            What::Number(number) => Value::Number(*number),
            What::Condition(condition) => Value::Condition(*condition),
            What::Nil => Value::Nil(Failure::Nothing { at }),
            What::Signal(signal) => self.signal(*signal),
            What::Element => self.element.clone().unwrap_or(Value::Nil(Failure::Nothing { at })),
            What::List(items) => {
                Value::List(items.iter().map(|item| self.value(item)).collect::<Result<_, _>>()?)
            }
            What::Not(inner) => Value::Condition(!self.condition(inner)?),
            What::Negative(inner) => Value::Number(-self.number(inner)?),
            What::Binary(operator, left, right) => self.binary(*operator, left, right, at)?,
            What::Choice(parts) => {
                let [condition, yes, no] = &**parts;
                let chosen = if self.condition(condition)? { yes } else { no };
                self.value(chosen)?
            }
            What::Rounded(rounding, inner) => Value::Number(rounding.of(self.number(inner)?)),
            What::Folded(fold, arguments) => self.folded(*fold, arguments, at)?,
            What::Each(each, list, body) => self.each(*each, list, body)?,
        })
    }

    fn signal(&mut self, signal: usize) -> Value {
        match self.signals.get(signal).copied().flatten().filter(|value| value.is_finite()) {
            Some(value) => Value::Number(value),
            None => {
                self.missed.push(signal);
                Value::Nil(Failure::Missing { signal })
            }
        }
    }

    fn number(&mut self, node: &Node) -> Result<f64, Failure> {
        match self.value(node)? {
            Value::Number(number) => Ok(number),
            Value::Nil(why) => Err(why),
            // The kinds were checked when the formula was read.
            Value::Condition(_) | Value::List(_) => Err(Failure::Nothing { at: node.at }),
        }
    }

    fn condition(&mut self, node: &Node) -> Result<bool, Failure> {
        match self.value(node)? {
            Value::Condition(condition) => Ok(condition),
            Value::Nil(why) => Err(why),
            Value::Number(_) | Value::List(_) => Err(Failure::Nothing { at: node.at }),
        }
    }

    fn list(&mut self, node: &Node) -> Result<Vec<Value>, Failure> {
        match self.value(node)? {
            Value::List(items) => Ok(items),
            Value::Nil(why) => Err(why),
            Value::Number(_) | Value::Condition(_) => Err(Failure::Nothing { at: node.at }),
        }
    }

    fn binary(&mut self, operator: Binary, left: &Node, right: &Node, at: u32) -> Evaluated {
        // The right side is looked at only when it decides.
        match operator {
            Binary::Or => return Ok(Value::Condition(self.condition(left)? || self.condition(right)?)),
            Binary::And => return Ok(Value::Condition(self.condition(left)? && self.condition(right)?)),
            Binary::Otherwise => {
                return match self.value(left)? {
                    Value::Nil(_) => self.value(right),
                    value => Ok(value),
                };
            }
            Binary::Equal | Binary::Unequal => {
                let equal = self.value(left)?.equals(&self.value(right)?);
                return Ok(Value::Condition(equal == (operator == Binary::Equal)));
            }
            _ => {}
        }
        let (left, right) = (self.number(left)?, self.number(right)?);
        let number = match operator {
            Binary::Less => return Ok(Value::Condition(left < right)),
            Binary::LessOrEqual => return Ok(Value::Condition(left <= right)),
            Binary::Greater => return Ok(Value::Condition(left > right)),
            Binary::GreaterOrEqual => return Ok(Value::Condition(left >= right)),
            Binary::Add => left + right,
            Binary::Subtract => left - right,
            Binary::Multiply => left * right,
            Binary::Divide => left / right,
            Binary::Remainder => left % right,
            _ => left.powf(right),
        };
        finite(number, at)
    }

    fn folded(&mut self, fold: Fold, arguments: &[Node], at: u32) -> Evaluated {
        let mut numbers = Vec::new();
        for argument in arguments {
            match self.value(argument)? {
                // The length of a list does not depend on what is in it.
                Value::List(items) if fold == Fold::Len => numbers.resize(numbers.len() + items.len(), 0.0),
                Value::List(items) => {
                    for item in items {
                        numbers.push(item.number(argument.at)?);
                    }
                }
                single => numbers.push(single.number(argument.at)?),
            }
        }
        match fold.of(&mut numbers) {
            Some(number) => finite(number, at),
            None => Ok(Value::Nil(Failure::Nothing { at })),
        }
    }

    fn each(&mut self, each: Each, list: &Node, body: &Node) -> Evaluated {
        let mut kept = Vec::new();
        let items = self.list(list)?;
        let total = items.len();
        for item in items {
            self.element = Some(item.clone());
            if each == Each::Map {
                kept.push(self.value(body)?);
            } else if self.condition(body)? {
                kept.push(item);
            }
        }
        self.element = None;
        Ok(match each {
            Each::Count => Value::Number(kept.len() as f64),
            Each::Any => Value::Condition(!kept.is_empty()),
            Each::All => Value::Condition(kept.len() == total),
            Each::None => Value::Condition(kept.is_empty()),
            Each::One => Value::Condition(kept.len() == 1),
            Each::Filter | Each::Map => Value::List(kept),
        })
    }
}

fn finite(number: f64, at: u32) -> Evaluated {
    if number.is_finite() { Ok(Value::Number(number)) } else { Err(Failure::NotFinite { at }) }
}

// === impl Value ===

impl Value {
    fn number(&self, at: u32) -> Result<f64, Failure> {
        match self {
            Self::Number(number) => Ok(*number),
            Self::Nil(why) => Err(*why),
            Self::Condition(_) | Self::List(_) => Err(Failure::Nothing { at }),
        }
    }

    fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(left), Self::Number(right)) => left == right,
            (Self::Condition(left), Self::Condition(right)) => left == right,
            (Self::Nil(_), Self::Nil(_)) => true,
            _ => false,
        }
    }
}

// === impl Rounding ===

impl Rounding {
    fn of(self, number: f64) -> f64 {
        match self {
            Self::Abs => number.abs(),
            Self::Ceil => number.ceil(),
            Self::Floor => number.floor(),
            Self::Round => number.round(),
            Self::Int => number.trunc(),
            Self::Float => number,
        }
    }
}

// === impl Fold ===

impl Fold {
    /// Of nothing only the sum and the length are known.
    fn of(self, numbers: &mut [f64]) -> Option<f64> {
        let count = numbers.len();
        match self {
            Self::Max => numbers.iter().copied().reduce(f64::max),
            Self::Min => numbers.iter().copied().reduce(f64::min),
            Self::Sum => Some(numbers.iter().sum()),
            Self::Mean => (count > 0).then(|| numbers.iter().sum::<f64>() / count as f64),
            Self::Median => {
                numbers.sort_unstable_by(f64::total_cmp);
                let upper = *numbers.get(count / 2)?;
                Some(if count % 2 == 1 { upper } else { (numbers[count / 2 - 1] + upper) / 2.0 })
            }
            Self::Len => Some(count as f64),
        }
    }
}
