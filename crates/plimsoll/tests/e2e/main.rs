//! The whole product end to end: the real binary, the real application, real processes, real sockets, real files.
//!
//! Each test starts a stack of its own on free ports in a temporary directory and stops only what it started. Waiting is on
//! events (the admin stream) with a generous bound, never on the clock. The model is scripted, because how long a job takes
//! decides what the autoscaler must do; everything else is the shipped thing.

mod application;
mod elastic;
mod harness;
mod model;
mod operator;
mod page;
mod postgres;
mod queue;
mod report;
mod restart;
mod tour;
