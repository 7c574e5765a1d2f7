//! The language of `formula`: what KEDA's documentation shows, what is refused and where, and that nothing breaks it.

use plimsoll_scale::formula::{Failure, Formula, MAX_BYTES, MAX_HEIGHT, Trouble};
use proptest::prelude::*;

const NAMES: [&str; 4] = ["a", "b", "lost", "max"];

fn outcome(text: &str) -> (Result<f64, Failure>, Vec<usize>) {
    let formula = Formula::compile(text, &NAMES).unwrap_or_else(|error| panic!("{text}: {error}"));
    let outcome = formula.evaluate(&[Some(3.0), Some(10.0), None, Some(7.0)]);
    (outcome.value, outcome.missed)
}

fn value(text: &str) -> f64 {
    let (value, missed) = outcome(text);
    assert_eq!(missed, [], "{text}");
    value.unwrap_or_else(|failure| panic!("{text}: {failure:?}"))
}

fn refused(text: &str) -> String {
    match Formula::compile(text, &NAMES) {
        Ok(_) => panic!("{text} was accepted"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn examples_of_the_documentation_of_keda_work() {
    let names = ["trig_one", "trig_two", "trig_three"];
    let of = |text: &str, values: [f64; 3]| {
        let formula = Formula::compile(text, &names).unwrap_or_else(|error| panic!("{text}: {error}"));
        formula.evaluate(&values.map(Some)).value.unwrap_or_else(|failure| panic!("{text}: {failure:?}"))
    };
    assert_eq!(of("(trig_one + trig_two)/2", [4.0, 7.0, 0.0]), 5.5);
    assert_eq!(of("trig_one > 2 ? trig_one + trig_two : 1", [3.0, 4.0, 0.0]), 7.0);
    assert_eq!(of("trig_one > 2 ? trig_one + trig_two : 1", [2.0, 4.0, 0.0]), 1.0);
    let count = "count([trig_one,trig_two,trig_three],{#>1}) > 1 ? 5 : 0";
    assert_eq!(of(count, [2.0, 0.0, 3.0]), 5.0);
    assert_eq!(of(count, [2.0, 1.0, 0.0]), 0.0);
    let nested = "trig_one < 2 ? trig_one+trig_two >= 2 ? 5 : 10 : 0";
    assert_eq!(of(nested, [1.0, 1.0, 0.0]), 5.0);
    assert_eq!(of(nested, [1.0, 0.5, 0.0]), 10.0);
    assert_eq!(of(nested, [2.0, 9.0, 0.0]), 0.0);
}

#[test]
fn operators_bind_as_in_the_language_it_is_a_part_of() {
    let cases = [
        ("2 + 3 * 4", 14.0),
        ("(2 + 3) * 4", 20.0),
        ("2 ** 3 ** 2", 512.0),
        ("2 ^ 10", 1024.0),
        ("-2 ** 2", -4.0),
        ("10 - 4 - 3", 3.0),
        ("7 % 4 * 2", 6.0),
        ("a ?? 1 + 1", 4.0),
        ("not (a > b) and !false ? 1 : 0", 1.0),
        ("a == 3 or 1 / 0 > 1 ? 1 : 0", 1.0),
        ("a > 5 && 1 / 0 > 1 ? 1 : 0", 0.0),
        ("1_000.5e-1 + .5", 100.55),
        ("a /* the first */ + // and\n b", 13.0),
        ("+a - -b", 13.0),
        ("a != 3 ? 1 : a < b ? 2 : 3", 2.0),
        ("true == (a < b) ? 1 : 0", 1.0),
    ];
    for (text, expected) in cases {
        assert_eq!(value(text), expected, "{text}");
    }
}

#[test]
fn functions_take_numbers_and_lists() {
    let cases = [
        ("max(a, b, 4)", 10.0),
        ("min([a, b], 4)", 3.0),
        ("sum([a, b,])", 13.0),
        ("mean([a, b]) + avg(1, 3)", 8.5),
        ("median([5, 1, 9]) + median(1, 2)", 6.5),
        ("abs(-2.5) + ceil(1.2) + floor(1.8) + round(2.5)", 8.5),
        ("int(-1.9) + float(2)", 1.0),
        ("len([a, lost, b])", 3.0),
        ("count(filter([a, b, 4], # > 3), {# < 10})", 1.0),
        ("sum(map([a, b], {# * 2}))", 26.0),
        ("any([a, b], # > 5) and one([a, b], # > 5) and none([a], # > 5) and all([b], # > 5) ? 1 : 0", 1.0),
        ("sum([]) + len([])", 0.0),
        ("max(filter([a, b], # > 99)) ?? 8", 8.0),
        // A signal may have the name of a function.
        ("max + max(max, 2)", 14.0),
    ];
    for (text, expected) in cases {
        let (value, _) = outcome(text);
        assert_eq!(value, Ok(expected), "{text}");
    }
}

#[test]
fn signal_without_a_value_is_no_zero() {
    let missing = Err(Failure::Missing { signal: 2 });
    for text in ["lost", "lost + a", "max(a, lost)", "lost > 1 ? 1 : 2", "count([a, lost], # > 1)", "-lost"] {
        assert_eq!(outcome(text), (missing, vec![2]), "{text}");
    }
    // What did without it says so; what never looked at it does not.
    assert_eq!(outcome("lost ?? a"), (Ok(3.0), vec![2]));
    assert_eq!(outcome("lost == nil ? b : lost"), (Ok(10.0), vec![2]));
    assert_eq!(outcome("count([a, lost], (# ?? 0) > 1)"), (Ok(1.0), vec![2]));
    assert_eq!(outcome("a > 1 ? b : lost"), (Ok(10.0), vec![]));
    let text = "max(a, b)";
    let formula = Formula::compile(text, &NAMES).unwrap();
    assert_eq!(formula.evaluate(&[Some(f64::NAN), Some(1.0)]).value, Err(Failure::Missing { signal: 0 }));
    assert_eq!(formula.evaluate(&[]).value, Err(Failure::Missing { signal: 0 }));
}

#[test]
fn what_is_not_finite_decides_nothing() {
    for (text, at) in [("1 / 0", 3), ("a % (b - b)", 3), ("10 ** 999", 4), ("0 / 0 > 1 ? 5 : 0", 3)] {
        assert_eq!(outcome(text).0, Err(Failure::NotFinite { at }), "{text}");
    }
    assert_eq!(outcome("nil ?? nil ?? max([])").0, Err(Failure::Nothing { at: 15 }));
}

#[test]
fn mistakes_are_told_with_their_place() {
    let cases = [
        ("", "nothing is written (character 1)"),
        (" // a", "nothing is written (character 6)"),
        ("a +", "a value is expected, not the end (character 4)"),
        ("a b", "an operator or the end is expected, not `b` (character 3)"),
        ("(a", "`)` is expected, not the end (character 3)"),
        ("a ? b", "`:` and the other choice is expected, not the end (character 6)"),
        ("a = 3", "'=' has no meaning here (character 3)"),
        ("a | b", "'|' has no meaning here (character 3)"),
        ("\"text\"", "'\"' has no meaning here (character 1)"),
        ("2x", "`2x` is no number (character 1)"),
        ("1.2.3", "`1.2.3` is no number (character 1)"),
        ("a + c", "`c` is no signal (character 5)"),
        ("sqrt(a)", "`sqrt` is no function (character 1)"),
        ("min", "`min` is a function and needs its arguments (character 1)"),
        ("abs(a, b)", "`abs` takes one number (character 1)"),
        ("min()", "`min` takes numbers or lists, at least one (character 1)"),
        ("a > 1", "the formula as a whole takes a number, not a condition (character 3)"),
        ("[a, b]", "the formula as a whole takes a number, not a list (character 1)"),
        ("nil", "the formula as a whole takes a number, not nothing (character 1)"),
        ("1 < a < 5 ? 1 : 0", "`<` takes a number, not a condition (character 3)"),
        ("a ? 1 : 0", "`?` takes a condition, not a number (character 1)"),
        ("a ? 1 : 0 and b", "`and` takes a condition, not a number (character 9)"),
        (
            "a > 1 ? 1 : a > 2",
            "`? :` takes two values of one kind, not a number and a condition (character 7)",
        ),
        (
            "a == true ? 1 : 0",
            "`==` takes two values of one kind, not a number and a condition (character 3)",
        ),
        ("[a] == [b] ? 1 : 0", "`==` takes a number, not a list (character 1)"),
        ("[[a], b]", "a list takes a number, not a list (character 2)"),
        ("#", "`#` stands for an element of a list and has none here (character 1)"),
        ("count(a, # > 1)", "`count` takes a list, not a number (character 7)"),
        ("count([a], #)", "the predicate of `count` takes a condition, not a number (character 12)"),
        ("count([a], any([b], # > 1))", "a predicate inside a predicate is not understood (character 12)"),
        ("a in [1] ? 1 : 0", "`in` and text are not understood (character 3)"),
        ("let x = 1; x", "'=' has no meaning here (character 7)"),
    ];
    for (text, expected) in cases {
        assert_eq!(refused(text), expected, "{text}");
    }
}

#[test]
fn length_and_height_are_bounded() {
    let trouble = |text: &str| Formula::compile(text, &NAMES).map(|_| ()).unwrap_err().trouble;
    assert_eq!(trouble(&"a+".repeat(MAX_BYTES)), Trouble::TooLong);
    for (open, close) in [("(", ")"), ("-", ""), ("[", "]"), ("abs(", ")"), ("a>1?1:", ""), ("a??", "")] {
        let deep = |levels: usize| format!("{}a{}", open.repeat(levels), close.repeat(levels));
        assert_eq!(trouble(&deep(usize::from(MAX_HEIGHT) + 1)), Trouble::TooDeep, "{open}");
    }
    assert_eq!(trouble(&format!("a{}", "+a".repeat(100))), Trouble::TooDeep);
    // Flat and long is fine.
    let long = format!("sum([{}])", vec!["a"; 900].join(","));
    assert_eq!(value(&long), 2700.0);
}

/// Pieces of the language, put together at random: some of it is well formed, most of it nearly so.
fn piece() -> impl Strategy<Value = String> {
    let words = "a|b|lost|nil|true|false|#|1|2.5|0|1e9|\\+|-|\\*|/|%|\\*\\*|\\?\\?|==|!=|<|<=|>|>=|and|or|not|\\?|:|\
                 \\(|\\)|\\[|\\]|\\{|\\}|,|max\\(|count\\(|sum\\(|filter\\(|abs\\(|map\\(";
    prop_oneof![9 => words, 1 => "\\PC{0,2}"]
}

/// A well-formed number of signals and constants.
fn number() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![Just("a"), Just("b"), Just("lost"), Just("0"), Just("7.5"), Just("1e300")];
    leaf.prop_map(str::to_owned).prop_recursive(5, 40, 3, |inner| {
        let two = (inner.clone(), inner.clone());
        prop_oneof![
            (two.clone(), "[-+*/%^]").prop_map(|((l, r), sign)| format!("({l} {sign} {r})")),
            two.clone().prop_map(|(l, r)| format!("({l} ?? {r})")),
            two.clone().prop_map(|(l, r)| format!("max({l}, {r})")),
            (two, inner.clone()).prop_map(|((l, r), other)| format!("({l} > {r} ? {other} : {l})")),
            proptest::collection::vec(inner, 0..4)
                .prop_map(|items| format!("count([{}], {{# >= 1}})", items.join(", "))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_text_panics(pieces in proptest::collection::vec(piece(), 0..40), glue in " ?", text in "\\PC{0,60}") {
        for text in [pieces.join(&glue), text] {
            if let Ok(formula) = Formula::compile(&text, &NAMES) {
                let _ = formula.evaluate(&[Some(1.0), Some(-2.0), None, Some(f64::MAX)]);
            }
        }
    }

    #[test]
    fn every_value_is_finite_and_the_same_again(
        text in number(),
        values in proptest::collection::vec(proptest::option::of(any::<f64>()), 4),
    ) {
        let formula = Formula::compile(&text, &NAMES);
        prop_assume!(!matches!(&formula, Err(error) if matches!(error.trouble, Trouble::TooDeep | Trouble::TooLong)));
        let formula = formula.unwrap_or_else(|error| panic!("{text}: {error}"));
        let outcome = formula.evaluate(&values);
        prop_assert!(outcome.value.is_err() || outcome.value.is_ok_and(f64::is_finite));
        prop_assert_eq!(&outcome, &formula.evaluate(&values));
        // A signal that was needed was also missed.
        if let Err(Failure::Missing { signal }) = outcome.value {
            prop_assert!(outcome.missed.contains(&signal));
        }
        prop_assert!(outcome.missed.iter().all(|&signal| formula.uses(signal)));
    }
}
