//! Puts operations together, when the kinds of their parts fit and they do not grow too high.

use super::{Binary, Each, Fold, FormulaError, Kind, MAX_HEIGHT, Node, Rounding, Trouble, What};

type Checked = Result<Node, FormulaError>;

/// That a value is of a kind; `nil` may stand for any and is found out at the time.
pub(super) fn fits(node: &Node, wanted: Kind, whom: &str) -> Result<(), FormulaError> {
    if node.kind == wanted || node.kind == Kind::Nothing { Ok(()) } else { Err(misfit(whom, wanted, node)) }
}

pub(super) fn misfit(whom: &str, wanted: Kind, node: &Node) -> FormulaError {
    let trouble =
        Trouble::Kind { whom: whom.to_owned(), wanted: wanted.article(), found: node.kind.article() };
    FormulaError { at: node.at, trouble }
}

/// The kind of two values of which either may come out.
fn common(whom: &str, left: &Node, right: &Node, at: u32) -> Result<Kind, FormulaError> {
    match (left.kind, right.kind) {
        (Kind::Nothing, kind) | (kind, Kind::Nothing) => Ok(kind),
        (left, right) if left == right => Ok(left),
        (left, right) => {
            let (left, right) = (left.article(), right.article());
            Err(FormulaError { at, trouble: Trouble::Unlike { whom: whom.to_owned(), left, right } })
        }
    }
}

fn node(what: What, kind: Kind, at: u32, highest: u8) -> Checked {
    if highest >= MAX_HEIGHT {
        return Err(FormulaError { at, trouble: Trouble::TooDeep });
    }
    Ok(Node { what, kind, at, height: highest + 1 })
}

fn highest(nodes: &[Node]) -> u8 {
    nodes.iter().map(|node| node.height).max().unwrap_or(0)
}

pub(super) fn binary(sign: &str, operator: Binary, left: Node, right: Node, at: u32) -> Checked {
    let whom = format!("`{sign}`");
    let kind = match operator {
        Binary::Or | Binary::And => {
            fits(&left, Kind::Condition, &whom)?;
            fits(&right, Kind::Condition, &whom)?;
            Kind::Condition
        }
        Binary::Equal | Binary::Unequal => {
            if common(&whom, &left, &right, at)? == Kind::List {
                return Err(misfit(&whom, Kind::Number, &left));
            }
            Kind::Condition
        }
        Binary::Otherwise => common(&whom, &left, &right, at)?,
        _ => {
            fits(&left, Kind::Number, &whom)?;
            fits(&right, Kind::Number, &whom)?;
            if operator.compares() { Kind::Condition } else { Kind::Number }
        }
    };
    let highest = left.height.max(right.height);
    node(What::Binary(operator, Box::new(left), Box::new(right)), kind, at, highest)
}

pub(super) fn prefix(sign: &str, inner: Node, at: u32) -> Checked {
    let whom = format!("`{sign}`");
    let height = inner.height;
    match sign {
        "-" => {
            fits(&inner, Kind::Number, &whom)?;
            node(What::Negative(Box::new(inner)), Kind::Number, at, height)
        }
        "+" => {
            fits(&inner, Kind::Number, &whom)?;
            Ok(inner)
        }
        _ => {
            fits(&inner, Kind::Condition, &whom)?;
            node(What::Not(Box::new(inner)), Kind::Condition, at, height)
        }
    }
}

pub(super) fn choice(condition: Node, yes: Node, no: Node, at: u32) -> Checked {
    fits(&condition, Kind::Condition, "`?`")?;
    let kind = common("`? :`", &yes, &no, at)?;
    let parts = [condition, yes, no];
    let highest = highest(&parts);
    node(What::Choice(Box::new(parts)), kind, at, highest)
}

pub(super) fn list(items: Vec<Node>, at: u32) -> Checked {
    for item in &items {
        fits(item, Kind::Number, "a list")?;
    }
    let highest = highest(&items);
    node(What::List(items), Kind::List, at, highest)
}

pub(super) fn rounded(word: &str, rounding: Rounding, arguments: Vec<Node>, at: u32) -> Checked {
    let Ok([inner]) = <[Node; 1]>::try_from(arguments) else {
        let trouble = Trouble::Arguments { function: word.to_owned(), wanted: "one number" };
        return Err(FormulaError { at, trouble });
    };
    fits(&inner, Kind::Number, &format!("`{word}`"))?;
    let height = inner.height;
    node(What::Rounded(rounding, Box::new(inner)), Kind::Number, at, height)
}

pub(super) fn folded(word: &str, fold: Fold, arguments: Vec<Node>, at: u32) -> Checked {
    if arguments.is_empty() {
        let trouble =
            Trouble::Arguments { function: word.to_owned(), wanted: "numbers or lists, at least one" };
        return Err(FormulaError { at, trouble });
    }
    for argument in arguments.iter().filter(|argument| argument.kind != Kind::List) {
        fits(argument, Kind::Number, &format!("`{word}`"))?;
    }
    let highest = highest(&arguments);
    node(What::Folded(fold, arguments), Kind::Number, at, highest)
}

pub(super) fn each(word: &str, each: Each, list: Node, body: Node, at: u32) -> Checked {
    let whom = format!("`{word}`");
    fits(&list, Kind::List, &whom)?;
    let wanted = if each == Each::Map { Kind::Number } else { Kind::Condition };
    fits(&body, wanted, &format!("the predicate of {whom}"))?;
    let kind = match each {
        Each::Count => Kind::Number,
        Each::Filter | Each::Map => Kind::List,
        Each::Any | Each::All | Each::None | Each::One => Kind::Condition,
    };
    let highest = list.height.max(body.height);
    node(What::Each(each, Box::new(list), Box::new(body)), kind, at, highest)
}

// === impl Kind ===

impl Kind {
    fn article(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Condition => "a condition",
            Self::List => "a list",
            Self::Nothing => "nothing",
        }
    }
}

// === impl Binary ===

impl Binary {
    fn compares(self) -> bool {
        matches!(self, Self::Less | Self::LessOrEqual | Self::Greater | Self::GreaterOrEqual)
    }
}
