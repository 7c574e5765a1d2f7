//! The administrator's operations.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use cv_evaluator::admin::hash_password;
use serde_json::{Value, json};

use super::support::{Stack, error_of, text};

static HASH: LazyLock<String> = LazyLock::new(|| hash_password(b"correct horse").unwrap());

pub(crate) async fn stack() -> Stack {
    stack_with(&[]).await
}

async fn stack_with(more: &[(&str, &str)]) -> Stack {
    let variables = [
        ("ADMIN_USERNAME", "root\"admin"),
        ("ADMIN_PASSWORD_HASH", &HASH),
        ("ADMIN_SESSION_SECRET", "0123456789abcdef0123456789abcdef"),
        // Makes a failure final at the first attempt.
        ("JOB_MAX_ATTEMPTS", "1"),
    ];
    Stack::with(&[variables.as_slice(), more].concat()).await
}

pub(crate) async fn log_in(stack: &Stack) -> String {
    let login = json!({ "username": "root\"admin", "password": "correct horse" });
    let response = stack.post("/admin/token").json(&login).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let body: Value = response.json().await.unwrap();
    // W26: the predecessor pasted the name into JSON.
    assert_eq!(body["username"], json!("root\"admin"));
    text(&body, "token")
}

#[tokio::test]
async fn a_token_opens_what_is_closed_without_it() {
    let stack = stack().await;
    for path in ["/admin/api/status", "/admin/api/stats", "/admin/api/jobs", "/admin/api/jobs/x"] {
        error_of(stack.get(path).send().await.unwrap(), 401, "UNAUTHENTICATED").await;
        let forged = stack.get(path).header("x-auth-request-user", "root\"admin").bearer_auth("a.b.c");
        error_of(forged.send().await.unwrap(), 401, "UNAUTHENTICATED").await;
    }
    let token = log_in(&stack).await;
    let status: Value =
        stack.get("/admin/api/status").bearer_auth(&token).send().await.unwrap().json().await.unwrap();
    assert_eq!(status, json!({ "status": "authenticated", "username": "root\"admin" }));
    stack.stop().await;
}

#[tokio::test]
async fn w26_guessing_is_refused_and_limited() {
    let stack = stack().await;
    let attempt = |username: &str, password: &str| {
        stack.post("/admin/token").json(&json!({ "username": username, "password": password })).send()
    };
    error_of(attempt("root\"admin", "wrong").await.unwrap(), 401, "UNAUTHENTICATED").await;
    error_of(attempt("someone", "correct horse").await.unwrap(), 401, "UNAUTHENTICATED").await;
    error_of(attempt("root\"admin", "").await.unwrap(), 400, "INVALID_ARGUMENT").await;
    let mut limited = false;
    for _ in 0..5 {
        limited |= attempt("root\"admin", "wrong").await.unwrap().status() == 429;
    }
    assert!(limited);
    error_of(attempt("root\"admin", "correct horse").await.unwrap(), 429, "RATE_LIMITED").await;
    stack.stop().await;
}

#[tokio::test]
async fn w26_a_wrong_name_takes_as_long_as_a_wrong_password() {
    let stack = stack_with(&[("TRUSTED_PROXIES", "127.0.0.0/8")]).await;
    let mut fastest = [Duration::MAX; 2];
    for round in 0..4 {
        for (which, username) in ["root\"admin", "nobody"].into_iter().enumerate() {
            let login = json!({ "username": username, "password": "wrong" });
            let from = format!("203.0.113.{}", round * 2 + which);
            let started = Instant::now();
            let response = stack.post("/admin/token").header("x-forwarded-for", from).json(&login).send();
            error_of(response.await.unwrap(), 401, "UNAUTHENTICATED").await;
            fastest[which] = fastest[which].min(started.elapsed());
        }
    }
    // Hashing takes tens of milliseconds, an answer without it about one. Other tests run meanwhile, so this is coarse.
    let [known, unknown] = fastest;
    assert!(unknown * 3 > known && known * 3 > unknown, "{known:?} for a known name, {unknown:?} for none");
    stack.stop().await;
}

#[tokio::test]
async fn a_form_logs_in_as_json_does() {
    let stack = stack().await;
    let form = stack
        .post("/admin/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body("username=root%22admin&password=correct+horse");
    assert_eq!(form.send().await.unwrap().status(), 200);
    stack.stop().await;
}

#[tokio::test]
async fn w29_an_unknown_job_is_not_found() {
    let stack = stack().await;
    let token = log_in(&stack).await;
    for request in [stack.get("/admin/api/jobs/nope"), stack.post("/admin/api/jobs/nope/requeue")] {
        error_of(request.bearer_auth(&token).send().await.unwrap(), 404, "NOT_FOUND").await;
    }
    stack.stop().await;
}

#[tokio::test]
async fn w38_pages_follow_each_other_while_rows_arrive() {
    let stack = stack().await;
    let token = log_in(&stack).await;
    let body = stack.upload_texts().await;
    let mut made = Vec::new();
    for _ in 0..7 {
        made.push(stack.evaluate(&body).await);
    }
    let mut seen = Vec::new();
    let mut path = "/admin/api/jobs?limit=3".to_owned();
    loop {
        let page: Value = stack.get(&path).bearer_auth(&token).send().await.unwrap().json().await.unwrap();
        seen.extend(page["jobs"].as_array().unwrap().iter().map(|job| text(job, "id")));
        // A newcomer shifts no later page.
        stack.evaluate(&body).await;
        match page["pagination"]["next"].as_str() {
            Some(next) => path = format!("/admin/api/jobs?limit=3&cursor={next}"),
            None => break,
        }
    }
    made.reverse();
    assert_eq!(seen, made);
    stack.stop().await;
}

#[tokio::test]
async fn the_list_is_filtered_by_status_and_by_the_beginning_of_an_id() {
    let stack = stack().await;
    let token = log_in(&stack).await;
    let body = stack.upload_texts().await;
    let id = stack.evaluate(&body).await;
    stack.evaluate(&stack.upload_texts().await).await;
    let list = async |query: &str| {
        let request = stack.get(&format!("/admin/api/jobs?{query}")).bearer_auth(&token);
        let page: Value = request.send().await.unwrap().json().await.unwrap();
        page["jobs"].as_array().unwrap().len()
    };
    assert_eq!(list("status=queued").await, 2);
    assert_eq!(list("status=failed").await, 0);
    assert_eq!(list(&format!("search={}", &id)).await, 1);
    assert_eq!(list(&format!("search={}", &text(&body, "cv_id")[..13])).await, 1);
    assert_eq!(list(&format!("search={}&status=completed", &text(&body, "project_id"))).await, 0);
    for bad in
        ["limit=0", "limit=101", "limit=x", "status=lost", "search=", "search=%25", "cursor=!", "page=2"]
    {
        let request = stack.get(&format!("/admin/api/jobs?{bad}")).bearer_auth(&token);
        error_of(request.send().await.unwrap(), 400, "INVALID_ARGUMENT").await;
    }
    stack.stop().await;
}

#[tokio::test]
async fn totals_follow_every_change() {
    let stack = stack().await;
    let token = log_in(&stack).await;
    let stats = async || -> Value {
        stack.get("/admin/api/stats").bearer_auth(&token).send().await.unwrap().json().await.unwrap()
    };
    assert_eq!(stats().await, json!({"uploads":0,"evaluations":0,"completed":0,"failed":0,"avg_time":0.0}));
    let id = stack.evaluate(&stack.upload_texts().await).await;
    let broken = super::worker::upload_broken(&stack).await;
    let broken = stack.evaluate(&broken).await;
    let worker = stack.worker(&[]).await;
    assert_eq!(stack.finished(&id).await["status"], "completed");
    assert_eq!(stack.finished(&broken).await["status"], "failed");
    worker.stop().await;
    let after = stats().await;
    assert_eq!((&after["uploads"], &after["evaluations"]), (&json!(4), &json!(2)));
    assert_eq!((&after["completed"], &after["failed"]), (&json!(1), &json!(1)));
    assert!(after["avg_time"].as_f64().unwrap() > 0.0);

    let detail: Value = stack
        .get(&format!("/admin/api/jobs/{broken}"))
        .bearer_auth(&token)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(detail["job"]["error"]["code"], detail["result"]["error"]["code"]);
    let requeue = |id: &str| stack.post(&format!("/admin/api/jobs/{id}/requeue")).bearer_auth(&token).send();
    error_of(requeue(&id).await.unwrap(), 409, "CONFLICT").await;
    let requeued = requeue(&broken).await.unwrap();
    assert_eq!(requeued.status(), 202);
    assert_eq!(requeued.json::<Value>().await.unwrap()["status"], "queued");
    assert_eq!(stats().await["failed"], 0);
    error_of(requeue(&broken).await.unwrap(), 409, "CONFLICT").await;
    let worker = stack.worker(&[]).await;
    stack.finished(&broken).await;
    assert_eq!(stats().await["failed"], 1);
    worker.stop().await;
    stack.stop().await;
}
