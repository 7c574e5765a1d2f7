//! Who may see what, and how often.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::support::{CV, Form, PROJECT, Stack, error_of, text};

fn keys() -> String {
    ["acme:secret-a", "globex:secret-b"]
        .map(|pair| {
            let (owner, key) = pair.split_once(':').unwrap();
            format!("{owner}:{}", hex::encode(Sha256::digest(key)))
        })
        .join(",")
}

/// A server on which acme has the key `secret-a` and globex `secret-b`.
pub(crate) async fn stack() -> Stack {
    Stack::with(&[("API_KEYS", &keys())]).await
}

pub(crate) async fn upload_as(stack: &Stack, key: &str) -> Value {
    let form = Form::new().file("cv", "cv.txt", CV.as_bytes()).file("project", "p.txt", PROJECT.as_bytes());
    form.send(stack.post("/v1/upload").bearer_auth(key)).await.json().await.unwrap()
}

#[tokio::test]
async fn w26_a_header_that_anybody_can_send_opens_nothing() {
    let stack = Stack::with(&[("API_KEYS", &keys())]).await;
    for header in ["x-auth-request-user", "x-forwarded-user", "x-forwarded-email"] {
        let request = stack
            .post("/v1/evaluate")
            .header(header, "acme")
            .json(&json!({ "cv_id": "a", "project_id": "b" }));
        let response = request.send().await.unwrap();
        assert!(response.headers().contains_key("www-authenticate"));
        error_of(response, 401, "UNAUTHENTICATED").await;
    }
    for wrong in ["secret-c", "", "secret-a "] {
        let response = stack.get("/v1/result/x").header("x-api-key", wrong).send().await.unwrap();
        // Blanks around a header's value are not part of it (RFC 9110, section 5.5).
        let status = if wrong.trim() == "secret-a" { 404 } else { 401 };
        assert_eq!(response.status(), status, "{wrong:?}");
    }
    let form = Form::new().file("cv", "cv.txt", CV.as_bytes());
    error_of(form.send(stack.post("/v1/upload")).await, 401, "UNAUTHENTICATED").await;
    stack.stop().await;
}

#[tokio::test]
async fn a_key_counts_beside_another_kind_of_token() {
    let stack = stack().await;
    let both = stack.get("/v1/result/x").bearer_auth("an-admin-token").header("x-api-key", "secret-a");
    assert_eq!(both.send().await.unwrap().status(), 404);
    let neither = stack.get("/v1/result/x").bearer_auth("an-admin-token").header("x-api-key", "wrong");
    assert_eq!(neither.send().await.unwrap().status(), 401);
    stack.stop().await;
}

#[tokio::test]
async fn w27_an_evaluation_is_its_owners_alone() {
    let stack = Stack::with(&[("API_KEYS", &keys())]).await;
    let body = upload_as(&stack, "secret-a").await;
    let request = stack.post("/v1/evaluate").bearer_auth("secret-a").json(&body);
    let id = text(&request.send().await.unwrap().json().await.unwrap(), "id");
    let path = format!("/v1/result/{id}");
    assert_eq!(stack.get(&path).header("x-api-key", "secret-a").send().await.unwrap().status(), 200);
    error_of(stack.get(&path).bearer_auth("secret-b").send().await.unwrap(), 404, "NOT_FOUND").await;
    error_of(stack.get(&path).send().await.unwrap(), 401, "UNAUTHENTICATED").await;
    // Nor can another owner evaluate the documents.
    let stolen = stack.post("/v1/evaluate").bearer_auth("secret-b").json(&body).send().await.unwrap();
    error_of(stolen, 404, "UPLOAD_NOT_FOUND").await;
    stack.stop().await;
}

#[tokio::test]
async fn w11_keys_of_two_owners_do_not_meet() {
    let stack = Stack::with(&[("API_KEYS", &keys())]).await;
    let mut ids = Vec::new();
    for key in ["secret-a", "secret-b"] {
        let body = upload_as(&stack, key).await;
        let request =
            stack.post("/v1/evaluate").bearer_auth(key).header("idempotency-key", "same").json(&body);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 202);
        ids.push(text(&response.json().await.unwrap(), "id"));
    }
    assert_ne!(ids[0], ids[1]);
    stack.stop().await;
}

#[tokio::test]
async fn w28_a_forged_address_does_not_dodge_the_limit() {
    let stack = Stack::with(&[("RATE_LIMIT_PER_MIN", "3")]).await;
    let send = |forged: &str| {
        let body = json!({ "cv_id": "a", "project_id": "b" });
        stack.post("/v1/evaluate").header("x-forwarded-for", forged).json(&body).send()
    };
    for n in 0..3 {
        assert_eq!(send(&format!("203.0.113.{n}")).await.unwrap().status(), 404);
    }
    let refused = send("203.0.113.77").await.unwrap();
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=20).contains(&wait), "{wait}");
    error_of(refused, 429, "RATE_LIMITED").await;
    // Reading is not limited.
    assert_eq!(stack.get("/v1/result/x").send().await.unwrap().status(), 404);
    stack.stop().await;
}

#[tokio::test]
async fn w28_behind_a_trusted_proxy_each_client_has_its_own_limit() {
    let stack = Stack::with(&[("RATE_LIMIT_PER_MIN", "1"), ("PLIMSOLL_GATEWAY_PEER", "127.0.0.1")]).await;
    let send = |client: &str| {
        let body = json!({ "cv_id": "a", "project_id": "b" });
        stack.post("/v1/evaluate").header("x-forwarded-for", client).json(&body).send()
    };
    for n in 0..20 {
        assert_eq!(send(&format!("203.0.113.{n}")).await.unwrap().status(), 404);
    }
    assert_eq!(send("203.0.113.7").await.unwrap().status(), 429);
    // What the client itself put in front of its address is not believed.
    assert_eq!(send("198.51.100.1, 203.0.113.7").await.unwrap().status(), 429);
    stack.stop().await;
}

#[tokio::test]
async fn a_key_has_a_limit_of_its_own_wherever_it_is_used_from() {
    let variables =
        [("API_KEYS", keys()), ("RATE_LIMIT_PER_MIN", "2".into()), ("TRUSTED_PROXIES", "127.0.0.0/8".into())];
    let stack = Stack::with(&variables.each_ref().map(|(name, value)| (*name, value.as_str()))).await;
    let send = |key: &str, client: &str| {
        let body = json!({ "cv_id": "a", "project_id": "b" });
        stack.post("/v1/evaluate").bearer_auth(key).header("x-forwarded-for", client).json(&body).send()
    };
    assert_eq!(send("secret-a", "203.0.113.1").await.unwrap().status(), 404);
    assert_eq!(send("secret-a", "203.0.113.2").await.unwrap().status(), 404);
    assert_eq!(send("secret-a", "203.0.113.3").await.unwrap().status(), 429);
    assert_eq!(send("secret-b", "203.0.113.3").await.unwrap().status(), 404);
    stack.stop().await;
}
