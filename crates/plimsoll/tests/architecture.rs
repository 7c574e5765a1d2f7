//! The house rules that a compiler does not check: arrows between parts point downward only, and a pure part has no I/O, no
//! clock, no randomness and no async runtime, neither in its own source nor through what it depends on.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Every part with its height: a part may depend on lower parts only. `CONTRIBUTING.md` tells how to add one.
const HEIGHT: &[(&str, u32)] = &[
    ("plimsoll", 90),
    ("plimsoll-console", 80),
    ("plimsoll-control", 70),
    ("plimsoll-gateway", 60),
    ("plimsoll-fleet", 60),
    ("cv-evaluator", 55),
    ("cv-scoring", 54),
    ("app-documents", 53),
    ("plimsoll-kafka", 53),
    ("app-kit", 52),
    ("plimsoll-jobs", 50),
    ("plimsoll-sim", 40),
    ("plimsoll-stack", 30),
    ("plimsoll-scale", 20),
    ("plimsoll-balance", 20),
    ("plimsoll-quantity", 10),
    ("plimsoll-test-postgres", 0),
];

/// Parts that decide: a function of observations, time and seed.
const PURE: &[&str] =
    &["plimsoll-sim", "plimsoll-stack", "plimsoll-scale", "plimsoll-balance", "plimsoll-quantity"];

/// Crates that bring I/O, clocks, randomness from the system, or an async runtime.
const IMPURE_CRATES: &[&str] = &[
    "async-io",
    "futures-executor",
    "getrandom",
    "hyper",
    "mio",
    "nix",
    "procfs",
    "reqwest",
    "rustix",
    "smol",
    "socket2",
    "sqlx",
    "tempfile",
    "tokio",
    "tracing",
];

/// Paths in source that reach outside of a function's parameters.
const IMPURE_PATHS: &[&str] = &[
    "Instant::now",
    "SystemTime",
    "Timestamp::now",
    "Zoned::now",
    "TimeZone::system",
    "std::fs",
    "TcpListener",
    "TcpStream",
    "ToSocketAddrs",
    "UdpSocket",
    "std::env",
    "std::process",
    "std::thread",
    "std::io",
    "thread_rng",
    "rand::rng(",
    "async fn",
    "println!",
];

#[test]
fn every_part_has_a_height_and_arrows_point_downward() {
    let metadata = metadata();
    let heights: BTreeMap<&str, u32> = HEIGHT.iter().copied().collect();
    let mut wrong = Vec::new();
    for package in workspace_packages(&metadata) {
        let name = text(&package["name"]);
        let Some(height) = heights.get(name) else {
            wrong.push(format!(
                "`{name}` has no height. hint: add it to HEIGHT in this test and to CONTRIBUTING.md"
            ));
            continue;
        };
        for dependency in normal_dependencies(package) {
            match heights.get(dependency) {
                Some(lower) if lower >= height => {
                    wrong
                        .push(format!("`{name}` must not depend on `{dependency}`: the arrow points upward"));
                }
                _ => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn applications_do_not_know_the_platforms_services() {
    let metadata = metadata();
    let services = ["plimsoll-console", "plimsoll-control", "plimsoll-gateway", "plimsoll-fleet"];
    for package in workspace_packages(&metadata) {
        let name = text(&package["name"]);
        if !text(&package["manifest_path"]).contains("/apps/") {
            continue;
        }
        for dependency in normal_dependencies(package) {
            assert!(
                !services.contains(&dependency),
                "application `{name}` depends on service `{dependency}`"
            );
        }
    }
}

#[test]
fn pure_parts_depend_on_nothing_impure() {
    let metadata = metadata();
    let graph = resolved_graph(&metadata);
    let impure: BTreeSet<&str> = IMPURE_CRATES.iter().copied().collect();
    let mut wrong = Vec::new();
    for pure in present_pure_parts(&metadata) {
        let mut seen = BTreeSet::new();
        let mut open = vec![(pure, vec![pure])];
        while let Some((name, path)) = open.pop() {
            for &dependency in graph.get(name).into_iter().flatten() {
                let path: Vec<&str> = path.iter().copied().chain([dependency]).collect();
                if impure.contains(dependency) {
                    wrong.push(path.join(" -> "));
                } else if seen.insert(dependency) {
                    open.push((dependency, path));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "a pure part reaches an impure crate:\n{}", wrong.join("\n"));
}

#[test]
fn pure_parts_reach_for_no_clock_file_or_runtime() {
    let metadata = metadata();
    let pure: BTreeSet<&str> = PURE.iter().copied().collect();
    let mut wrong = Vec::new();
    let mut files_read = 0;
    for package in workspace_packages(&metadata) {
        if !pure.contains(text(&package["name"])) {
            continue;
        }
        let source = Path::new(text(&package["manifest_path"])).with_file_name("src");
        for file in rust_files(&source) {
            files_read += 1;
            let content = std::fs::read_to_string(&file).expect("source is readable");
            for (number, line) in content.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                if let Some(path) = IMPURE_PATHS.iter().find(|path| code.contains(**path)) {
                    wrong.push(format!("{}:{}: `{path}` in a pure part", file.display(), number + 1));
                }
            }
        }
    }
    assert!(files_read > 5, "only {files_read} source files found: the test looks in the wrong place");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform"])
        .arg("x86_64-unknown-linux-gnu")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo prints JSON")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn workspace_packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    let members: BTreeSet<&str> =
        metadata["workspace_members"].as_array().expect("members").iter().map(text).collect();
    let packages = metadata["packages"].as_array().expect("packages");
    packages.iter().filter(move |package| members.contains(text(&package["id"])))
}

fn normal_dependencies(package: &Value) -> impl Iterator<Item = &str> {
    let dependencies = package["dependencies"].as_array().expect("dependencies");
    dependencies.iter().filter(|dependency| dependency["kind"].is_null()).map(|it| text(&it["name"]))
}

fn present_pure_parts(metadata: &Value) -> Vec<&'static str> {
    let names: BTreeSet<&str> = workspace_packages(metadata).map(|package| text(&package["name"])).collect();
    PURE.iter().copied().filter(|pure| names.contains(pure)).collect()
}

/// Name of a package -> names of what it links at run time (proc macros run at build time only and do not count).
fn resolved_graph(metadata: &Value) -> BTreeMap<&str, Vec<&str>> {
    let packages: BTreeMap<&str, &Value> = metadata["packages"]
        .as_array()
        .expect("packages")
        .iter()
        .map(|package| (text(&package["id"]), package))
        .collect();
    let is_proc_macro = |id: &str| {
        packages[id]["targets"].as_array().expect("targets").iter().any(|target| {
            target["kind"].as_array().expect("kinds").iter().any(|kind| text(kind) == "proc-macro")
        })
    };
    let nodes = metadata["resolve"]["nodes"].as_array().expect("nodes");
    let mut graph: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for node in nodes {
        let name = text(&packages[text(&node["id"])]["name"]);
        for dependency in node["deps"].as_array().expect("deps") {
            let kinds = dependency["dep_kinds"].as_array().expect("kinds");
            let normal = kinds.iter().any(|kind| kind["kind"].is_null());
            let id = text(&dependency["pkg"]);
            if normal && !is_proc_macro(id) {
                graph.entry(name).or_default().push(text(&packages[id]["name"]));
            }
        }
    }
    graph
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(&directory).expect("a source directory").flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}
