//! Tells cargo to embed the page again when it was built again.
//!
//! Cargo runs a build script each time when a watched path is missing, so the directory is made here: empty, it says
//! that the page was not built. Nothing is lost when that fails (a read-only checkout): the crate is only built again.

fn main() {
    let dist = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("web/dist");
    let _ = std::fs::create_dir_all(&dist);
    println!("cargo::rerun-if-changed=web/dist");
    println!("cargo::rerun-if-changed=build.rs");
}
