//! Imported files, each beside the whole result it must give: `import/NAME.yaml` and `import/NAME.txt`.

use std::fs;
use std::path::Path;

use plimsoll_stack::{Imported, import, parse};
use proptest::prelude::*;

/// The fragment as part of a stack file: services that only scale get a program and what a percentage needs.
fn embedded(imported: &Imported) -> String {
    if imported.is_stack {
        return imported.stack_yaml_fragment.clone();
    }
    let mut source = String::from("name: imported\n");
    for line in imported.stack_yaml_fragment.lines() {
        source.push_str(line);
        source.push('\n');
        if line.starts_with("  ") && !line.starts_with("   ") {
            source.push_str("    command: [x]\n    resources: { cpu: 1, memory: 1Gi }\n");
        }
    }
    source
}

fn result(file: &str, source: &[u8]) -> String {
    match import(file, source) {
        Err(diagnostics) => format!("refused\n{diagnostics}\n"),
        Ok(imported) => {
            if let Err(mistakes) = parse("fragment", embedded(&imported).as_bytes()) {
                panic!("{file} became\n{}\n{mistakes}", embedded(&imported));
            }
            format!("{}\nnotes\n{}\n", imported.stack_yaml_fragment, imported.report())
        }
    }
}

fn files() -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import");
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".yaml"))
        .map(|name| (name.clone(), fs::read(directory.join(name)).unwrap_or_default()))
        .collect();
    files.sort();
    files
}

#[test]
fn every_import_gives_its_fragment_and_its_notes() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import");
    let mut wrong = Vec::new();
    let files = files();
    assert!(files.len() >= 11, "the files are missing");
    for (file, source) in files {
        let expected = directory.join(file.replace(".yaml", ".txt"));
        let expected = fs::read_to_string(&expected).unwrap_or_default();
        let got = result(&file, &source);
        if got != expected {
            wrong.push(format!("--- {file}: expected\n{expected}--- got\n{got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

proptest! {
    #[test]
    fn damaged_files_are_imported_whole_or_refused(
        which in 0usize..15,
        cuts in proptest::collection::vec((0usize..2500, 0usize..30, "\\PC{0,6}|[-:\\[\\]{}&*$\n ]{0,6}"), 1..5),
    ) {
        let (file, mut source) = files().swap_remove(which);
        for (at, remove, insert) in cuts {
            let at = at.min(source.len());
            let end = (at + remove).min(source.len());
            source.splice(at..end, insert.bytes());
        }
        // `result` panics when what comes out is not a stack file.
        let _ = result(&file, &source);
    }
}
