//! A scripted OpenAI-compatible model: answers the three-step chain after a fixed thinking time.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{RecvTimeoutError, sync_channel},
    },
    time::Duration,
};

use serde_json::{Value, json};

/// The model; its threads end with the test process.
pub(crate) struct Model {
    address: SocketAddr,
    refuses: Arc<AtomicBool>,
}

impl Model {
    /// Starts a model that thinks for `thinking` before every answer.
    pub(crate) fn start(thinking: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let refuses = Arc::new(AtomicBool::new(false));
        let refused = Arc::clone(&refuses);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let refuses = Arc::clone(&refused);
                std::thread::spawn(move || serve(&stream, thinking, &refuses));
            }
        });
        Self { address, refuses }
    }

    /// From now on it answers 401, or no longer.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::SeqCst);
    }

    /// Settings that make the application ask this model.
    pub(crate) fn env(&self) -> Vec<(&'static str, String)> {
        vec![
            ("SCORER", "openai".to_owned()),
            ("OPENAI_BASE_URL", format!("http://{}/v1", self.address)),
            ("OPENAI_API_KEY", "scripted".to_owned()),
            ("OPENAI_MODEL", "scripted".to_owned()),
        ]
    }
}

fn serve(stream: &TcpStream, thinking: Duration, refuses: &AtomicBool) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(body) = read_request(&mut reader)? {
        think(thinking);
        let (status, answer) = if refuses.load(Ordering::SeqCst) {
            ("401 Unauthorized", json!({ "error": { "message": "incorrect API key" } }).to_string())
        } else {
            ("200 OK", answer(&body).to_string())
        };
        let mut stream = stream;
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length");
        write!(stream, "{head}: {}\r\n\r\n{answer}", answer.len())?;
    }
    Ok(())
}

fn read_request(reader: &mut impl BufRead) -> std::io::Result<Option<Value>> {
    let mut length = 0;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 {
        let header = line.trim().to_ascii_lowercase();
        if header.is_empty() {
            let mut body = vec![0; length];
            reader.read_exact(&mut body)?;
            return Ok(Some(serde_json::from_slice(&body)?));
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        line.clear();
    }
    Ok(None)
}

/// How long an answer takes is the load that a test puts on the stack; no test waits for it.
fn think(thinking: Duration) {
    let (_sender, never) = sync_channel::<()>(0);
    assert_eq!(never.recv_timeout(thinking), Err(RecvTimeoutError::Timeout));
}

/// A chat completion whose content fits the schema that the request asks for.
fn answer(request: &Value) -> Value {
    let schema = &request["response_format"]["json_schema"]["schema"];
    assert!(schema.is_object(), "the application asks for a schema: {request}");
    json!({
        "model": "scripted",
        "choices": [{ "message": { "content": fitting(schema).to_string() }, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 100, "completion_tokens": 20 },
    })
}

/// The plainest value that a schema allows.
fn fitting(schema: &Value) -> Value {
    match schema["type"].as_str() {
        Some("object") => {
            let properties = schema["properties"].as_object().expect("properties");
            properties.iter().map(|(name, schema)| (name.clone(), fitting(schema))).collect()
        }
        Some("array") => json!([fitting(&schema["items"])]),
        Some("number" | "integer") => json!(4),
        _ => json!("the scripted model has read the documents"),
    }
}
