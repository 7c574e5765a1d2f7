//! Who gets the next request, and when not to send one: pick policies, passive health, retry rules and rate limits.
//!
//! Everything here is a pure state machine. There is no clock, no randomness, no I/O and no logging: time arrives as a
//! [`Duration`](std::time::Duration) since an epoch of the caller's choice (it must not run backwards), and the same
//! code therefore serves the gateway, the simulator and the tests.
//!
//! | wanted property | where it is tested |
//! |---|---|
//! | round robin is fair: equal weights differ by at most one request | `tests/balancer.rs` |
//! | an open request is counted once and always released | `tests/balancer.rs` |
//! | an ejected endpoint gets nothing, then exactly one trial | `tests/balancer.rs` |
//! | ejection never leaves a service without anybody to ask (fail open) | `tests/balancer.rs` |
//! | a request is never sent twice unless that is harmless | `tests/retry.rs` |
//! | retries stay inside a share of the traffic | `tests/retry.rs` |
//! | a rate limiter admits at most `burst + rate × time`, in bounded memory | `tests/rate.rs` |

mod balancer;
mod budget;
mod health;
mod policy;
mod rate;
mod retry;

pub use balancer::{Balancer, EndpointView, Grant, Member, NoPick, Outcome, Pick, Released, Ticket};
pub use budget::{BudgetPolicy, RetryBudget};
pub use health::{HealthPolicy, Standing};
pub use policy::Policy;
pub use rate::{Decision, KeyedLimiter, Quota, RateLimiter};
pub use retry::{Attempt, Failure, RetryPolicy, Sent, Verdict, is_idempotent};
