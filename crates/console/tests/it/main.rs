//! The console on a real socket, asked over real HTTP.

mod acts;
mod client;
mod desk;
mod guards;
mod http;
mod openapi;
mod page;
mod queue;
mod reads;
mod schema;
mod stack;
mod stream;
