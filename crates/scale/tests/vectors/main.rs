//! Runs decision vectors: facts from the test tables of Kubernetes, restated as JSON.
//!
//! `cargo test -p plimsoll-scale vectors -- --nocapture` runs those that ship with the crate, and every `*.json` below
//! the directory that `PLIMSOLL_EXTRA_VECTORS` names.
#![expect(clippy::print_stdout, reason = "the runner reports passed and failed cases per file")]

mod behavior;
mod calculator;
mod cluster;
mod rightsize;
mod round;

use std::path::{Path, PathBuf};

use serde_json::Value;

/// What a runner says about one case: fine, or what differs.
type Verdict = Result<(), String>;

/// Finds the runner of a case; `None` when the case has no known form.
fn runner(case: &Value) -> Option<fn(&Value) -> Verdict> {
    let Some(function) = case.get("function").and_then(Value::as_str) else {
        let is_round = case.get("spec").is_some() && case.get("scale").is_some();
        return is_round.then_some(round::run);
    };
    calculator::runner(function)
        .or_else(|| behavior::runner(function))
        .or_else(|| rightsize::runner(function))
}

#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
}

/// Why a file was not run.
enum NotRun {
    /// It cannot be read, is no JSON, or holds no case. That is a failure: nothing silent may happen to a vector.
    Broken(String),
    /// It has another schema, as those of other parts of a collection have.
    OtherSchema(&'static str),
}

fn run_file(path: &Path) -> Result<Tally, NotRun> {
    let text = std::fs::read_to_string(path).map_err(|error| NotRun::Broken(error.to_string()))?;
    let file: Value = serde_json::from_str(&text).map_err(|error| NotRun::Broken(error.to_string()))?;
    let cases = match file.get("cases") {
        None if file.get("schema").is_some() => return Err(NotRun::Broken("no `cases`".into())),
        None => return Err(NotRun::OtherSchema("no `cases`")),
        Some(cases) => cases.as_array().ok_or_else(|| NotRun::Broken("`cases` is not a list".into()))?,
    };
    if cases.is_empty() {
        return Err(NotRun::Broken("`cases` is empty".into()));
    }
    if cases.iter().all(|case| runner(case).is_none()) {
        return Err(NotRun::OtherSchema("no case of a known form"));
    }
    let mut tally = Tally::default();
    for case in cases {
        let verdict = match runner(case) {
            Some(run) => std::panic::catch_unwind(|| run(case)).unwrap_or_else(|_| Err("panicked".into())),
            None => Err(format!("unknown function {}", case["function"])),
        };
        match verdict {
            Ok(()) => tally.passed += 1,
            Err(difference) => {
                tally.failed += 1;
                println!("  {}/{}: {difference}", text_of(&case["group"]), text_of(&case["name"]));
            }
        }
    }
    Ok(tally)
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut entries: Vec<_> = std::fs::read_dir(directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.expect("readable directory").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            found.extend(files_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
    found
}

/// What came of a whole directory.
#[derive(Default)]
struct Outcome {
    passed: usize,
    failed: usize,
    broken: usize,
    other: usize,
}

fn run_directory(directory: &Path) -> Outcome {
    let mut sum = Outcome::default();
    for path in files_below(directory) {
        match run_file(&path) {
            Ok(tally) => {
                println!("{}: {} passed, {} failed", path.display(), tally.passed, tally.failed);
                sum.passed += tally.passed;
                sum.failed += tally.failed;
            }
            Err(NotRun::Broken(reason)) => {
                sum.broken += 1;
                println!("{}: 0 passed, 1 failed: {reason}", path.display());
            }
            Err(NotRun::OtherSchema(reason)) => {
                sum.other += 1;
                println!("{}: not run, unknown schema: {reason}", path.display());
            }
        }
    }
    sum
}

#[test]
fn vectors_that_ship_all_pass() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let Outcome { passed, failed, broken, other } = run_directory(&directory);
    assert_eq!((failed, broken, other), (0, 0, 0), "failed, broken and unknown");
    assert!(passed >= 266, "only {passed} cases were found");
}

#[test]
fn vectors_from_outside_all_pass() {
    let Some(directory) = std::env::var_os("PLIMSOLL_EXTRA_VECTORS") else {
        println!("PLIMSOLL_EXTRA_VECTORS is not set: no extra vectors");
        return;
    };
    // Tests run in the directory of the crate; a relative path is meant from the root of the repository.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let outcome = run_directory(&root.join(&directory));
    assert_eq!((outcome.failed, outcome.broken), (0, 0), "failed cases and broken files");
    assert!(outcome.passed > 0, "no vector was found below {}", Path::new(&directory).display());
}
