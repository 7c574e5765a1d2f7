use super::*;
use plimsoll_balance::Policy;

fn router(routes: &[(Option<&str>, &str, &str)]) -> Router {
    let routes = routes.iter().map(|(host, path, service)| {
        let service = Arc::new(Service::new((*service).to_owned(), Policy::RoundRobin, 1));
        let metrics = Arc::new(RouteMetrics::new(1));
        Arc::new(Route::new(host.map(str::to_owned), path, service, Duration::from_secs(1), metrics))
    });
    Router::new(routes.collect())
}

fn found<'a>(router: &'a Router, host: &str, path: &str) -> Option<&'a str> {
    router.find(host, path).map(|route| route.service.name())
}

#[test]
fn the_longest_prefix_that_ends_at_a_segment_wins() {
    let router = router(&[(None, "/", "root"), (None, "/api", "api"), (None, "/api/v2/", "v2")]);
    for (path, service) in [
        ("/", "root"),
        ("/apix", "root"),
        ("/api", "api"),
        ("/api/", "api"),
        ("/api/v1", "api"),
        ("/api/v2", "v2"),
        ("/api/v2/x", "v2"),
        ("/api/v20", "api"),
    ] {
        assert_eq!(found(&router, "any", path), Some(service), "{path}");
    }
}

#[test]
fn a_host_route_goes_before_one_for_every_host() {
    let router = router(&[(None, "/long/path", "any"), (Some("api.example.org"), "/", "host")]);
    for host in ["api.example.org", "API.Example.org:8080", "api.example.org.", "api.example.org.:80"] {
        assert_eq!(found(&router, host, "/long/path"), Some("host"), "{host}");
    }
    assert_eq!(found(&router, "example.org", "/long/path"), Some("any"));
    assert_eq!(found(&router, "example.org", "/"), None);
}

#[test]
fn ipv6_hosts_lose_only_their_port() {
    assert_eq!(without_port("[::1]:80"), "[::1]");
    assert_eq!(without_port("[::1]"), "[::1]");
}

#[test]
fn dots_and_doubled_slashes_are_resolved_for_routing() {
    for (path, normal) in [
        ("/a/b", "/a/b"),
        ("/a/../b", "/b"),
        ("/a/%2e%2E/b/", "/b/"),
        ("/a/.%2e/b", "/b"),
        ("//a///b", "/a/b"),
        ("/a/./b", "/a/b"),
        ("/a/..", "/"),
        ("/a%20b/.c", "/a%20b/.c"),
        ("/a%2fb", "/a%2fb"),
        ("/%61dmin", "/admin"),
        ("/a%", "/a%"),
        ("/a%4", "/a%4"),
        ("/a%zz%ä", "/a%zz%ä"),
    ] {
        assert_eq!(routing_path(path).as_deref(), Ok(normal), "{path}");
    }
    assert_eq!(routing_path("/a/../../b"), Err(OutsideRoot));
}
