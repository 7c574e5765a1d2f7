//! A scripted provider on loopback, and the model behind it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::model::{completion, obedient};

/// What the provider does with one request.
pub(crate) enum Reply {
    /// A completion with this content, as [`completion`] wraps it.
    Content(String),
    /// The obedient model's answer.
    Obedient,
    /// This status, header lines and body.
    Status(u16, Vec<(&'static str, String)>, String),
    /// Never answers.
    Stall,
    /// Promises a body and breaks off.
    Cut,
}

/// A request as it arrived.
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    pub(crate) body: Value,
}

/// Answers by script, and with the obedient model when the script has ended.
pub(crate) struct Provider {
    pub(crate) base_url: String,
    shared: Arc<Shared>,
}

struct Shared {
    script: Mutex<VecDeque<Reply>>,
    /// Used instead of the obedient model when the script has ended.
    forever: Mutex<Option<fn() -> Reply>>,
    seen: Mutex<Vec<Seen>>,
    arrived: Notify,
}

// === impl Provider ===

impl Provider {
    pub(crate) async fn start(script: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let base_url = format!("http://{}/v1", listener.local_addr().expect("address"));
        let shared = Arc::new(Shared {
            script: Mutex::new(script.into()),
            forever: Mutex::new(None),
            seen: Mutex::new(Vec::new()),
            arrived: Notify::new(),
        });
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&serving);
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(request, Arc::clone(&shared)));
                    // A client that hangs up in the middle is part of several tests.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { base_url, shared }
    }

    pub(crate) fn always(&self, reply: fn() -> Reply) {
        *self.shared.forever.lock().expect("lock") = Some(reply);
    }

    pub(crate) fn calls(&self) -> usize {
        self.shared.seen.lock().expect("lock").len()
    }

    pub(crate) fn with_seen<T>(&self, look: impl FnOnce(&[Seen]) -> T) -> T {
        look(&self.shared.seen.lock().expect("lock"))
    }

    /// Waits until a request has arrived.
    pub(crate) async fn arrived(&self) {
        self.shared.arrived.notified().await;
    }
}

type Body = BoxBody<Bytes, std::io::Error>;

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    let authorization =
        request.headers().get("authorization").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let bytes = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    if path.ends_with("/embeddings") {
        let (status, text) = embed(&body);
        shared.seen.lock().expect("lock").push(Seen { path, authorization, body });
        // Lets others ask for the same meanwhile.
        tokio::task::yield_now().await;
        let body = Full::new(Bytes::from(text)).map_err(|never: Infallible| match never {}).boxed();
        return Ok(Response::builder().status(status).body(body).expect("response"));
    }
    let scripted = shared.script.lock().expect("lock").pop_front();
    let forever = *shared.forever.lock().expect("lock");
    let reply = scripted.unwrap_or_else(|| forever.map_or(Reply::Obedient, |reply| reply()));
    let obedient = obedient(&body);
    shared.seen.lock().expect("lock").push(Seen { path, authorization, body });
    shared.arrived.notify_one();
    let (status, headers, text) = match reply {
        Reply::Content(content) => (200, Vec::new(), completion(&content).to_string()),
        Reply::Obedient => (200, Vec::new(), completion(&obedient.to_string()).to_string()),
        Reply::Status(status, headers, text) => (status, headers, text),
        Reply::Stall => return std::future::pending().await,
        Reply::Cut => {
            let frames = [
                Ok(Frame::data(Bytes::from_static(b"{\"choices\": [{\"mess"))),
                Err(std::io::Error::other("the provider's process was killed")),
            ];
            let body = StreamBody::new(tokio_stream::iter(frames));
            return Ok(Response::new(BodyExt::boxed(body)));
        }
    };
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    let body = Full::new(Bytes::from(text)).map_err(|never: Infallible| match never {}).boxed();
    Ok(response.body(body).expect("response"))
}

/// A vector of 64 for each text, in reverse order: one place for each distinct word. Model `broken` refuses, model
/// `uneven` cannot decide on a dimension, that of `short` is 32.
fn embed(request: &Value) -> (u16, String) {
    if request["model"] == "broken" {
        return (400, json!({ "error": { "message": "no such model" } }).to_string());
    }
    let texts = request["input"].as_array().cloned().unwrap_or_default();
    let vector = |text: &str| {
        let mut vector = vec![0.0; 64];
        for word in text.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 3) {
            let place = word.bytes().fold(7_usize, |hash, byte| (hash * 31 + usize::from(byte)) % 64);
            vector[place] = 1.0;
        }
        vector
    };
    let mut data: Vec<Value> = texts
        .iter()
        .enumerate()
        .map(
            |(index, text)| json!({ "index": index, "embedding": vector(text.as_str().unwrap_or_default()) }),
        )
        .collect();
    if request["model"] == "short" {
        for item in &mut data {
            item["embedding"] = json!(vec![1.0; 32]);
        }
    }
    if request["model"] == "uneven" {
        data[0]["embedding"] = json!([1.0, 2.0]);
    }
    data.reverse();
    (200, json!({ "data": data, "usage": { "prompt_tokens": 7 } }).to_string())
}
