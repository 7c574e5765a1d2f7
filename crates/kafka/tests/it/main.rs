//! Ingest and outbox against librdkafka's mock cluster: brokers with real sockets that speak the real protocol.

mod crash;
mod ingest;
mod outbox;
mod process;
mod program;
mod rebalance;
mod support;
