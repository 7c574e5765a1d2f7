use std::process::Command;

use super::*;

fn refusal(path: &Path) -> String {
    match read(path) {
        Ok(_) => panic!("{} was read", path.display()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_is_no_file_is_refused_at_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let pipe = directory.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    // Without a writer, opening it would never return.
    assert!(
        refusal(&pipe)
            .ends_with("this is a pipe or device. hint: write what comes out of it into a file first")
    );
    assert!(refusal(Path::new("/dev/zero")).contains("this is a pipe or device"));
    assert!(
        refusal(directory.path()).ends_with("this is a directory. hint: give the path of the file in it")
    );
    assert!(refusal(&directory.path().join("absent")).contains("hint: give the path of a readable file"));
}

#[test]
fn metrics_without_a_source_are_warned_of_wherever_they_stand() {
    let external = |name: &str| {
        format!(
            "{{ type: External, external: {{ metric: {{ name: {name} }}, target: {{ type: Value, value: 1 }} }} }}"
        )
    };
    let pods =
        "{ type: Pods, pods: { metric: { name: rate }, target: { type: AverageValue, averageValue: 1 } } }";
    let source = format!(
        "name: x\nservices:\n  a:\n    command: [a]\n    scaling:\n      maxReplicas: 3\n      metrics: [{}, {}, {pods}]\n    \
         shadow:\n      maxReplicas: 3\n      metrics: [{}]\n      formula:\n        expression: jobs + other\n        \
         target: 1\n        signals: {{ jobs: {{ name: queue_depth }}, other: {{ name: orders }} }}\n",
        external("queue_depth"),
        external("lag"),
        external("queue_dept"),
    );
    let stack = plimsoll_stack::parse("x", source.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    let warnings = warnings(&stack);
    let places: Vec<&str> = warnings.iter().filter_map(|warning| warning.split(": ").next()).collect();
    assert_eq!(
        places,
        [
            "service `a`, metric `lag`",
            "service `a`, metric `rate`",
            "service `a`, metric `queue_dept` under `shadow`",
            "service `a`, signal `other` of the formula under `shadow`",
        ]
    );
    assert!(warnings.iter().all(|warning| warning.contains(". hint: ")), "{warnings:#?}");
}
