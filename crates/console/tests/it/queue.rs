//! Jobs and dead letters over the API and through the client.

use plimsoll_console::{
    AdminClient, ClientError, Secret,
    queue::{Act, LetterQuery, Order},
};
use serde_json::json;

use crate::{
    desk::LOCKED_JOB,
    http::{Finish, code, get, json as body, post, send},
    stack::Stack,
};

const TOKEN: &str = "a-token-of-some-length";

#[tokio::test]
async fn letters_come_page_by_page() {
    let stack = Stack::new();
    let console = stack.serve(None).await;
    let addr = console.local_addr();
    let first = body(&send(addr, get(addr, "/api/v1/dead-letters?limit=1").empty()).await);
    assert_eq!(first["letters"][0]["id"], 17);
    let next = first["next"].as_str().expect("another page");
    let path = format!("/api/v1/dead-letters?limit=1&after={next}");
    let second = body(&send(addr, get(addr, &path).empty()).await);
    assert_eq!((&second["letters"][0]["id"], second.get("next")), (&json!(18), None));
    let wrong = send(addr, get(addr, "/api/v1/dead-letters?after=yesterday").empty()).await;
    assert_eq!((wrong.status().as_u16(), code(&wrong).as_str()), (422, "invalid"));
    for limit in ["0", "201", "x"] {
        let wrong = send(addr, get(addr, &format!("/api/v1/dead-letters?limit={limit}")).empty()).await;
        assert_eq!(wrong.status(), 400, "{limit}");
    }
}

#[tokio::test]
async fn an_order_reaches_the_operator_with_who_gave_it() {
    let stack = Stack::new();
    let console = stack.serve(None).await;
    let addr = console.local_addr();
    let request = post(addr, "/api/v1/jobs/requeue").with(r#"{"jobs": [17, 99], "by": "the page"}"#);
    let answer = send(addr, request).await;
    assert_eq!(
        body(&answer),
        json!({
            "message": "requeued 1", "done": 1, "more": false,
            "refused": [{ "job": 99, "why": "no dead letter 99" }],
        })
    );
    let orders = stack.orders.lock().unwrap();
    assert_eq!((orders[0].0, orders[0].1.giver()), (Act::Requeue, "the page"));
}

#[tokio::test]
async fn orders_that_make_no_sense_never_reach_the_operator() {
    let stack = Stack::new();
    let console = stack.serve(None).await;
    let addr = console.local_addr();
    let long = format!(r#"{{"jobs": [17], "by": "{}"}}"#, "x".repeat(81));
    for (path, request) in [
        ("/api/v1/jobs/discard", "{}"),
        ("/api/v1/jobs/discard", r#"{"all": true, "jobs": [17]}"#),
        ("/api/v1/jobs/discard", r#"{"jobs": [17], "queue": "evaluate"}"#),
        ("/api/v1/jobs/discard", r#"{"jobs": ["17"]}"#),
        ("/api/v1/jobs/discard", r#"{"jobs": [17], "sure": true}"#),
        ("/api/v1/jobs/cancel", r#"{"all": true}"#),
        ("/api/v1/jobs/requeue", &long),
    ] {
        let answer = send(addr, post(addr, path).with(request)).await;
        assert_eq!((answer.status().as_u16(), code(&answer).as_str()), (422, "invalid"), "{path} {request}");
    }
    assert!(stack.orders.lock().unwrap().is_empty());
    assert_eq!(stack.letters.lock().unwrap().len(), 2, "nothing was discarded");
}

#[tokio::test]
async fn foreign_sites_and_strangers_touch_no_job() {
    let stack = Stack::new();
    let console = stack.serve(Some(TOKEN)).await;
    let addr = console.local_addr();
    let order = r#"{"all": true}"#;
    for path in ["/api/v1/jobs/requeue", "/api/v1/jobs/discard", "/api/v1/jobs/cancel"] {
        let stranger = send(addr, post(addr, path).with(order)).await;
        assert_eq!(stranger.status(), 401, "{path}");
        let foreign = post(addr, path)
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("origin", "http://evil.example");
        assert_eq!(send(addr, foreign.with(order)).await.status(), 403, "{path}");
    }
    for path in ["/api/v1/dead-letters", "/api/v1/jobs/17"] {
        assert_eq!(send(addr, get(addr, path).empty()).await.status(), 401, "{path}");
    }
    assert!(stack.orders.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_client_asks_and_orders() {
    let stack = Stack::new();
    let console = stack.serve(Some(TOKEN)).await;
    let url = format!("http://{}", console.local_addr());
    let client = AdminClient::new(&url, Some(Secret::new(TOKEN))).unwrap();
    let query = LetterQuery { queue: Some("mail".to_owned()), after: None, limit: 5 };
    assert_eq!(client.dead_letters(&query).await.unwrap().letters[0].id, 18);
    assert_eq!(client.job(17).await.unwrap().state, "dead");
    assert!(matches!(client.job(1).await, Err(ClientError::NotFound(_))));
    assert!(matches!(client.job(LOCKED_JOB).await, Err(ClientError::Refused { hint: Some(_), .. })));
    let order = Order { all: true, queue: Some("mail".to_owned()), ..Order::default() };
    assert_eq!(client.order(Act::Discard, &order).await.unwrap().done, 1);
    let nothing = client.order(Act::Discard, &Order::default()).await;
    assert!(matches!(nothing, Err(ClientError::Invalid(_))), "{nothing:?}");
}
