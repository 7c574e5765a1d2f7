//! An HTTP server with so many slots; each request takes one for so long.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Serves on `HOST:PORT`. `/readyz` is answered at once, `/hold` when the client goes, everything else after `SERVICE_MS`
/// in one of `SLOTS` slots.
pub(crate) async fn run() {
    let env = |name: &str| std::env::var(name).unwrap_or_default();
    let service = Duration::from_millis(env("SERVICE_MS").parse().unwrap_or(0));
    let slots = Arc::new(Semaphore::new(env("SLOTS").parse().unwrap_or(1)));
    let address = format!("{}:{}", env("HOST"), env("PORT"));
    let listener = TcpListener::bind(address).await.expect("a port");
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, Arc::clone(&slots), service));
    }
}

/// Requests without a body, one after another.
async fn serve(stream: TcpStream, slots: Arc<Semaphore>, service: Duration) -> Option<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    while let Some(first) = lines.next_line().await.ok()? {
        while !lines.next_line().await.ok()??.is_empty() {}
        match first.split(' ').nth(1)? {
            "/readyz" => {}
            "/hold" => {
                lines.next_line().await.ok()??;
            }
            _ => {
                let _slot = slots.acquire().await.ok()?;
                tokio::time::sleep(service).await;
            }
        }
        writer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.ok()?;
    }
    Some(())
}
