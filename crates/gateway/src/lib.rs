//! The data plane: accepts HTTP/1.1, chooses a route and an upstream, forwards, streams, tunnels, retries and counts.
//!
//! A request's way, file by file:
//!
//! | file | does |
//! |---|---|
//! | `listener` | accepts connections and hands them to the least loaded worker thread |
//! | `connection` | reads one request head after another |
//! | `request` | decides what a head means, strictly, and writes the head to forward |
//! | `exchange` | picks an upstream, retries, waits for one that is starting |
//! | `attempt`, `upload` | send to one upstream up to the head of its answer |
//! | `response` | rewrites that head for the client |
//! | `relay`, `pump` | move the bodies as they come |
//! | `tunnel` | moves bytes after an upgrade |
//!
//! Every worker thread runs its own single-threaded runtime with its own connections, buffers and counters; what they
//! share is a configuration that is replaced as a whole and, per service, a short lock around the pure state machines
//! of [`plimsoll_balance`].
//!
//! HTTP/1.1 messages are parsed by `httparse` and framed by this crate rather than by hyper, for two reasons. A proxy
//! of hyper's server and client spends its time on maps of headers and channels between tasks (0.80 of nginx's requests
//! per CPU-second when measured); and hyper mends what a gateway has to refuse, such as a message with both
//! `Content-Length` and `Transfer-Encoding`, and answers faulty heads itself, without our error shape.

mod attempt;
mod bell;
mod buffer;
mod chunked;
mod connection;
mod durations;
mod exchange;
mod field;
mod forwarded;
mod gateway;
mod limits;
mod listener;
mod method;
mod metrics;
mod pool;
mod problem;
mod pump;
mod relay;
mod render;
mod request;
mod response;
mod route;
mod service;
mod timer;
mod tunnel;
mod upload;
mod worker;

pub use bell::Changes;
pub use durations::Durations;
pub use gateway::{Error, Gateway, GatewayStats, Options, Upstream};
pub use limits::Limits;
pub use metrics::{Answered, BUCKETS_S};
pub use service::{ServiceStats, UpstreamStats};
