use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use super::*;

const WORKER: usize = 0;
const AGES: Duration = Duration::from_secs(3600);

/// Connected pairs: ours and the other end.
async fn pairs(count: usize) -> Vec<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound");
    let mut pairs = Vec::new();
    for _ in 0..count {
        let ours = TcpStream::connect(address).await.expect("connects");
        pairs.push((ours, listener.accept().await.expect("accepts").0));
    }
    pairs
}

#[tokio::test]
async fn the_latest_used_comes_first_and_the_longest_unused_is_closed() {
    let pool = IdlePool::new(1);
    let now = Instant::now();
    let mut others = Vec::new();
    let mut ports = Vec::new();
    for (ours, other) in pairs(MAX_IDLE + 20).await {
        ports.push(ours.local_addr().expect("connected"));
        pool.put(WORKER, ours, now);
        others.push(other);
    }
    let taken: Vec<_> = std::iter::from_fn(|| pool.take(WORKER, now, AGES))
        .map(|stream| stream.local_addr().expect("connected"))
        .collect();
    ports.reverse();
    assert_eq!(taken, ports[..MAX_IDLE]);
}

#[tokio::test]
async fn old_closed_and_talking_connections_are_not_used() {
    let pool = IdlePool::new(1);
    let now = Instant::now();
    let mut pairs = pairs(3).await;
    let (talking, mut other) = pairs.remove(0);
    other.write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n").await.expect("sends");
    talking.readable().await.expect("arrives");
    pool.put(WORKER, talking, now);
    let (closed, other) = pairs.remove(0);
    drop(other);
    closed.readable().await.expect("arrives");
    pool.put(WORKER, closed, now);
    assert!(pool.take(WORKER, now, AGES).is_none());

    let (old, _other) = pairs.remove(0);
    pool.put(WORKER, old, now);
    let later = now + Duration::from_secs(3);
    assert!(pool.take(WORKER, later, Duration::from_secs(2)).is_none());
    assert!(pool.take(WORKER, later, Duration::from_secs(4)).is_some(), "it was not thrown away");
}

#[tokio::test]
async fn a_closed_pool_takes_nothing() {
    let pool = IdlePool::new(1);
    let mut pairs = pairs(2).await;
    let now = Instant::now();
    pool.put(WORKER, pairs.remove(0).0, now);
    pool.close();
    pool.put(WORKER, pairs.remove(0).0, now);
    assert!(pool.take(WORKER, now, AGES).is_none());
}
