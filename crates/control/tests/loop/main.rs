//! The loop with a real fleet, a real queue and a real edge.

mod edge;
mod events;
mod replay;
mod sizes;
mod support;
mod workers;
