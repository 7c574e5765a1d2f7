//! Input that nobody writes by hand: refused quickly, with a reason, without a panic.

use std::time::{Duration, Instant};

use plimsoll_stack::{MAX_FILE_BYTES, MAX_NODES, parse};
use proptest::prelude::*;

/// The message for a file that must be refused; measured, because slowness would be the real harm.
fn refused(source: &[u8]) -> String {
    let start = Instant::now();
    let message = match parse("f", source) {
        Ok(_) => panic!("accepted"),
        Err(diagnostics) => diagnostics.to_string(),
    };
    // Unoptimised builds on a busy machine need a wide margin; an expanded bomb would take hours.
    assert!(start.elapsed() < Duration::from_secs(5), "took {:?}", start.elapsed());
    message
}

#[test]
fn hundred_megabytes_are_refused_unread() {
    let source = vec![b'a'; 100 << 20];
    assert_eq!(
        refused(&source),
        "f:1:1: file is larger than 1 MiB, and no stack file is. hint: is this the right file?"
    );
}

#[test]
fn alias_bomb_is_refused() {
    let mut source = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..20 {
        let before = format!("*a{}, ", level - 1).repeat(10);
        source.push_str(&format!("a{level}: &a{level} [{}]\n", before.trim_end_matches(", ")));
    }
    assert_eq!(
        refused(source.as_bytes()),
        format!(
            "f:5:40: file holds more than {MAX_NODES} values. hint: aliases count with all that they repeat"
        )
    );
}

#[test]
fn long_text_repeated_by_aliases_is_refused() {
    let source = format!("a: &a {}\nb: [{}]\n", "x".repeat(500_000), "*a, ".repeat(10_000));
    assert!(refused(source.as_bytes()).contains("bytes of text"));
}

#[test]
fn alias_inside_its_own_anchor_is_refused() {
    assert!(refused(b"a: &a [*a]\n").contains("alias inside its own anchor"));
}

#[test]
fn deep_nesting_is_refused() {
    for deep in
        ["[".repeat(MAX_FILE_BYTES - 10), "{a: ".repeat(200_000), "- ".repeat(200_000), "? ".repeat(200_000)]
    {
        let message = refused(deep.as_bytes());
        assert!(message.contains("nest deeper than 64 levels"), "{message}");
    }
    let anchors: String = (0..60).map(|level| format!("&a{level} [")).collect();
    let closed = format!("x: {anchors}1{}\ny: [[[[[[[[[[*a0]]]]]]]]]]\n", "]".repeat(60));
    let message = refused(closed.as_bytes());
    assert!(message.contains("nest deeper"), "{message}");
}

#[test]
fn what_is_not_text_is_refused() {
    let empty =
        "f:1:1: file is empty. hint: the least is `name: x` and `services: { api: { command: [api] } }`";
    let cases: [(&[u8], &str); 6] = [
        (
            b"name: a\nstate: \xff\xfe\n",
            "f:2:8: byte 0xff is not UTF-8 text. hint: a stack file is UTF-8 text; is this the right file?",
        ),
        (b"\xff\xfen\0a\0", "f:1:1: file is UTF-16 text. hint: save it as UTF-8"),
        (
            b"\x7fELF\x02\x01\x01\0\0",
            "f:1:1: control character U+007F cannot stand in YAML. hint: a stack file is UTF-8 text; is this the right file?",
        ),
        (
            b"name: a\0b\n",
            "f:1:8: control character U+0000 cannot stand in YAML. hint: a stack file is UTF-8 text; is this the right file?",
        ),
        (b"", empty),
        (b"# nothing but a comment\n", empty),
    ];
    for (source, message) in cases {
        assert_eq!(refused(source).trim_end_matches('.'), message);
    }
}

#[test]
fn many_small_nodes_are_refused() {
    for source in
        ["- a\n".repeat(200_000), "a,".repeat(400_000), "? a\n".repeat(200_000), "[],".repeat(300_000)]
    {
        refused(source.as_bytes());
        refused(format!("[{source}").as_bytes());
    }
}

#[test]
fn many_mistakes_are_counted_but_not_all_listed() {
    let keys: String = (0..500).map(|index| format!("unknown{index}: 1\n")).collect();
    let message = refused(keys.as_bytes());
    assert_eq!(message.lines().count(), 101);
    assert!(message.ends_with("f: 402 more mistakes are not shown."), "{message}");
}

#[test]
fn many_keys_of_one_mapping_are_read_in_time() {
    let keys: String = (0..40_000).map(|index| format!("    K{index}: v\n")).collect();
    let source = format!("name: a\nservices:\n  b:\n   command: [c]\n   env:\n{keys}");
    assert!(parse("f", source.as_bytes()).is_ok());
}

const VALID: &str = include_str!("../../../stacks/cv-evaluator.yaml");

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(source in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse("f", &source);
    }

    #[test]
    fn arbitrary_yaml_like_text_never_panics(
        source in "([-?:,\\[\\]{}#&*!|>'\"%@` \n\t]|[a-c0-2.~<]|---|\\.\\.\\.|name: |services: |<<: |&a |\\*a |!!str |%YAML 1.2){0,60}",
    ) {
        if let Err(diagnostics) = parse("f", source.as_bytes()) {
            prop_assert!(diagnostics.count() > 0);
        }
    }

    #[test]
    fn damaged_valid_file_never_panics(
        cuts in proptest::collection::vec((0usize..VALID.len(), 0usize..40, "\\PC{0,6}|[-:\\[\\]{}&*\n ]{0,6}"), 1..6),
    ) {
        let mut source = VALID.as_bytes().to_vec();
        for (at, remove, insert) in cuts {
            let at = at.min(source.len());
            let end = (at + remove).min(source.len());
            source.splice(at..end, insert.bytes());
        }
        match parse("f", &source) {
            Ok(stack) => for service in stack.services.values() {
                let problems = service.scaling.iter().flat_map(|scaling| scaling.problems());
                prop_assert_eq!(problems.count(), 0);
            },
            Err(diagnostics) => {
                let places: Vec<_> = diagnostics.iter().map(|one| one.at).collect();
                prop_assert!(places.is_sorted() && !places.is_empty());
                let report = diagnostics.to_string();
                prop_assert!(report.lines().all(|line| line.len() < 2000 && !line.contains(char::is_control)));
            }
        }
    }
}
