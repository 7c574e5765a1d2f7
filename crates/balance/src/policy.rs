//! The pick policies a stack file can name.

use serde::{Deserialize, Serialize};

/// How the next upstream is chosen among those that may take a request. Written in kebab case in a stack file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// Smooth weighted round robin: shares in proportion to the weights, without bursts to the heaviest.
    #[default]
    RoundRobin,
    /// The upstream with the fewest open requests per unit of weight; ties rotate.
    LeastConn,
}
