//! hyper on both sides: an independent implementation of what we send and read.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use futures::future::join_all;
use futures::stream;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

use crate::support::*;

type Body = BoxBody<Bytes, Infallible>;

fn sized(bytes: Bytes) -> Body {
    Full::new(bytes).boxed()
}

/// The same bytes as a body of unknown length, in pieces.
fn chunked(bytes: &Bytes, piece: usize) -> Body {
    let pieces: Vec<_> =
        bytes.chunks(piece.max(1)).map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece)))).collect();
    StreamBody::new(stream::iter(pieces)).boxed()
}

/// A hyper server that returns the body, sized or chunked as `x-answer` says.
async fn hyper_echo() -> SocketAddr {
    async fn echo(request: Request<Incoming>) -> Result<Response<Body>, hyper::Error> {
        let is_chunked = request.headers().get("x-answer").is_some_and(|value| value == "chunked");
        let bytes = request.into_body().collect().await?.to_bytes();
        let piece = bytes.len() / 3;
        Ok(Response::new(if is_chunked { chunked(&bytes, piece) } else { sized(bytes) }))
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("accepts");
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(echo));
            tokio::spawn(connection);
        }
    });
    address
}

#[tokio::test]
async fn bodies_of_many_sizes_come_back_as_they_went() {
    let upstreams = [hyper_echo().await, hyper_echo().await];
    let (_gateway, address) = gateway(&config(), &upstreams).await;
    let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build_http();
    let exchange = |number: usize| {
        let client = client.clone();
        async move {
            // Around the sizes of the buffers, and a few in between.
            let size =
                [0, 1, 15, 1_000, 2_047, 2_048, 2_049, 32_767, 32_768, 32_769, 65_536, 200_003][number % 12];
            let bytes: Bytes = (0..size).map(|at: usize| (at * 7 + number) as u8).collect();
            let body = if number.is_multiple_of(2) {
                sized(bytes.clone())
            } else {
                chunked(&bytes, 1 + number * 97)
            };
            let request = Request::post(format!("http://{address}/echo"))
                .header("x-answer", if number.is_multiple_of(3) { "chunked" } else { "sized" })
                .body(body)
                .expect("a request");
            let answer = client.request(request).await.expect("an answer");
            assert_eq!(answer.status(), StatusCode::OK);
            let back = answer.into_body().collect().await.expect("a whole body").to_bytes();
            assert!(back == bytes, "{size} bytes came back as {}", back.len());
        }
    };
    join_all((0..240).map(exchange)).await;
}
