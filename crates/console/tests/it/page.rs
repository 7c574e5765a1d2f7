//! The page's files.

use std::path::Path;

use crate::{
    http::{Finish, get, header_of, send},
    stack::Stack,
};

/// Holds for the built page and for the one that says it was not built.
#[tokio::test]
async fn page_is_html_and_runs_no_inline_script() {
    let console = Stack::new().serve(None).await;
    let addr = console.local_addr();
    let answer = send(addr, get(addr, "/").empty()).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(header_of(&answer, "content-type"), "text/html; charset=utf-8");
    assert_eq!(header_of(&answer, "cache-control"), "no-cache");
    let html = std::str::from_utf8(answer.body()).expect("text");
    assert!(html.contains("Plimsoll"));
    assert!(!html.contains("<style") && !html.contains(" style=") && !html.contains(" onload="));
    for script in html.split("<script").skip(1) {
        assert!(script.contains(" src=\"/assets/"), "an inline script would be blocked: {script}");
    }
}

/// A built page is served; its hashed files are kept for ever, and asked for again cost nothing.
#[tokio::test]
async fn built_assets_are_immutable_and_revalidated_by_tag() {
    let console = Stack::new().serve(None).await;
    let addr = console.local_addr();
    let page = send(addr, get(addr, "/").empty()).await;
    let html = String::from_utf8(page.body().to_vec()).expect("text");
    let assets: Vec<&str> = html.split('"').filter(|part| part.starts_with("/assets/")).collect();
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/dist/index.html").exists();
    assert_eq!(built, !assets.is_empty(), "a built page is in the binary, and only a built one has assets");
    for path in assets {
        let first = send(addr, get(addr, path).empty()).await;
        assert_eq!(first.status(), 200, "{path}");
        assert_eq!(header_of(&first, "cache-control"), "public, max-age=31536000, immutable");
        let tag = header_of(&first, "etag");
        let again =
            send(addr, get(addr, path).header("if-none-match", format!("\"x\", W/{tag}")).empty()).await;
        assert_eq!((again.status().as_u16(), again.body().len()), (304, 0), "{path}");
        assert_eq!(header_of(&again, "etag"), tag);
        let other = send(addr, get(addr, path).header("if-none-match", "\"x\"").empty()).await;
        assert_eq!(other.status(), 200, "{path}");
    }
}

#[tokio::test]
async fn paths_do_not_lead_out_of_the_page() {
    let console = Stack::new().serve(None).await;
    let addr = console.local_addr();
    for path in
        ["/../Cargo.toml", "/..%2f..%2fCargo.toml", "/assets/../../package.json", "//etc/passwd", "/%00"]
    {
        let answer = send(addr, get(addr, path).empty()).await;
        assert_eq!(answer.status(), 404, "{path}");
    }
}
