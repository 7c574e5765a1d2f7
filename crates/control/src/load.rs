//! How busy each instance is, for choosing who leaves: its requests at the edge and the jobs it holds, whichever it has.
//!
//! What keeps a job whole is not this choice but the drain: a worker that is told to stop finishes what it holds or hands
//! it back. The choice spares whoever works the trouble.

use std::collections::BTreeMap;

use plimsoll_fleet::Instance;
use plimsoll_gateway::GatewayStats;
use plimsoll_jobs::Holder;

/// Requests and jobs by instance id.
pub(crate) fn of(
    instances: &[Instance],
    edge: Option<&GatewayStats>,
    holders: &[Holder],
) -> BTreeMap<String, u64> {
    let load = |instance: &Instance| {
        let id = instance.id.to_string();
        let requests =
            edge.and_then(|stats| stats.upstreams.get(&id)).map_or(0, |upstream| upstream.in_flight);
        let jobs: u64 = holders.iter().filter(|holder| holder.worker == id).map(|holder| holder.jobs).sum();
        (id, requests + jobs)
    };
    instances.iter().map(load).collect()
}
