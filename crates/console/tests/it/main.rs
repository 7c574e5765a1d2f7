//! The console on a real socket, asked over real HTTP.

mod acts;
mod client;
mod guards;
mod http;
mod openapi;
mod page;
mod reads;
mod schema;
mod stack;
mod stream;
