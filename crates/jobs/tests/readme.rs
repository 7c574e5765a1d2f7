//! Each promise in the README names tests: they must be there.

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

#[test]
fn every_promise_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    sources(&root.join("tests"), &mut files);
    let code: String = files.iter().map(|f| std::fs::read_to_string(f).unwrap()).collect();
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let (mut promises, mut absent) = (0, Vec::new());
    for line in readme.lines().filter(|l| l.starts_with("| ") && !l.starts_with("| promise")) {
        let tests = line.trim_end_matches('|').rsplit_once('|').unwrap().1;
        // Names of tests are sentences; what else is quoted is not.
        let named: Vec<_> =
            tests.split('`').skip(1).step_by(2).filter(|name| name.matches('_').count() > 2).collect();
        assert!(!named.is_empty(), "no test for: {line}");
        promises += 1;
        absent.extend(named.into_iter().filter(|name| !code.contains(&format!("fn {name}("))));
    }
    assert!(promises > 15, "{promises} promises");
    assert_eq!(absent, Vec::<&str>::new());
}
