//! `--requests`: every request of every policy, so that another simulator can be compared with this one line by line.

use std::io::{BufWriter, Write};
use std::path::Path;

use plimsoll_sim::{Limits, Outcome};

use super::Named;

/// One line per request, in order of arrival, one policy after the other. A request that found the queue full has no wait.
pub(super) fn write(path: &Path, runs: &[(Named, Outcome)], limits: Limits) -> std::io::Result<()> {
    let mut out = BufWriter::new(std::fs::File::create(path)?);
    writeln!(out, "policy,arrival_s,service_s,wait_s,over_slo,waited")?;
    for (policy, outcome) in runs {
        let name = policy.name.replace(['"', ',', '\n'], " ");
        for request in &outcome.served {
            let (arrival_s, service_s) = (request.arrival_s, request.service_s);
            match request.wait_s {
                Some(wait_s) => {
                    let over_slo = u8::from(wait_s + service_s > limits.response_s);
                    let waited = u8::from(wait_s > limits.wait_s);
                    writeln!(out, "{name},{arrival_s},{service_s},{wait_s},{over_slo},{waited}")?;
                }
                None => writeln!(out, "{name},{arrival_s},{service_s},,1,1")?,
            }
        }
    }
    out.flush()
}
