//! Who gets the next request, and when not to send one: pick policies, passive health, retry rules and rate limits.
//!
//! Everything here is a pure state machine. There is no clock, no randomness, no I/O and no logging: time arrives as a
//! [`Duration`](std::time::Duration) since an epoch of the caller's choice, and the same code therefore serves the
//! gateway, the simulator and the tests.

mod policy;

pub use policy::Policy;
