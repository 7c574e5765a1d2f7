//! One health question: an HTTP GET on the instance's own port, over a connection of its own.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HOST, USER_AGENT};
use http::{Request, Uri};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A status from 200 to 399, as Kubernetes counts it.
    Pass,
    /// Another status: it works well enough to say no.
    Refused(u16),
    /// No connection, no answer in time, or no HTTP.
    NoAnswer(String),
}

/// Asks once. The body is not read, the connection is closed.
pub(crate) async fn get(address: SocketAddr, path: &str, patience: Duration) -> Outcome {
    match timeout(patience, ask(address, path)).await {
        Ok(Ok(200..=399)) => Outcome::Pass,
        Ok(Ok(status)) => Outcome::Refused(status),
        Ok(Err(reason)) => Outcome::NoAnswer(reason),
        Err(_) => Outcome::NoAnswer(format!("no answer within {} ms", patience.as_millis())),
    }
}

async fn ask(address: SocketAddr, path: &str) -> Result<u16, String> {
    let uri: Uri = path.parse().map_err(|error| format!("`{path}` is not a path: {error}"))?;
    let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let request = Request::get(uri)
        .header(HOST, address.to_string())
        .header(USER_AGENT, "plimsoll-probe")
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    // The connection must be driven for the answer to come. Both live in this future, so giving up on it
    // closes the socket and leaves no task behind.
    let answer = sender.send_request(request);
    tokio::pin!(answer, connection);
    let response = tokio::select! {
        biased;
        answer = &mut answer => answer,
        // A server that closes right after its answer ends the connection in the very step that brings it.
        _ = &mut connection => answer.await,
    };
    response.map(|response| response.status().as_u16()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers one request with these bytes, or holds the connection open without an answer.
    async fn server(answer: Option<&'static str>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            match answer {
                Some(answer) => stream.write_all(answer.as_bytes()).await.expect("written"),
                None => std::future::pending().await,
            }
        });
        address
    }

    async fn ask_server(answer: Option<&'static str>) -> Outcome {
        get(server(answer).await, "/healthz", Duration::from_millis(500)).await
    }

    #[tokio::test]
    async fn success_and_redirects_pass_and_other_answers_do_not() {
        assert_eq!(ask_server(Some("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")).await, Outcome::Pass);
        assert_eq!(
            ask_server(Some("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")).await,
            Outcome::Pass
        );
        assert_eq!(ask_server(Some("HTTP/1.1 302 Found\r\nlocation: /\r\n\r\n")).await, Outcome::Pass);
        let refused =
            ask_server(Some("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\nno")).await;
        assert_eq!(refused, Outcome::Refused(503));
    }

    #[tokio::test]
    async fn silence_nonsense_and_a_closed_port_are_no_answer() {
        assert_eq!(ask_server(None).await, Outcome::NoAnswer("no answer within 500 ms".to_owned()));
        assert!(matches!(ask_server(Some("")).await, Outcome::NoAnswer(_)));
        assert!(matches!(ask_server(Some("SSH-2.0-OpenSSH\r\n")).await, Outcome::NoAnswer(_)));
        let closed = server(Some("")).await;
        assert!(matches!(get(closed, "not a path", Duration::from_secs(1)).await, Outcome::NoAnswer(_)));
        let free =
            std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port");
        assert!(matches!(get(free, "/", Duration::from_secs(1)).await, Outcome::NoAnswer(_)));
    }
}
