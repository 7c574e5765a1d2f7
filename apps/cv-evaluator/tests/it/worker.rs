//! From upload to receipt, and every way in which a document can fail.

use serde_json::{Value, json};

use super::support::{CV, Form, PROJECT, Stack, text};
use super::upload::docx_of;

/// A CV that is no document, with a sound project report.
pub(crate) async fn upload_broken(stack: &Stack) -> Value {
    upload(stack, "cv.docx", b"PK\x03\x04 and then nothing of the kind").await
}

async fn upload(stack: &Stack, name: &str, cv: &[u8]) -> Value {
    let form = Form::new().file("cv", name, cv).file("project", "project.txt", PROJECT.as_bytes());
    let response = form.send(stack.post("/v1/upload")).await;
    assert_eq!(response.status(), 200, "{name}");
    response.json().await.unwrap()
}

fn sample(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/samples/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[tokio::test]
async fn w13_every_format_is_scored_and_every_score_has_its_receipt() {
    let stack = Stack::start().await;
    let worker = stack.worker(&[("PLIMSOLL_INSTANCE", "worker-3")]).await;
    let mut rates = Vec::new();
    for format in ["pdf", "docx", "txt"] {
        let (cv, project) = (format!("sample-cv.{format}"), format!("sample-project.{format}"));
        let form = Form::new().file("cv", &cv, &sample(&cv)).file("project", &project, &sample(&project));
        let body: Value = form.send(stack.post("/v1/upload")).await.json().await.unwrap();
        let done = stack.finished(&stack.evaluate(&body).await).await;
        assert_eq!(done["status"], "completed", "{done}");
        let (result, receipt) = (&done["result"], &done["receipt"]);
        assert!((0.0..=1.0).contains(&result["cv_match_rate"].as_f64().unwrap()));
        assert!((1.0..=10.0).contains(&result["project_score"].as_f64().unwrap()));
        for field in ["cv_feedback", "project_feedback", "overall_summary"] {
            assert!(!text(result, field).is_empty());
        }
        assert_eq!(result["parameters"].as_array().unwrap().len(), 9);
        assert_eq!((&result["scored_by"], &receipt["scored_by"]), (&json!("baseline"), &json!("baseline")));
        assert_eq!((&receipt["attempts"], &receipt["worker"]), (&json!(1), &json!("worker-3")));
        assert!(!text(receipt, "prompt_version").is_empty());
        rates.push(result["cv_match_rate"].as_f64().unwrap());
    }
    // The same words in another wrapping are worth the same.
    assert!(rates.iter().all(|rate| (rate - rates[0]).abs() < 0.05), "{rates:?}");
    assert_eq!(worker.stop().await.completed, 3);
    stack.stop().await;
}

#[tokio::test]
async fn w34_w21_reading_is_the_jobs_work_and_each_failure_has_its_code_and_figure() {
    let stack = Stack::start().await;
    let worker = stack.worker(&[("EXTRACT_MEMORY_MB", "64")]).await;
    for (name, bytes, code) in [
        ("bomb.docx", docx_of(300 << 20), "DOCUMENT_BOMB"),
        ("broken.docx", b"PK\x03\x04 and then nothing of the kind".to_vec(), "DOCUMENT_CORRUPT"),
        ("broken.pdf", b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\ntrailer\n".to_vec(), "DOCUMENT_CORRUPT"),
        ("empty.docx", docx_of(0), "DOCUMENT_EMPTY"),
        ("blank.txt", b" \n\t \n".to_vec(), "DOCUMENT_EMPTY"),
    ] {
        assert!(bytes.len() < 10 << 20);
        let id = stack.evaluate(&upload(&stack, name, &bytes).await).await;
        let done = stack.finished(&id).await;
        assert_eq!(
            (&done["status"], &done["error"]["code"]),
            (&json!("failed"), &json!(code)),
            "{name}: {done}"
        );
        assert!(done.get("result").is_none());
    }
    // None of them took the worker down.
    let id = stack.evaluate(&upload(&stack, "cv.txt", CV.as_bytes()).await).await;
    assert_eq!(stack.finished(&id).await["status"], "completed");
    let metrics = stack.http.get(format!("http://{}/metrics", worker.address)).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    for line in [
        "jobs_failed_by_code_total{type=\"evaluate\",code=\"DOCUMENT_BOMB\"} 1",
        "jobs_failed_total{type=\"evaluate\"} 5",
        "jobs_completed_total{type=\"evaluate\"} 1",
        "jobs_processing{type=\"evaluate\"} 0",
        "evaluation_cv_match_rate_count 1",
        "job_processing_duration_seconds_count{job_type=\"evaluate\",status=\"completed\"} 1",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line}\nnot in\n{metrics}");
    }
    // W21: no figure that nobody ever moves. Retries and tokens are those of the tests with a provider.
    for name in metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
        let moved = metrics.lines().any(|line| line.starts_with(name));
        assert!(
            moved || ["jobs_retried_by_code", "ai_tokens"].contains(&name),
            "{name} has no value\n{metrics}"
        );
    }
    worker.stop().await;
    stack.stop().await;
}

#[tokio::test]
async fn a_reader_that_cannot_be_started_is_retried_and_then_told() {
    let stack = Stack::with(&[("JOB_MAX_ATTEMPTS", "2")]).await;
    let id = stack.evaluate(&stack.upload_texts().await).await;
    let worker = stack.worker_of("/nonexistent/program", &[]).await;
    let done = stack.finished(&id).await;
    assert_eq!(done["error"]["code"], "EXTRACTION_UNAVAILABLE");
    let row = stack.store.read_evaluation(&id).await.unwrap().unwrap();
    assert_eq!(row.attempts, 2);
    worker.stop().await;
    stack.stop().await;
}
