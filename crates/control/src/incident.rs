//! Notices what happened to instances between two looks: became ready, crashed, left.

use std::collections::BTreeMap;

use plimsoll_fleet::{Instance, InstanceId, State};

use crate::record::{Draft, Kind};

/// What was last seen of each instance.
#[derive(Debug, Default)]
pub(crate) struct Incidents {
    seen: BTreeMap<InstanceId, Seen>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    failures: u32,
    was_ready: bool,
    leaving: bool,
}

// === impl Incidents ===

impl Incidents {
    /// One draft for each thing that is new since the last call.
    pub(crate) fn compare(&mut self, instances: &[Instance]) -> Vec<Draft> {
        let mut drafts = Vec::new();
        for instance in instances {
            let now = seen(instance);
            let before = self.seen.insert(instance.id.clone(), now);
            let before = before.unwrap_or(Seen { failures: 0, was_ready: false, leaving: false });
            let service = instance.service.as_str();
            if now.failures > before.failures {
                let exit = instance.last_exit.as_deref().unwrap_or("ended");
                let summary = format!("{} {exit}; started again after a pause", instance.id);
                let detail =
                    serde_json::json!({ "last_exit": instance.last_exit, "last_log": instance.last_log });
                drafts.push(Draft::event(Kind::Crash, service, summary).detail(detail));
            }
            if now.was_ready && !before.was_ready {
                let after = instance
                    .startup
                    .map_or(String::new(), |took| format!(" after {:.1}s", took.as_secs_f64()));
                let summary = format!("{} is ready{after} on {}", instance.id, instance.address);
                drafts.push(Draft::event(Kind::Lifecycle, service, summary));
            }
            if instance.state == State::Stopped && before.was_ready | before.leaving {
                drafts.push(Draft::event(Kind::Lifecycle, service, format!("{} has stopped", instance.id)));
                self.seen.remove(&instance.id);
            }
        }
        self.seen.retain(|id, _| instances.iter().any(|instance| instance.id == *id));
        drafts
    }
}

fn seen(instance: &Instance) -> Seen {
    Seen {
        failures: match instance.state {
            State::CrashLoop { failures, .. } => failures.max(1),
            _ => 0,
        },
        was_ready: instance.state == State::Ready,
        leaving: instance.state == State::Draining,
    }
}
