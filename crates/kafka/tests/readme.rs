//! Each promise and each feature in the README names tests and settings: they must be there.

use std::path::{Path, PathBuf};

/// Every file of this crate's programs and tests.
fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// What is quoted in code's type.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_promise_and_feature_names_what_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    sources(&root.join("tests"), &mut files);
    let code: String = files.iter().map(|f| std::fs::read_to_string(f).unwrap()).collect();
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let (mut rows, mut absent, mut table) = (0, Vec::new(), "");
    for line in readme.lines() {
        table = match line {
            "| promise | test |" | "| feature | setting | test |" => line,
            _ if line.starts_with('|') => table,
            _ => "",
        };
        if table.is_empty() || line == table || line.starts_with("|-") {
            continue;
        }
        rows += 1;
        let tests = line.trim_end_matches('|').rsplit_once('|').unwrap().1;
        // Names of tests are sentences; one that ends in dots stands for several.
        let named: Vec<_> = quoted(tests).filter(|name| name.matches('_').count() > 2).collect();
        assert!(!named.is_empty(), "no test for: {line}");
        absent.extend(named.into_iter().filter(|name| match name.strip_suffix('…') {
            Some(beginning) => !code.contains(&format!("fn {beginning}")),
            None => !code.contains(&format!("fn {name}(")),
        }));
    }
    absent.extend(
        quoted(&readme)
            .filter(|text| text.starts_with("KAFKA_") && !text.contains('='))
            .filter(|setting| !code.contains(&format!("env = \"{setting}\""))),
    );
    assert!(rows > 25, "{rows} promises and features");
    assert_eq!(absent, Vec::<&str>::new());
}
