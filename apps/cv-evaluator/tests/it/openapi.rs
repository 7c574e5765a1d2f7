//! The document is true: every operation is called, and what it answers is what the document says.

use std::collections::BTreeSet;

use http::header::CONTENT_TYPE;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};

use super::admin::{log_in, stack};
use super::schema::violations;
use super::support::{CV, Form, PROJECT, Stack, text};

/// Compares answers with the document and remembers what has been seen.
struct Witness {
    document: Value,
    seen: BTreeSet<(String, u16)>,
}

// === impl Witness ===

impl Witness {
    async fn new(stack: &Stack) -> Self {
        let document = stack.get("/openapi.json").send().await.unwrap().json().await.unwrap();
        Self { document, seen: BTreeSet::new() }
    }

    /// Sends the request to an operation and checks its answer; answers the body.
    async fn call(&mut self, operation: &str, status: u16, request: RequestBuilder) -> Value {
        self.check(operation, status, request.send().await.unwrap()).await
    }

    async fn check(&mut self, operation: &str, status: u16, response: Response) -> Value {
        assert_eq!(response.status().as_u16(), status, "{operation}");
        self.seen.insert((operation.to_owned(), status));
        let documented = self.operation(operation)["responses"].get(status.to_string());
        let documented =
            documented.unwrap_or_else(|| panic!("{operation} answers {status}, undocumented")).clone();
        for (name, _) in documented["headers"].as_object().into_iter().flatten() {
            assert!(response.headers().contains_key(name), "{operation} {status}: no {name}");
        }
        let media_type = response.headers().get(CONTENT_TYPE).map(|value| value.to_str().unwrap().to_owned());
        let Some(content) = documented.get("content").and_then(Value::as_object) else {
            assert_eq!(media_type, None, "{operation} {status}");
            assert!(response.bytes().await.unwrap().is_empty());
            return Value::Null;
        };
        let schema = content[&media_type.expect("a media type")]["schema"].clone();
        let body: Value = response.json().await.unwrap();
        let broken = violations(&self.document, &schema, &body);
        assert!(broken.is_empty(), "{operation} {status}: {broken:?}\n{body}");
        body
    }

    fn operation(&self, id: &str) -> &Value {
        self.operations().into_iter().find(|operation| operation["operationId"] == id).expect("documented")
    }

    fn operations(&self) -> Vec<&Value> {
        let paths = self.document["paths"].as_object().unwrap().values();
        paths
            .flat_map(|item| item.as_object().unwrap().values())
            .filter(|operation| operation.is_object())
            .collect()
    }
}

#[tokio::test]
async fn every_operation_answers_as_documented() {
    let stack = stack().await;
    let mut witness = Witness::new(&stack).await;
    let w = &mut witness;
    let form =
        || Form::new().file("cv", "cv.txt", CV.as_bytes()).file("project", "p.txt", PROJECT.as_bytes());
    let half = || Form::new().file("cv", "cv.txt", CV.as_bytes());

    let body = w.check("upload", 200, form().send(stack.post("/v1/upload")).await).await;
    w.check("upload", 400, half().send(stack.post("/v1/upload")).await).await;
    w.call("upload", 406, stack.post("/v1/upload").header("accept", "text/html")).await;
    w.call("upload", 415, stack.post("/v1/upload").json(&json!({}))).await;
    let large = half().file("project", "p.txt", &vec![b'a'; 11 << 20]);
    w.check("upload", 413, large.send(stack.post("/v1/upload")).await).await;

    let evaluate = || stack.post("/v1/evaluate").header("idempotency-key", "k");
    let id = text(&w.call("evaluate", 202, evaluate().json(&body)).await, "id");
    w.call("evaluate", 200, evaluate().json(&body)).await;
    let unknown = json!({ "cv_id": "a", "project_id": "b" });
    w.call("evaluate", 422, evaluate().json(&unknown)).await;
    w.call("evaluate", 404, stack.post("/v1/evaluate").json(&unknown)).await;
    w.call("evaluate", 400, evaluate().json(&json!({ "cv_id": "", "project_id": "b" }))).await;
    w.call("evaluate", 406, evaluate().header("accept", "text/html").json(&body)).await;
    w.call("evaluate", 413, evaluate().header("content-type", "application/json").body(vec![b' '; 2 << 20]))
        .await;
    w.call("evaluate", 415, evaluate().body("{}")).await;
    let broken = super::worker::upload_broken(&stack).await;
    let broken = text(&w.call("evaluate", 202, stack.post("/v1/evaluate").json(&broken)).await, "id");

    let path = format!("/v1/result/{id}");
    w.call("result", 200, stack.get(&path)).await;
    let worker = stack.worker(&[]).await;
    stack.finished(&id).await;
    stack.finished(&broken).await;
    worker.stop().await;
    assert_eq!(w.call("result", 200, stack.get(&path)).await["status"], "completed");
    assert_eq!(w.call("result", 200, stack.get(&format!("/v1/result/{broken}"))).await["status"], "failed");
    w.call("result", 304, stack.get(&path).header("if-none-match", "*")).await;
    w.call("result", 404, stack.get("/v1/result/nope")).await;
    w.call("result", 400, stack.get("/v1/result/%ff")).await;
    w.call("result", 406, stack.get(&path).header("accept", "image/png")).await;

    let login = |password: &str| json!({ "username": "root\"admin", "password": password });
    w.call("admin_token", 200, stack.post("/admin/token").json(&login("correct horse"))).await;
    w.call("admin_token", 401, stack.post("/admin/token").json(&login("wrong"))).await;
    w.call("admin_token", 400, stack.post("/admin/token").json(&json!({}))).await;
    w.call("admin_token", 415, stack.post("/admin/token").body("x")).await;
    let token = log_in(&stack).await;
    w.call("admin_token", 429, stack.post("/admin/token").json(&login("wrong"))).await;

    let get = |path: &str| stack.get(path).bearer_auth(&token);
    for (operation, path) in [
        ("admin_status", "/admin/api/status".to_owned()),
        ("admin_stats", "/admin/api/stats".to_owned()),
        ("admin_jobs", "/admin/api/jobs?limit=1".to_owned()),
        ("admin_job", format!("/admin/api/jobs/{id}")),
    ] {
        w.call(operation, 200, get(&path)).await;
        w.call(operation, 401, stack.get(&path)).await;
        w.call(operation, 406, get(&path).header("accept", "text/html")).await;
    }
    w.call("admin_jobs", 400, get("/admin/api/jobs?limit=0")).await;
    w.call("admin_job", 200, get(&format!("/admin/api/jobs/{broken}"))).await;
    w.call("admin_job", 404, get("/admin/api/jobs/nope")).await;
    w.call("admin_job", 400, get("/admin/api/jobs/%ff")).await;
    let requeue = |id: &str| stack.post(&format!("/admin/api/jobs/{id}/requeue"));
    w.call("admin_requeue", 202, requeue(&broken).bearer_auth(&token)).await;
    w.call("admin_requeue", 409, requeue(&id).bearer_auth(&token)).await;
    w.call("admin_requeue", 404, requeue("nope").bearer_auth(&token)).await;
    w.call("admin_requeue", 401, requeue(&id)).await;
    w.call("admin_requeue", 400, requeue("%ff").bearer_auth(&token)).await;

    let erase = |path: String| stack.delete(&path);
    let (own, any) = (format!("/v1/result/{id}"), format!("/admin/api/jobs/{broken}"));
    w.call("erase_result", 406, erase(own.clone()).header("accept", "text/html")).await;
    w.call("erase_result", 200, erase(own.clone())).await;
    w.call("erase_result", 404, erase(own)).await;
    w.call("erase_result", 400, erase("/v1/result/%ff".to_owned())).await;
    w.call("admin_erase_job", 401, erase(any.clone())).await;
    w.call("admin_erase_job", 200, erase(any.clone()).bearer_auth(&token)).await;
    w.call("admin_erase_job", 404, erase(any).bearer_auth(&token)).await;
    w.call("admin_erase_job", 400, erase("/admin/api/jobs/%ff".to_owned()).bearer_auth(&token)).await;

    w.call("erase_me", 403, stack.delete("/v1/me")).await;
    w.call("erase_me", 406, stack.delete("/v1/me").header("accept", "text/html")).await;
    let keyed = super::owners::stack().await;
    w.call("erase_me", 200, keyed.delete("/v1/me").bearer_auth("secret-a")).await;
    w.call("erase_me", 401, keyed.delete("/v1/me")).await;
    w.call("erase_result", 401, keyed.delete("/v1/result/x")).await;
    keyed.stop().await;
    let erase = |owner: &str| stack.delete(&format!("/admin/api/owners/{owner}"));
    w.call("admin_erase", 200, erase("anonymous").bearer_auth(&token)).await;
    w.call("admin_erase", 400, erase("a%20b").bearer_auth(&token)).await;
    w.call("admin_erase", 401, erase("anonymous")).await;
    w.call("result", 404, stack.get(&path)).await;

    w.call("healthz", 200, stack.get("/healthz")).await;
    w.call("readyz", 200, stack.get("/readyz")).await;
    stack.sql(&["DROP TABLE cv_counter"]).await;
    w.call("readyz", 503, stack.get("/readyz")).await;

    // Nothing is documented that was not called.
    let called: BTreeSet<&str> = witness.seen.iter().map(|(operation, _)| operation.as_str()).collect();
    for operation in witness.operations() {
        let id = operation["operationId"].as_str().unwrap();
        assert!(called.contains(id), "{id} was not called");
        let responses = operation["responses"].as_object().unwrap();
        for status in responses.keys().filter(|status| status.starts_with('2')) {
            let seen = (id.to_owned(), status.parse().unwrap());
            assert!(witness.seen.contains(&seen), "{id} {status} was not seen");
        }
    }
    stack.stop().await;
}

#[tokio::test]
async fn both_forms_of_the_document_say_the_same() {
    let stack = stack().await;
    let document: Value = stack.get("/openapi.json").send().await.unwrap().json().await.unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let yaml = stack.get("/openapi.yaml").send().await.unwrap();
    assert_eq!(yaml.headers()["content-type"], "application/yaml");
    let yaml = yaml.text().await.unwrap();
    assert!(yaml.starts_with("openapi: 3.1.0"));
    for path in document["paths"].as_object().unwrap().keys() {
        assert!(yaml.contains(&format!("  {path}:")), "{path}");
    }
    stack.stop().await;
}
