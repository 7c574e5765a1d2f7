//! The application over real sockets, with a real database file and real worker processes. Tests named after a
//! weakness of the predecessor (`w08_…`) prove that it is mended.

mod admin;
mod edge;
mod erase;
mod evaluate;
mod figures;
mod hostile;
mod kafka;
mod large;
#[path = "../../../cv-scoring/tests/openai/model.rs"]
mod model;
mod openapi;
mod owners;
mod processes;
mod provider;
mod queue;
mod result;
mod schema;
mod store;
mod support;
mod upload;
mod worker;
