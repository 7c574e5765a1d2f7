//! The gateway over real sockets.

mod balancing;
mod forwarding;
mod health;
mod hygiene;
mod interop;
mod lifecycle;
mod routing;
mod signals;
mod streaming;
mod support;
mod timeouts;
mod tunnels;
