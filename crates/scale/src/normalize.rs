//! From the wanted count to the count that may be asked for now: HPA.md sections 5 to 7.

mod events;
mod rate;
mod recommendations;

use serde::{Deserialize, Serialize};

use crate::spec::RatePolicy;
use crate::state::{Reason, Recommendation};

pub use events::{change_within, store};
pub use rate::{Bounds, Past, clamp, down_limit, rate_limit, up_limit};
pub use recommendations::{hold_down, record, stabilize};

/// Result of stabilisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stabilized {
    /// The count to go on with.
    pub replicas: u32,
    /// Why it differs from the wanted one; meaningful only when it does.
    pub reason: Reason,
    /// The past recommendation that bound it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound_by: Option<Recommendation>,
}

/// Result of the bounds and rate limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limited {
    /// The count that is allowed.
    pub replicas: u32,
    /// The bound that changed it, or `DesiredWithinRange`.
    pub reason: Reason,
    /// The policy behind a `ScaleUpLimit` or `ScaleDownLimit`, absent without `behavior` and for Disabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<RatePolicy>,
}
