//! How busy each instance is, for choosing who leaves.
//!
//! Of an instance behind the edge it is the number of its requests. Of a worker the queue does not say which jobs it
//! holds, so its CPU stands in: a hint only, as a job may wait for somebody else without using any. What keeps a job
//! whole is not this choice but the drain: a worker that is told to stop finishes what it holds or hands it back.

use std::collections::BTreeMap;

use plimsoll_fleet::Instance;
use plimsoll_gateway::GatewayStats;

/// Thousandths of a core above which a worker counts as busy.
const BUSY_CPU_MILLI: u64 = 50;

/// Requests, or 1 for a busy worker, by instance id.
pub(crate) fn of(instances: &[Instance], edge: Option<&GatewayStats>) -> BTreeMap<String, u64> {
    let load = |instance: &Instance| {
        let id = instance.id.to_string();
        let load = match edge.and_then(|stats| stats.upstreams.get(&id)) {
            Some(upstream) => upstream.in_flight,
            None => u64::from(instance.cpu_milli.is_some_and(|milli| milli >= BUSY_CPU_MILLI)),
        };
        (id, load)
    };
    instances.iter().map(load).collect()
}
