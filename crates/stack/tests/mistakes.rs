//! Files with mistakes, each beside the whole report it must get: `mistakes/NAME.yaml` and `mistakes/NAME.txt`.

use std::fs;
use std::path::Path;

use plimsoll_stack::parse;

#[test]
fn every_mistake_is_reported_with_place_reason_and_hint() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mistakes");
    let mut names: Vec<String> = fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".yaml").map(str::to_owned))
        .collect();
    names.sort();
    assert!(names.len() > 20, "the files are missing");

    let mut wrong = Vec::new();
    for name in names {
        let file = format!("{name}.yaml");
        let source = fs::read(directory.join(&file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let expected = fs::read_to_string(directory.join(format!("{name}.txt"))).unwrap_or_default();
        let report = match parse(&file, &source) {
            Ok(_) => "accepted".to_owned(),
            Err(diagnostics) => diagnostics.to_string(),
        };
        if report.lines().any(|line| !line.contains(". hint: ")) {
            wrong.push(format!("--- {file}: a line says no hint\n{report}\n"));
        }
        if report != expected.trim_end() {
            wrong.push(format!("--- {file}: expected\n{expected}--- got\n{report}\n"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
