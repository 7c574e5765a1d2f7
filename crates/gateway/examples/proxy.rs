//! The gateway alone, in front of fixed upstreams; used by `bench/gateway`.
//!
//! `proxy LISTEN WORKERS UPSTREAM...` serves until it is killed, for example `proxy 127.0.0.1:8080 1 127.0.0.1:9000`.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::SocketAddr;

use plimsoll_balance::Policy;
use plimsoll_gateway::{Gateway, Options, Upstream};
use plimsoll_stack::{Route, Timeouts, defaults};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next =
        |what: &str| arguments.next().ok_or(format!("{what} is missing: LISTEN WORKERS UPSTREAM..."));
    let listen: SocketAddr = next("LISTEN")?.parse()?;
    let workers: usize = next("WORKERS")?.parse()?;
    let mut upstreams = Vec::new();
    for (index, address) in arguments.enumerate() {
        upstreams.push(Upstream { id: format!("upstream-{index}"), address: address.parse()?, weight: 1 });
    }
    let config = plimsoll_stack::Gateway {
        listen,
        trusted_proxies: Vec::new(),
        max_connections: defaults::MAX_CONNECTIONS,
        timeouts: Timeouts::default(),
        wait_for_upstream: defaults::WAIT_FOR_UPSTREAM,
        max_waiting: defaults::MAX_WAITING,
        routes: vec![Route { host: None, path: "/".into(), service: "bench".into(), timeout: None }],
    };
    let policies = BTreeMap::from([("bench".to_owned(), Policy::RoundRobin)]);
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let options = Options { workers: Some(workers), ..Options::default() };
        let gateway = Gateway::start(&config, &policies, options).await?;
        gateway.set_upstreams("bench", upstreams);
        std::future::pending::<()>().await;
        Ok(())
    })
}
