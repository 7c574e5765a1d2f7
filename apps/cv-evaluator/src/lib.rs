//! The AI CV Evaluator: a recruiter uploads a CV and a project report, asks for an evaluation and polls for the
//! scores. `serve` is the HTTP API, `work` the workers; both share one database, which is also the queue.

pub mod admin;
pub mod api;
pub mod metrics;
mod pipeline;
mod requests;
pub mod serve;
pub mod settings;
pub mod spool;
pub mod store;
pub mod work;
