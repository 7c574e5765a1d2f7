//! What scaling looks at: numbers by service, and a bell when they change.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::support::{PATIENCE, Peer, Server, config, eventually, gateway, get, named, route};

#[tokio::test]
async fn waiting_in_flight_and_times_are_told_by_service() {
    let answers = Arc::new(Semaphore::new(0));
    let gate = answers.clone();
    let server = Server::start(move |mut peer, _| {
        let gate = gate.clone();
        async move {
            while peer.try_message().await.is_some() {
                gate.acquire().await.expect("open").forget();
                peer.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
            }
        }
    })
    .await;
    let mut config = config();
    config.routes = vec![route(None, "/", "api"), route(None, "/late", "late"), route(None, "/v2", "api")];
    let (gateway, address) = gateway(&config, &[server.address]).await;
    let of = |service: &str| gateway.stats().services.get(service).cloned().unwrap_or_default();

    let mut clients = Vec::new();
    for path in ["/", "/v2", "/late"] {
        let mut client = Peer::connect(address).await;
        client.send(format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n")).await;
        clients.push(client);
    }
    eventually("two at the upstream, one waits for nobody", || {
        let (api, late) = (of("api"), of("late"));
        (api.in_flight, api.waiting, late.in_flight, late.waiting) == (2, 0, 0, 1)
    })
    .await;
    assert_eq!((of("api").requests_total, of("api").served.count()), (0, 0));

    // The one that waited is served by an upstream that came later: its wait is not the upstream's time.
    gateway.set_upstreams("late", named(&[server.address]));
    answers.add_permits(3);
    for client in &mut clients {
        assert_eq!(client.message().await.status(), 200);
    }
    eventually("all have ended", || of("api").requests_total + of("late").requests_total == 3).await;
    let (api, late) = (of("api"), of("late"));
    assert_eq!((api.in_flight, api.served.count(), late.waiting, late.served.count()), (0, 2, 0, 1));
    assert_eq!(gateway.stats().requests_total, 3);
}

#[tokio::test]
async fn bell_rings_once_for_all_that_happens_before_the_next_look() {
    let server = Server::echo("a").await;
    let (gateway, address) = gateway(&config(), &[server.address]).await;
    let changes = gateway.changes();
    // Nobody listened: nothing is kept for later.
    get(address, "/").await;
    changes.arm();
    for _ in 0..5 {
        get(address, "/").await;
    }
    timeout(PATIENCE, changes.rung()).await.expect("it rings");
    // Polled once: one that were left over would be ready at once.
    let mut again = std::pin::pin!(changes.rung());
    let is_over =
        std::future::poll_fn(|context| std::task::Poll::Ready(again.as_mut().poll(context).is_pending()));
    assert!(is_over.await, "rang twice");

    changes.arm();
    get(address, "/").await;
    timeout(PATIENCE, again).await.expect("and again after the next look");
}
