//! The service model: what is scaled, in YAML. Every field has a default, and all of them are printed with the results.

use std::path::Path;

use anyhow::bail;
use plimsoll_sim::trace::ServiceTime;
use plimsoll_sim::workload::ArrivalProcess;
use plimsoll_sim::{Delay, Timing};
use serde::{Deserialize, Serialize};

use super::yaml;

/// A service as far as the simulator is concerned.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ServiceFile {
    /// Requests one instance serves at once.
    pub(super) slots: u32,
    /// From the request for an instance until it is ready: seconds, or a distribution.
    pub(super) startup: Seconds,
    /// Of one instance.
    pub(super) price_per_hour: f64,
    /// A request that finds so many waiting is dropped.
    pub(super) queue_limit: Option<usize>,
    /// Ready when the run begins; what the mean load needs at 70 % when absent.
    pub(super) initial_replicas: Option<u32>,
    /// When the trace does not say how long a request takes.
    pub(super) service_time: ServiceTime,
    /// Between arrivals, for traces of rates.
    pub(super) arrivals: ArrivalProcess,
    /// Longest good response in seconds; twice the 95th percentile of the service time when absent.
    pub(super) slo_response_s: Option<f64>,
    /// Longest good wait in seconds.
    pub(super) slo_wait_s: f64,
    /// How old metrics are and how often a plain autoscaler decides.
    pub(super) control: Timing,
    /// The same for policies that look at the platform's own signals.
    pub(super) own_control: Timing,
}

/// Seconds, or a distribution of them.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Seconds {
    Fixed(f64),
    Drawn(Delay),
}

/// Reads a service file; the defaults without one.
pub(super) fn read(path: Option<&Path>) -> anyhow::Result<ServiceFile> {
    let Some(path) = path else { return Ok(ServiceFile::default()) };
    let name = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| anyhow::anyhow!("{name}: {error}. hint: give the path of a readable file"))?;
    let documents = yaml::documents(&text).map_err(|error| anyhow::anyhow!("{name}:{error}"))?;
    let [document] = documents.as_slice() else {
        bail!("{name}: one document is expected, there are {}", documents.len())
    };
    let at = |what: String| match line_of(&text, &what) {
        Some(line) => anyhow::anyhow!("{name}:{line}: {what}"),
        None => anyhow::anyhow!("{name}: {what}"),
    };
    let file: ServiceFile = serde_json::from_value(document.clone())
        .map_err(|error| at(format!("{error}. hint: the fields are described in crates/sim/README.md")))?;
    file.check().map_err(|error| at(error.to_string()))?;
    Ok(file)
}

/// The line of the key that a complaint is about: what is in backticks, or the path that it begins with, as far down as it
/// has lines of its own.
fn line_of(text: &str, complaint: &str) -> Option<usize> {
    let quoted = complaint.split('`').nth(1);
    let path = quoted.or_else(|| complaint.split(' ').next())?.split('.');
    let mut found = None;
    for key in path {
        let from = found.unwrap_or(0);
        let is_key = |line: &str| line.split_once(':').is_some_and(|(word, _)| word.trim() == key);
        let Some(index) = text.lines().skip(from).position(is_key) else { break };
        found = Some(from + index + 1);
    }
    found
}

// === impl ServiceFile ===

impl Default for ServiceFile {
    fn default() -> Self {
        Self {
            slots: 8,
            startup: Seconds::Fixed(60.0),
            price_per_hour: 1.0,
            queue_limit: None,
            initial_replicas: None,
            service_time: ServiceTime::Tokens {
                ttft_s: 0.3,
                s_per_input_token: 0.0,
                s_per_output_token: 0.02,
            },
            arrivals: ArrivalProcess::Poisson,
            slo_response_s: None,
            slo_wait_s: 1.0,
            control: Timing::kubernetes(),
            own_control: Timing::own(),
        }
    }
}

impl ServiceFile {
    fn check(&self) -> anyhow::Result<()> {
        let timings = [("control", self.control), ("own_control", self.own_control)];
        for (name, Timing { scrape, window_s, sync, own_window_s }) in timings {
            for (field, value) in [
                ("scrape.period_s", scrape.period_s),
                ("sync.period_s", sync.period_s),
                ("window_s", window_s),
                ("own_window_s", own_window_s),
            ] {
                if !(value.is_finite() && value >= 0.01) {
                    bail!("{name}.{field} must be at least 0.01, it is {value}");
                }
            }
        }
        let sound = |value: f64| value.is_finite() && value >= 0.0;
        if self.slots == 0 || self.slots > 100_000 {
            bail!("slots must be between 1 and 100000, not {}", self.slots);
        }
        if !sound(self.startup().mean_s()) || !sound(self.price_per_hour) || !sound(self.slo_wait_s) {
            bail!("startup, price_per_hour and slo_wait_s must be numbers of at least 0");
        }
        Ok(())
    }

    pub(super) fn service_time_is_of_tokens(&self) -> bool {
        matches!(self.service_time, ServiceTime::Tokens { .. })
    }

    /// Service times of requests that the trace says nothing about.
    pub(super) fn drawn(&self) -> Delay {
        match self.service_time {
            ServiceTime::Drawn { delay } => delay,
            ServiceTime::Tokens { ttft_s, .. } => Delay::Fixed { s: ttft_s },
        }
    }

    pub(super) fn startup(&self) -> Delay {
        match self.startup {
            Seconds::Fixed(s) => Delay::Fixed { s },
            Seconds::Drawn(delay) => delay,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_find_their_line() {
        let text =
            "slots: 4\nown_control:\n  window_s: 5\ncontrol:\n  scrape: { period_s: 15 }\n  window_s: 0\n";
        assert_eq!(line_of(text, "slots must be above zero"), Some(1));
        assert_eq!(line_of(text, "unknown field `control`, expected one of `slots`"), Some(4));
        assert_eq!(line_of(text, "control.window_s must be at least 0.01"), Some(6));
        assert_eq!(line_of(text, "control.scrape.period_s must be at least 0.01"), Some(5));
        assert_eq!(line_of(text, "nothing like it"), None);
    }
}
