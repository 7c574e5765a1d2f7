//! What a client of the AI CV Evaluator does, over the edge.

use serde_json::{Value, json};

use crate::harness::{Stack, sample, text};

/// How many upload ids a flood shares: the load is in the evaluations.
pub(crate) struct Upload {
    pub(crate) cv_id: String,
    pub(crate) project_id: String,
}

/// Uploads a CV and a project report that ship with the application.
pub(crate) async fn upload(stack: &Stack, cv: &str, project: &str) -> Upload {
    let (content_type, body) = multipart(&[("cv", cv, sample(cv)), ("project", project, sample(project))]);
    let request =
        stack.http.post(stack.edge_url("/v1/upload")).header("content-type", content_type).body(body);
    let response = request.send().await.expect("the edge answers");
    let status = response.status();
    let answer: Value = response.json().await.expect("JSON");
    assert_eq!(status.as_u16(), 200, "{answer}");
    Upload { cv_id: text(&answer, "cv_id").to_owned(), project_id: text(&answer, "project_id").to_owned() }
}

/// Asks for an evaluation; returns its id.
pub(crate) async fn evaluate(stack: &Stack, upload: &Upload, idempotency_key: Option<&str>) -> String {
    let body = json!({ "cv_id": upload.cv_id, "project_id": upload.project_id });
    let mut request = stack.http.post(stack.edge_url("/v1/evaluate")).json(&body);
    if let Some(key) = idempotency_key {
        request = request.header("idempotency-key", key);
    }
    let response = request.send().await.expect("the edge answers");
    let status = response.status();
    let answer: Value = response.json().await.expect("JSON");
    assert!(status.is_success(), "{status}: {answer}");
    text(&answer, "id").to_owned()
}

/// The result document as it is now, or what went wrong with asking.
pub(crate) async fn result(stack: &Stack, id: &str) -> Result<Value, String> {
    let response = stack.http.get(stack.edge_url(&format!("/v1/result/{id}"))).send().await;
    let response = response.map_err(|error| format!("{error:?}"))?;
    let status = response.status();
    if !status.is_success() {
        return Err(format!("{status}: {}", response.text().await.unwrap_or_default()));
    }
    response.json().await.map_err(|error| format!("{error:?}"))
}

/// Polls until the evaluation has ended; every poll must succeed.
pub(crate) async fn finished(stack: &Stack, id: &str) -> Value {
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(50));
    let deadline = std::time::Instant::now() + crate::harness::PATIENCE;
    loop {
        ticks.tick().await;
        let answer = result(stack, id).await.unwrap_or_else(|error| panic!("a poll of {id} failed: {error}"));
        match text(&answer, "status") {
            "queued" | "processing" => {
                assert!(std::time::Instant::now() < deadline, "{answer}\n{}", stack.log())
            }
            _ => return answer,
        }
    }
}

fn multipart(parts: &[(&str, &str, Vec<u8>)]) -> (String, Vec<u8>) {
    let boundary = "plimsoll-end-to-end-boundary";
    let mut body = Vec::new();
    for (name, file, content) in parts {
        let head = format!(
            "--{boundary}\r\ncontent-disposition: form-data; name=\"{name}\"; filename=\"{file}\"\r\ncontent-type: application/octet-stream\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}
