//! The command line's client against the real server.

use plimsoll_console::{AdminClient, ClientError, DecisionQuery, Operator, Secret};

use crate::stack::{DEADLINE, Stack};

const TOKEN: &str = "a-token-of-some-length";

fn client(console: &plimsoll_console::Console, token: Option<&str>) -> AdminClient {
    AdminClient::new(&format!("http://{}/", console.local_addr()), token.map(Secret::new)).expect("a client")
}

#[tokio::test]
async fn every_method_reaches_the_stack() {
    let stack = Stack::new();
    let console = stack.serve(Some(TOKEN)).await;
    let client = client(&console, Some(TOKEN));
    assert_eq!(client.status().await.expect("a view"), stack.view());
    let query = DecisionQuery { service: Some("api".to_owned()), before: Some(4), limit: 10 };
    let page = client.events(&query).await.expect("decisions");
    assert_eq!(page.decisions.iter().map(|decision| decision.id).collect::<Vec<_>>(), [2]);
    assert_eq!(client.why(3).await.expect("a record")["id"], 3);
    assert_eq!(client.logs("worker-7", 4).await.expect("lines").len(), 4);
    assert_eq!(client.scale("worker", 2).await.expect("scaled"), "2 instances asked for");
    assert_eq!(client.drain("worker-7").await.expect("drained"), "`worker-7` drains");
    assert!(client.restart("api").await.expect("restarted").contains("`api`"));
    assert_eq!(client.reload().await.expect("reloaded").len(), 1);
    client.shutdown().await.expect("begun");
    assert_eq!(*stack.shutdowns.borrow(), 1);
}

#[tokio::test]
async fn refusals_are_typed() {
    let stack = Stack::new();
    let console = stack.serve(None).await;
    let client = client(&console, None);
    let unknown = client.scale("nobody", 1).await.expect_err("unknown");
    assert_eq!(unknown.to_string(), "there is no service `nobody`");
    assert!(matches!(unknown, ClientError::NotFound(_)));
    let strange = client.drain("../../v1/shutdown?x=#").await.expect_err("unknown");
    assert_eq!(strange.to_string(), "there is no instance `../../v1/shutdown?x=#`");
    let refused = client.scale("worker", 99).await.expect_err("refused");
    assert!(matches!(refused, ClientError::Refused { hint: Some(_), .. }), "{refused:?}");
    stack.break_file();
    assert!(matches!(client.reload().await, Err(ClientError::Invalid(text)) if text.contains("hint:")));
    assert!(matches!(client.why(99).await, Err(ClientError::NotFound(_))));
    assert_eq!(*stack.shutdowns.borrow(), 0);
}

#[tokio::test]
async fn missing_token_is_said() {
    let console = Stack::new().serve(Some(TOKEN)).await;
    for token in [None, Some("wrong")] {
        let error = client(&console, token).status().await.expect_err("no token");
        assert!(matches!(error, ClientError::Unauthorized { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn silence_is_said_to_be_silence() {
    let console = Stack::new().serve(None).await;
    let client = client(&console, None);
    let addr = console.local_addr();
    assert!(console.shutdown(DEADLINE).await);
    let error = client.status().await.expect_err("nobody there");
    assert!(matches!(error, ClientError::NothingRuns { .. }), "{error:?}");
    assert_eq!(error.to_string(), format!("nothing runs at http://{addr}"));
}

#[tokio::test]
async fn something_else_on_the_port_is_said() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut head = [0; 1024];
        let _ = stream.read(&mut head).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n<html").await;
    });
    let client = AdminClient::new(&format!("http://{addr}"), None).expect("a client");
    let error = client.status().await.expect_err("not plimsoll");
    assert!(matches!(error, ClientError::Unexpected { .. }), "{error:?}");
}

#[test]
fn addresses_that_are_none_are_refused() {
    for url in
        ["127.0.0.1:8081", "https://127.0.0.1:8081", "http://", "http://a/b", "http://u:p@a", "ftp://a", ""]
    {
        let error = AdminClient::new(url, None).expect_err(url);
        assert!(matches!(error, ClientError::BadUrl { .. }), "{url}: {error:?}");
    }
}
