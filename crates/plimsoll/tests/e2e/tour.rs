//! What the README promises a newcomer.

use serde_json::Value;

use crate::{
    application::{evaluate, finished, upload},
    harness::{Settings, Stack, text},
};

#[tokio::test]
async fn a_newcomer_gets_the_same_honest_score_for_pdf_docx_and_txt() {
    let stack = Stack::start(&Settings::default()).await;
    let mut scores = Vec::new();
    for format in ["pdf", "docx", "txt"] {
        let upload =
            upload(&stack, &format!("sample-cv.{format}"), &format!("sample-project.{format}")).await;
        let id = evaluate(&stack, &upload, None).await;
        let answer = finished(&stack, &id).await;
        assert_eq!(text(&answer, "status"), "completed", "{format}: {answer}");
        let result = &answer["result"];
        let rate = result["cv_match_rate"].as_f64().expect("a match rate");
        let score = result["project_score"].as_f64().expect("a project score");
        assert!((0.0..=1.0).contains(&rate) && (1.0..=10.0).contains(&score), "{format}: {result}");
        assert!(
            answer.to_string().contains(r#""scored_by":"baseline""#),
            "{format}: the scorer is named: {answer}"
        );
        scores.push((rate, score));
    }
    assert!(scores.windows(2).all(|pair| pair[0] == pair[1]), "the same words score the same: {scores:?}");

    let document: Value =
        stack.http.get(stack.edge_url("/openapi.json")).send().await.unwrap().json().await.unwrap();
    assert!(
        document["paths"]["/v1/evaluate"]["post"].is_object(),
        "the OpenAPI document names the operation"
    );

    let status = stack.cli_text(&["status"]);
    assert!(
        status.contains("api-1") && status.contains("worker-1") && status.contains("evaluate"),
        "{status}"
    );
    let events = stack.cli_text(&["events"]);
    assert!(events.contains("worker-1 is ready"), "{events}");
    let metrics =
        stack.http.get(format!("http://{}/metrics", stack.admin)).send().await.unwrap().text().await.unwrap();
    for name in ["queue_age_seconds", "queue_depth", "http_requests_total", "service_replicas_ready"] {
        assert!(metrics.contains(name), "`{name}` is missing:\n{metrics}");
    }
}
