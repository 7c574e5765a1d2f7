//! The table of weaknesses in the README is true: all forty are there, and each names a test that exists or why it needs none.

use std::path::Path;

/// The sources in which tests are looked for.
const SOURCES: [&str; 4] = ["apps/cv-evaluator", "apps/cv-scoring", "apps/kit", "crates/jobs"];

fn sources(directory: &Path, text: &mut String) {
    for entry in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            sources(&entry, text);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&std::fs::read_to_string(entry).unwrap());
        }
    }
}

#[test]
fn every_weakness_has_its_test_or_a_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut tests = String::new();
    SOURCES.iter().for_each(|source| sources(&root.join(source), &mut tests));
    let readme = include_str!("../README.md");
    for number in 1..=40 {
        let start = format!("| W{number} | ");
        let row =
            readme.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("no W{number}"));
        let proof = row.split('|').nth(3).unwrap().trim();
        match proof.strip_prefix('`').and_then(|proof| proof.strip_suffix('`')) {
            Some(name) => {
                assert!(tests.contains(&format!("fn {name}(")), "W{number}: there is no test {name}")
            }
            None => assert!(proof.starts_with("not applicable: ") && proof.len() > 30, "W{number}: {proof}"),
        }
    }
}
