//! `POST /v1/upload`, friendly and hostile.

use std::io::Write as _;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::support::{BOUNDARY, CV, Form, PROJECT, Stack, error_of, text};

/// A well-formed DOCX whose one part inflates to `size` bytes.
pub(crate) fn docx_of(size: usize) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    archive.start_file("[Content_Types].xml", options).unwrap();
    archive
        .write_all(
            b"<?xml version=\"1.0\"?><Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">\
              <Override PartName=\"/word/document.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml\"/></Types>",
        )
        .unwrap();
    archive.start_file("word/document.xml", options).unwrap();
    archive.write_all(b"<?xml version=\"1.0\"?><w:document xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"><w:body><w:p><w:r><w:t>").unwrap();
    let block = vec![b'a'; 1 << 20];
    let mut left = size;
    while left > 0 {
        let part = left.min(block.len());
        archive.write_all(&block[..part]).unwrap();
        left -= part;
    }
    archive.write_all(b"</w:t></w:r></w:p></w:body></w:document>").unwrap();
    archive.finish().unwrap().into_inner()
}

#[tokio::test]
async fn both_files_are_stored_under_new_ids() {
    let stack = Stack::start().await;
    let ids = stack.upload_texts().await;
    let (kind, bytes) = stack.store.read_upload(&text(&ids, "cv_id")).await.unwrap().unwrap();
    assert_eq!((kind, bytes.as_slice()), (app_documents::Kind::Txt, CV.as_bytes()));
    let (_, bytes) = stack.store.read_upload(&text(&ids, "project_id")).await.unwrap().unwrap();
    assert_eq!(bytes, PROJECT.as_bytes());
    assert_ne!(ids["cv_id"], ids["project_id"]);
    stack.stop().await;
}

#[tokio::test]
async fn w33_the_limit_is_for_each_file_and_names_it() {
    let stack = Stack::with(&[("MAX_UPLOAD_MB", "1")]).await;
    let nearly = vec![b'a'; 1024 * 1024];
    let form = Form::new().file("cv", "cv.txt", &nearly).file("project", "project.txt", &nearly);
    assert_eq!(form.send(stack.post("/v1/upload")).await.status(), 200);

    let over = vec![b'a'; 1024 * 1024 + 1];
    let form = Form::new().file("cv", "cv.txt", CV.as_bytes()).file("project", "project.txt", &over);
    let error = error_of(form.send(stack.post("/v1/upload")).await, 413, "PAYLOAD_TOO_LARGE").await;
    assert_eq!(error["details"], json!({ "field": "project", "max_mb": 1 }));

    let far_over = vec![b'a'; 8 * 1024 * 1024];
    let form = Form::new().file("cv", "cv.txt", &far_over).file("project", "project.txt", CV.as_bytes());
    error_of(form.send(stack.post("/v1/upload")).await, 413, "PAYLOAD_TOO_LARGE").await;
    stack.stop().await;
}

#[tokio::test]
async fn w33_content_tells_the_type_and_the_name_only_has_to_agree() {
    let stack = Stack::start().await;
    let program: Vec<u8> =
        b"\x7fELF\x02\x01\x01".iter().copied().chain((0..=255).cycle().take(5000)).collect();
    for (name, bytes) in [
        ("cv.pdf", program.as_slice()),
        ("cv.txt", program.as_slice()),
        ("cv.pdf", CV.as_bytes()),
        ("cv.txt", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"),
        ("cv.doc", CV.as_bytes()),
        ("cv.exe", b"MZ\x90\x00"),
    ] {
        let form = Form::new().file("cv", name, bytes).file("project", "project.txt", PROJECT.as_bytes());
        let error = error_of(form.send(stack.post("/v1/upload")).await, 415, "UNSUPPORTED_MEDIA_TYPE").await;
        assert_eq!(error["details"]["field"], json!("cv"), "{name}");
    }
    // The media type that the client claims for a part means nothing, upper case in a name neither.
    let docx = docx_of(10);
    let form = Form::new().file("project", "PROJECT.DOCX", &docx).file("cv", "cv", CV.as_bytes());
    let ids: Value = form.send(stack.post("/v1/upload")).await.json().await.unwrap();
    let (kind, _) = stack.store.read_upload(&text(&ids, "project_id")).await.unwrap().unwrap();
    assert_eq!(kind, app_documents::Kind::Docx);
    stack.stop().await;
}

#[tokio::test]
async fn a_form_that_is_not_as_it_should_be_is_told_what_is_wrong() {
    let stack = Stack::start().await;
    let cv = || Form::new().file("cv", "cv.txt", CV.as_bytes());
    let error = error_of(cv().send(stack.post("/v1/upload")).await, 400, "INVALID_ARGUMENT").await;
    assert_eq!(error["details"]["field"], json!("project"));
    let twice = cv().file("cv", "cv.txt", CV.as_bytes());
    error_of(twice.send(stack.post("/v1/upload")).await, 400, "INVALID_ARGUMENT").await;
    let stranger = cv().file("photo", "photo.txt", CV.as_bytes());
    let error = error_of(stranger.send(stack.post("/v1/upload")).await, 400, "INVALID_ARGUMENT").await;
    assert_eq!(error["details"]["field"], json!("photo"));
    let empty = cv().file("project", "project.txt", b"");
    error_of(empty.send(stack.post("/v1/upload")).await, 400, "INVALID_ARGUMENT").await;

    let no_form = stack.post("/v1/upload").json(&json!({})).send().await.unwrap();
    error_of(no_form, 415, "UNSUPPORTED_MEDIA_TYPE").await;
    // The closing boundary is missing.
    error_of(cv().send_unfinished(stack.post("/v1/upload")).await, 400, "INVALID_ARGUMENT").await;
    let garbage = stack
        .post("/v1/upload")
        .header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"))
        .body((0..=255_u8).cycle().take(100_000).collect::<Vec<u8>>());
    error_of(garbage.send().await.unwrap(), 400, "INVALID_ARGUMENT").await;
    assert_eq!(stack.store.totals().await.unwrap().uploads, 0.0);
    stack.stop().await;
}

#[tokio::test]
async fn a_client_that_hangs_up_half_way_leaves_nothing_behind() {
    let stack = Stack::start().await;
    let mut socket = TcpStream::connect(stack.address).await.unwrap();
    let head = format!(
        "POST /v1/upload HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\
         content-type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n\
         --{BOUNDARY}\r\ncontent-disposition: form-data; name=\"cv\"; filename=\"cv.txt\"\r\n\r\nhalf of"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.shutdown().await.unwrap();
    let mut answer = Vec::new();
    // Either nothing or a 400; what matters is that the server goes on.
    let _ = socket.read_to_end(&mut answer).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&answer));
    stack.upload_texts().await;
    assert_eq!(stack.store.totals().await.unwrap().uploads, 2.0);
    stack.stop().await;
}

#[tokio::test]
async fn names_of_files_are_kept_as_data() {
    let stack = Stack::start().await;
    for name in
        ["../../etc/passwd.txt", "'; DROP TABLE cv_upload; --.txt", &"x".repeat(5000), "ünïcode \u{202e}.txt"]
    {
        let form = Form::new().file("cv", name, CV.as_bytes()).file("project", "p.txt", PROJECT.as_bytes());
        let status = form.send(stack.post("/v1/upload")).await.status();
        assert!(status == 200 || status == 415, "{name}: {status}");
    }
    stack.upload_texts().await;
    stack.stop().await;
}

#[tokio::test]
async fn w33_large_files_are_written_in_short_transactions_and_appear_whole_or_not_at_all() {
    let stack = Stack::start().await;
    let mut ids = Value::Null;
    // On both sides of the size up to which both files go in one transaction.
    for size in [1_048_000_usize, 1_049_000, 3_000_000] {
        let cv: Vec<u8> = (0..size).map(|n| b'a' + (n % 23) as u8).collect();
        let form = Form::new().file("cv", "cv.txt", &cv).file("project", "p.txt", b"report");
        ids = form.send(stack.post("/v1/upload")).await.json().await.unwrap();
        let (_, bytes) = stack.store.read_upload(&text(&ids, "cv_id")).await.unwrap().unwrap();
        assert!(bytes == cv, "{size}");
    }

    // As if the server had died half-way through another one.
    stack
        .sql(&[
            "INSERT INTO cv_upload_pending (upload_id, created_at_ms) VALUES ('half', 1)",
            "INSERT INTO cv_upload_chunk (upload_id, part, bytes) VALUES ('half', 0, '0')",
        ])
        .await;
    let hour = std::time::Duration::from_secs(3600);
    assert_eq!(stack.store.sweep_uploads(hour).await.unwrap(), 1);
    assert_eq!(stack.store.sweep_uploads(hour).await.unwrap(), 0);
    assert_eq!(stack.number("SELECT COUNT(DISTINCT upload_id) FROM cv_upload_chunk").await, 6);
    assert!(stack.store.read_upload(&text(&ids, "cv_id")).await.unwrap().is_some());
    stack.stop().await;
}
