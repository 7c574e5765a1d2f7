use crate::support::*;

#[tokio::test]
async fn host_and_path_choose_the_service() {
    let (a, b) = (Server::echo("a").await, Server::echo("b").await);
    let mut config = config();
    config.routes = vec![route(None, "/a", "a"), route(Some("b.example.org"), "/", "b")];
    let (gateway, address) = gateway(&config, &[]).await;
    gateway.set_upstreams("a", named(&[a.address]));
    gateway.set_upstreams("b", named(&[b.address]));

    let request = "GET /a/x HTTP/1.1\r\nhost: b.example.org:80\r\n\r\n";
    assert_eq!(ask(address, request).await.field("x-served-by").as_deref(), Some("b"));
    assert_eq!(get(address, "/a/x?q").await.field("x-served-by").as_deref(), Some("a"));
    let missing = get(address, "/ab").await;
    assert_eq!((missing.status(), missing.error_code().as_str()), (404, "no_route"));
}

#[tokio::test]
async fn an_absolute_target_overrides_the_host_and_is_forwarded_as_a_path() {
    let server = Server::echo("a").await;
    let (_gateway, address) = gateway(&config(), &[server.address]).await;
    let seen = ask(address, "GET http://other.example/p?q=1 HTTP/1.1\r\nhost: test\r\n\r\n").await.text();
    assert!(seen.starts_with("GET /p?q=1 HTTP/1.1\r\nhost: other.example\r\n"), "{seen}");
    assert_eq!(seen.matches("host:").count(), 2, "host and x-forwarded-host only: {seen}");
}
