//! Notices what happened to instances between two looks: became ready, crashed, left.

use std::collections::BTreeMap;

use plimsoll_fleet::{Instance, InstanceId, State};

use crate::record::{Draft, Kind};

/// What was last seen of each instance.
#[derive(Debug, Default)]
pub(crate) struct Incidents {
    seen: BTreeMap<InstanceId, Seen>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    crashes: u32,
    ready: bool,
    /// The process that was ready, by the number of restarts before it.
    was_ready: Option<u32>,
}

// === impl Incidents ===

impl Incidents {
    /// One draft for each thing that is new since the last call.
    pub(crate) fn compare(&mut self, instances: &[Instance]) -> Vec<Draft> {
        let mut drafts = Vec::new();
        for instance in instances {
            let mut now = seen(instance);
            let before = self.seen.get(&instance.id).copied().unwrap_or_default();
            now.was_ready = now.was_ready.or(before.was_ready);
            self.seen.insert(instance.id.clone(), now);
            let service = instance.service.as_str();
            // By count, not by state: the pause before the next start may be over before anybody looks.
            let crashes = now.crashes.saturating_sub(before.crashes);
            if crashes > 0 {
                let exit = instance.last_exit.as_deref().unwrap_or("ended");
                let often =
                    if crashes > 1 { format!("failed {crashes} times, at last: ") } else { String::new() };
                let summary = format!("{} {often}{exit}; started again after a pause", instance.id);
                let detail =
                    serde_json::json!({ "last_exit": instance.last_exit, "last_log": instance.last_log });
                drafts.push(Draft::event(Kind::Crash, service, summary).detail(detail));
            }
            if now.ready && (!before.ready || before.was_ready != now.was_ready) {
                let after = match instance.startup {
                    // The same process lost its readiness for a while: that was no start.
                    _ if before.was_ready == now.was_ready => " again".to_owned(),
                    Some(took) => format!(" after {:.1}s", took.as_secs_f64()),
                    None => String::new(),
                };
                let summary = format!("{} is ready{after} on {}", instance.id, instance.address);
                drafts.push(Draft::event(Kind::Lifecycle, service, summary));
            }
        }
        // The fleet lists only instances that are there.
        let gone = |id: &InstanceId| !instances.iter().any(|instance| instance.id == *id);
        for id in self.seen.keys().filter(|id| gone(id)) {
            drafts.push(Draft::event(Kind::Lifecycle, id.service(), format!("{id} has stopped")));
        }
        self.seen.retain(|id, _| !gone(id));
        drafts
    }
}

fn seen(instance: &Instance) -> Seen {
    Seen {
        crashes: instance.crashes,
        ready: instance.state == State::Ready,
        was_ready: (instance.state == State::Ready).then_some(instance.restarts),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant, SystemTime};

    use plimsoll_fleet::MemoryEnforcement;

    use super::*;

    fn instance(state: State) -> Instance {
        Instance {
            id: InstanceId::new("worker", 1),
            service: "worker".to_owned(),
            state,
            address: ([127, 0, 0, 1], 4000).into(),
            pid: Some(1),
            restarts: 0,
            crashes: 0,
            launched_at: SystemTime::UNIX_EPOCH,
            started_at: None,
            ready_since: None,
            startup: Some(Duration::from_millis(300)),
            cpu_milli: None,
            memory_bytes: None,
            memory_limit_bytes: None,
            memory_enforcement: MemoryEnforcement::None,
            last_exit: Some("killed by signal 9 (SIGKILL)".to_owned()),
            not_ready_because: None,
            last_log: vec!["the last line".to_owned()],
        }
    }

    fn summaries(drafts: &[Draft]) -> Vec<&str> {
        drafts.iter().map(|draft| draft.summary.as_str()).collect()
    }

    #[test]
    fn each_thing_is_told_once() {
        let mut incidents = Incidents::default();
        assert_eq!(summaries(&incidents.compare(&[instance(State::Starting)])), Vec::<&str>::new());
        let ready = [instance(State::Ready)];
        assert_eq!(summaries(&incidents.compare(&ready)), ["worker-1 is ready after 0.3s on 127.0.0.1:4000"]);
        assert_eq!(summaries(&incidents.compare(&ready)), Vec::<&str>::new());

        assert_eq!(summaries(&incidents.compare(&[instance(State::Starting)])), Vec::<&str>::new());
        assert_eq!(summaries(&incidents.compare(&ready)), ["worker-1 is ready again on 127.0.0.1:4000"]);

        let crashed = State::CrashLoop { failures: 1, retry_at: Instant::now() };
        let crashed = [Instance { crashes: 1, ..instance(crashed) }];
        let told = incidents.compare(&crashed);
        assert_eq!(summaries(&told), ["worker-1 killed by signal 9 (SIGKILL); started again after a pause"]);
        assert_eq!(told[0].detail["last_log"][0], "the last line");
        assert_eq!(summaries(&incidents.compare(&crashed)), Vec::<&str>::new());
        let restarted = [Instance { restarts: 1, crashes: 1, ..instance(State::Ready) }];
        let told = incidents.compare(&restarted);
        assert_eq!(summaries(&told), ["worker-1 is ready after 0.3s on 127.0.0.1:4000"]);

        // Crashed and ready again, three times over, before anybody looked.
        let restarted = [Instance { restarts: 4, crashes: 4, ..instance(State::Ready) }];
        assert_eq!(
            summaries(&incidents.compare(&restarted)),
            [
                "worker-1 failed 3 times, at last: killed by signal 9 (SIGKILL); started again after a pause",
                "worker-1 is ready after 0.3s on 127.0.0.1:4000",
            ]
        );
        assert_eq!(summaries(&incidents.compare(&restarted)), Vec::<&str>::new());

        assert_eq!(summaries(&incidents.compare(&[])), ["worker-1 has stopped"]);
        assert_eq!(summaries(&incidents.compare(&[])), Vec::<&str>::new());
    }
}
