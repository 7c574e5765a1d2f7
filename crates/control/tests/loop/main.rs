//! The loop with a real fleet, a real queue and a real edge.

mod edge;
mod events;
mod sizes;
mod support;
mod workers;
