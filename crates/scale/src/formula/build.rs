//! From words and signs to operations, by precedence.

use super::check;
use super::token::{Lexeme, Token};
use super::{Binary, Each, Fold, FormulaError, Kind, MAX_HEIGHT, Node, Rounding, Trouble, What};

/// Reads from left to right.
pub(super) struct Builder<'a, S> {
    tokens: std::vec::IntoIter<Token>,
    next: Token,
    names: &'a [S],
    /// Which names were met.
    pub(super) used: Vec<bool>,
    /// How many open operations surround the place.
    depth: u8,
    /// Inside a predicate.
    each: bool,
}

/// What binds how tightly, as in `expr-lang`; powers are read from the right.
const BINARY: [(&str, Binary, u8); 19] = [
    ("or", Binary::Or, 10),
    ("||", Binary::Or, 10),
    ("and", Binary::And, 15),
    ("&&", Binary::And, 15),
    ("==", Binary::Equal, 20),
    ("!=", Binary::Unequal, 20),
    ("<", Binary::Less, 20),
    ("<=", Binary::LessOrEqual, 20),
    (">", Binary::Greater, 20),
    (">=", Binary::GreaterOrEqual, 20),
    ("+", Binary::Add, 30),
    ("-", Binary::Subtract, 30),
    ("*", Binary::Multiply, 60),
    ("/", Binary::Divide, 60),
    ("%", Binary::Remainder, 60),
    ("**", Binary::Power, 100),
    ("^", Binary::Power, 100),
    ("??", Binary::Otherwise, 200),
    // A word of the language that would else be taken for a missing operator.
    ("in", Binary::Otherwise, 0),
];
const NOT: u8 = 50;
const NEGATIVE: u8 = 90;

/// A function by its name.
#[derive(Clone, Copy)]
enum Function {
    Rounded(Rounding),
    Folded(Fold),
    Each(Each),
}

const FUNCTIONS: [(&str, Function); 20] = [
    ("abs", Function::Rounded(Rounding::Abs)),
    ("ceil", Function::Rounded(Rounding::Ceil)),
    ("floor", Function::Rounded(Rounding::Floor)),
    ("round", Function::Rounded(Rounding::Round)),
    ("int", Function::Rounded(Rounding::Int)),
    ("float", Function::Rounded(Rounding::Float)),
    ("max", Function::Folded(Fold::Max)),
    ("min", Function::Folded(Fold::Min)),
    ("sum", Function::Folded(Fold::Sum)),
    ("mean", Function::Folded(Fold::Mean)),
    ("avg", Function::Folded(Fold::Mean)),
    ("median", Function::Folded(Fold::Median)),
    ("len", Function::Folded(Fold::Len)),
    ("count", Function::Each(Each::Count)),
    ("any", Function::Each(Each::Any)),
    ("all", Function::Each(Each::All)),
    ("none", Function::Each(Each::None)),
    ("one", Function::Each(Each::One)),
    ("filter", Function::Each(Each::Filter)),
    ("map", Function::Each(Each::Map)),
];

// === impl Builder ===

impl<'a, S: AsRef<str>> Builder<'a, S> {
    pub(super) fn new(tokens: Vec<Token>, names: &'a [S]) -> Self {
        let mut tokens = tokens.into_iter();
        let next = tokens.next().unwrap_or(Token { at: 1, what: Lexeme::End });
        Self { tokens, next, names, used: vec![false; names.len()], depth: 0, each: false }
    }

    /// The whole text, a number.
    pub(super) fn whole(&mut self) -> Result<Node, FormulaError> {
        if self.next.what == Lexeme::End {
            return Err(self.wrong(Trouble::Empty));
        }
        let root = self.expression(0)?;
        if self.next.what != Lexeme::End {
            return Err(self.expected("an operator or the end"));
        }
        check::fits(&root, Kind::Number, "the formula as a whole")?;
        if root.kind == Kind::Nothing {
            return Err(check::misfit("the formula as a whole", Kind::Number, &root));
        }
        Ok(root)
    }

    /// Operators that bind at least as tightly as `least`.
    fn expression(&mut self, least: u8) -> Result<Node, FormulaError> {
        if self.depth >= MAX_HEIGHT {
            return Err(self.wrong(Trouble::TooDeep));
        }
        self.depth += 1;
        let mut left = self.operand()?;
        while let Some((sign, operator, binds)) = self.operator(least)? {
            let at = self.take().at;
            let right = self.expression(if operator == Binary::Power { binds } else { binds + 1 })?;
            left = check::binary(sign, operator, left, right, at)?;
        }
        if least == 0 && self.is("?") {
            left = self.choice(left)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    fn operator(&self, least: u8) -> Result<Option<(&'static str, Binary, u8)>, FormulaError> {
        let text = match &self.next.what {
            Lexeme::Sign(sign) => sign,
            Lexeme::Word(word) => word.as_str(),
            _ => return Ok(None),
        };
        let found = BINARY.into_iter().find(|(sign, _, _)| *sign == text);
        if found.is_some_and(|(_, _, binds)| binds == 0) {
            return Err(self.wrong(Trouble::LeftOut("`in` and text")));
        }
        Ok(found.filter(|(_, _, binds)| *binds >= least))
    }

    fn choice(&mut self, condition: Node) -> Result<Node, FormulaError> {
        let at = self.take().at;
        let yes = self.expression(0)?;
        self.sign(":", "`:` and the other choice")?;
        let no = self.expression(0)?;
        check::choice(condition, yes, no, at)
    }

    /// One value, with the sign or `not` before it.
    fn operand(&mut self) -> Result<Node, FormulaError> {
        let at = self.next.at;
        let prefix = match &self.next.what {
            Lexeme::Sign("!") => Some(("!", NOT)),
            Lexeme::Word(word) if word == "not" => Some(("not", NOT)),
            Lexeme::Sign("-") => Some(("-", NEGATIVE)),
            Lexeme::Sign("+") => Some(("+", NEGATIVE)),
            _ => None,
        };
        if let Some((sign, binds)) = prefix {
            self.take();
            let inner = self.expression(binds)?;
            return check::prefix(sign, inner, at);
        }
        let Token { what, .. } = self.take();
        let node = |what, kind| Ok(Node { what, kind, at, height: 0 });
        match what {
            Lexeme::Number(number) => node(What::Number(number), Kind::Number),
            Lexeme::Word(word) => match word.as_str() {
                "true" => node(What::Condition(true), Kind::Condition),
                "false" => node(What::Condition(false), Kind::Condition),
                "nil" => node(What::Nil, Kind::Nothing),
                "let" => Err(FormulaError { at, trouble: Trouble::LeftOut("variables") }),
                _ => self.named(word, at),
            },
            Lexeme::Sign("#") if self.each => node(What::Element, Kind::Number),
            Lexeme::Sign("#") => Err(FormulaError { at, trouble: Trouble::Element }),
            Lexeme::Sign("(") => {
                let inner = self.expression(0)?;
                self.sign(")", "`)`")?;
                Ok(inner)
            }
            Lexeme::Sign("[") => {
                let items = self.arguments("]", "`,` or `]`")?;
                check::list(items, at)
            }
            other => {
                let trouble = Trouble::Expected { wanted: "a value", found: other.describe() };
                Err(FormulaError { at, trouble })
            }
        }
    }

    /// A signal or a call.
    fn named(&mut self, word: String, at: u32) -> Result<Node, FormulaError> {
        let function = FUNCTIONS.iter().find(|(name, _)| *name == word).map(|(_, function)| *function);
        if !self.is("(") {
            // A signal may have the name of a function.
            if let Some(signal) = self.names.iter().position(|name| name.as_ref() == word) {
                self.used[signal] = true;
                return Ok(Node { what: What::Signal(signal), kind: Kind::Number, at, height: 0 });
            }
            let trouble = if function.is_some() { Trouble::Bare(word) } else { Trouble::Signal(word) };
            return Err(FormulaError { at, trouble });
        }
        let Some(function) = function else {
            return Err(FormulaError { at, trouble: Trouble::Function(word) });
        };
        self.take();
        match function {
            Function::Rounded(rounding) => {
                let arguments = self.arguments(")", "`,` or `)`")?;
                check::rounded(&word, rounding, arguments, at)
            }
            Function::Folded(fold) => {
                let arguments = self.arguments(")", "`,` or `)`")?;
                check::folded(&word, fold, arguments, at)
            }
            Function::Each(each) => self.each(&word, each, at),
        }
    }

    /// A list and a predicate, which may stand in braces.
    fn each(&mut self, word: &str, each: Each, at: u32) -> Result<Node, FormulaError> {
        if self.each {
            return Err(FormulaError { at, trouble: Trouble::Nested });
        }
        let list = self.expression(0)?;
        self.sign(",", "`,` and a predicate such as `{# > 1}`")?;
        let braces = self.is("{");
        if braces {
            self.take();
        }
        self.each = true;
        let body = self.expression(0)?;
        self.each = false;
        if braces {
            self.sign("}", "`}`")?;
        }
        self.sign(")", "`)`")?;
        check::each(word, each, list, body, at)
    }

    /// Values between commas up to a closing sign; a comma may stand before it.
    fn arguments(&mut self, close: &'static str, wanted: &'static str) -> Result<Vec<Node>, FormulaError> {
        let mut items = Vec::new();
        while !self.is(close) {
            items.push(self.expression(0)?);
            if !self.is(close) {
                self.sign(",", wanted)?;
            }
        }
        self.take();
        Ok(items)
    }

    fn is(&self, sign: &str) -> bool {
        matches!(self.next.what, Lexeme::Sign(next) if next == sign)
    }

    fn sign(&mut self, sign: &str, wanted: &'static str) -> Result<(), FormulaError> {
        if !self.is(sign) {
            return Err(self.expected(wanted));
        }
        self.take();
        Ok(())
    }

    fn take(&mut self) -> Token {
        let end = Token { at: self.next.at, what: Lexeme::End };
        let next = self.tokens.next().unwrap_or(end);
        std::mem::replace(&mut self.next, next)
    }

    fn expected(&self, wanted: &'static str) -> FormulaError {
        self.wrong(Trouble::Expected { wanted, found: self.next.what.describe() })
    }

    fn wrong(&self, trouble: Trouble) -> FormulaError {
        FormulaError { at: self.next.at, trouble }
    }
}
