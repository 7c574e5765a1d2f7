//! One request on one connection, with exactly the headers the test gives.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

pub(crate) type Answer = Response<Bytes>;

/// Sends the request as it is and gives the answer as it comes.
pub(crate) async fn open(addr: SocketAddr, request: Request<Full<Bytes>>) -> Response<Incoming> {
    let stream = TcpStream::connect(addr).await.expect("the console listens");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("a connection");
    tokio::spawn(connection);
    sender.send_request(request).await.expect("an answer")
}

/// Sends the request and reads the whole answer.
pub(crate) async fn send(addr: SocketAddr, request: Request<Full<Bytes>>) -> Answer {
    let (parts, body) = open(addr, request).await.into_parts();
    let body = body.collect().await.expect("a whole body").to_bytes();
    Response::from_parts(parts, body)
}

pub(crate) fn get(addr: SocketAddr, path: &str) -> http::request::Builder {
    Request::get(path).header(header::HOST, addr.to_string())
}

pub(crate) fn post(addr: SocketAddr, path: &str) -> http::request::Builder {
    Request::post(path)
        .header(header::HOST, addr.to_string())
        .header(header::CONTENT_TYPE, "application/json")
}

pub(crate) trait Finish {
    fn empty(self) -> Request<Full<Bytes>>;
    fn with(self, body: &str) -> Request<Full<Bytes>>;
}

impl Finish for http::request::Builder {
    fn empty(self) -> Request<Full<Bytes>> {
        self.with("")
    }

    fn with(self, body: &str) -> Request<Full<Bytes>> {
        self.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).expect("a valid request")
    }
}

pub(crate) fn json(answer: &Answer) -> Value {
    serde_json::from_slice(answer.body()).expect("a JSON body")
}

/// The error code, after checking that the body has the house's shape.
pub(crate) fn code(answer: &Answer) -> String {
    let body = json(answer);
    assert!(body["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
    assert!(body["error"]["details"].is_object(), "{body}");
    body["error"]["code"].as_str().expect("a code").to_owned()
}

pub(crate) fn header_of<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers().get(name).map(|value| value.to_str().expect("plain text")).unwrap_or_default()
}
