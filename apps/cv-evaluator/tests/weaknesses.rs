//! The table of weaknesses in the README is true: all forty are there, and each names a test that is named after it and runs, or
//! why it needs none.

use std::path::{Path, PathBuf};

/// The sources in which tests are looked for.
const SOURCES: [&str; 4] = ["apps/cv-evaluator", "apps/cv-scoring", "apps/kit", "crates/jobs"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All Rust files below a directory: path and text.
fn sources(directory: &Path, files: &mut Vec<(PathBuf, String)>) {
    for path in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push((path.clone(), std::fs::read_to_string(&path).unwrap()));
        }
    }
}

/// Why the test of this name would not run; None when it does.
fn idle(name: &str, files: &[(PathBuf, String)]) -> Option<String> {
    let start = format!("fn {name}(");
    let Some((path, before)) =
        files.iter().find_map(|(path, text)| text.split_once(&start).map(|(before, _)| (path, before)))
    else {
        return Some(format!("there is no function {name}"));
    };
    let above = before.rsplit_once('\n').map_or("", |(above, _)| above);
    let attributes: Vec<&str> =
        above.lines().rev().take_while(|line| line.trim_start().starts_with("#[")).collect();
    let is = |kind: &str| attributes.iter().any(|line| line.trim_start().starts_with(kind));
    if is("#[ignore") {
        // A script runs the ignored tests of this module, and `make test` runs the script.
        let module = path.file_stem().unwrap().to_str().unwrap();
        let script = std::fs::read_to_string(root().join("scripts").join(module)).unwrap_or_default();
        let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap();
        let runs = script.contains(&format!("-- --ignored {module}"))
            && makefile.contains(&format!("\tscripts/{module}\n"));
        return (!runs).then(|| format!("{name} is ignored, and nothing runs it all the same"));
    }
    // Either marked as a test, or listed where one is made of it for each database.
    let listed = files.iter().any(|(_, text)| text.contains(&format!("        {name},\n")));
    (!is("#[test]") && !is("#[tokio::test") && !listed).then(|| format!("{name} is not marked as a test"))
}

#[test]
fn every_weakness_has_its_test_or_a_reason() {
    let mut files = Vec::new();
    SOURCES.iter().for_each(|source| sources(&root().join(source), &mut files));
    let readme = include_str!("../README.md");
    for number in 1..=40 {
        let start = format!("| W{number} | ");
        let row =
            readme.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("no W{number}"));
        let proof = row.split('|').nth(3).unwrap().trim();
        match proof.strip_prefix('`').and_then(|proof| proof.strip_suffix('`')) {
            Some(name) => {
                let of_this = format!("w{number:02}_");
                let named = name.starts_with(&of_this) || name.contains(&format!("_{of_this}"));
                assert!(named, "W{number}: {name} is not named after it");
                assert_eq!(idle(name, &files), None, "W{number}");
            }
            None => assert!(proof.starts_with("not applicable: ") && proof.len() > 30, "W{number}: {proof}"),
        }
    }
}

#[test]
fn a_test_that_does_not_run_is_told() {
    let file = |text: &str| vec![(PathBuf::from("x/other.rs"), text.to_owned())];
    assert_eq!(idle("w01_a", &file("#[test]\nfn w01_a() {}")), None);
    assert_eq!(idle("w01_a", &file("#[tokio::test(start_paused = true)]\nasync fn w01_a() {}")), None);
    assert_eq!(idle("w01_a", &file("list! {\n        w01_a,\n}\npub async fn w01_a(f: F) {}")), None);
    for broken in [
        "#[test]\nfn w01_b() {}",
        "fn w01_a() {}",
        "#[test]\nfn w01_b() {}\nfn w01_a() {}",
        "#[test]\n#[ignore = \"slow\"]\nfn w01_a() {}",
    ] {
        assert!(idle("w01_a", &file(broken)).is_some(), "{broken}");
    }
}
