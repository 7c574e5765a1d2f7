//! Watches a running stack once a second and writes an entry a minute.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use plimsoll_control::{
    Handle,
    view::{QueueView, ServiceView, StackView},
};
use plimsoll_gateway::Answered;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{EdgeEntry, Entry, QueueEntry, ServiceEntry, ShadowEntry, Writer};
use crate::units;

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A longer pause between two looks was not watched: the machine slept, or this process could not run.
const LONGEST_LOOK: Duration = Duration::from_secs(5);
const MINUTE_MS: u64 = 60_000;

/// The task that keeps the logbook.
pub(crate) struct Recorder {
    watch: Arc<Mutex<Watch>>,
    stop: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// The entry being filled, and what counters stood at.
#[derive(Debug, Default)]
struct Watch {
    entry: Entry,
    answered: BTreeMap<String, Answered>,
    queues: Option<BTreeMap<String, QueueView>>,
}

// === impl Recorder ===

impl Recorder {
    /// Begins to watch; what it learns goes into the logbook in `directory`.
    pub(crate) fn start(controller: Handle, directory: &Path) -> Self {
        let watch = Arc::new(Mutex::new(Watch::default()));
        let stop = CancellationToken::new();
        let writer = Writer::new(directory);
        let task = tokio::spawn(keep(controller, Arc::clone(&watch), writer, stop.clone()));
        Self { watch, stop, task: Mutex::new(Some(task)) }
    }

    /// The entry that is not written yet; none before the first second.
    pub(crate) fn open_entry(&self) -> Option<Entry> {
        let entry = locked(&self.watch).entry.clone();
        (entry.measured_ms > 0).then_some(entry)
    }

    /// Writes the last entry and ends.
    pub(crate) async fn finish(&self) {
        self.stop.cancel();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            let _ = task.await;
        }
    }
}

async fn keep(controller: Handle, watch: Arc<Mutex<Watch>>, writer: Writer, stop: CancellationToken) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut last: Option<Instant> = None;
    let mut failing = false;
    loop {
        let ends = tokio::select! {
            () = stop.cancelled() => true,
            _ = looks.tick() => false,
        };
        let now = Instant::now();
        let elapsed = last.map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        last = Some(now);
        let full = {
            let mut watch = locked(&watch);
            watch.look(&controller.view(), &controller.answered(), elapsed, units::now_ms());
            watch.take(ends)
        };
        if let Some(entry) = full {
            match writer.append(&entry) {
                Ok(()) => failing = false,
                // Once is enough: a full disk stays full for many minutes.
                Err(_) if failing => {}
                Err(error) => {
                    failing = true;
                    tracing::error!(%error, "the logbook cannot be written: `plimsoll report` will miss this time");
                }
            }
        }
        if ends {
            return;
        }
    }
}

fn locked(watch: &Mutex<Watch>) -> MutexGuard<'_, Watch> {
    watch.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Watch ===

impl Watch {
    /// Adds what happened in the `elapsed` time before `now_ms`.
    fn look(
        &mut self,
        view: &StackView,
        answered: &BTreeMap<String, Answered>,
        elapsed: Duration,
        now_ms: u64,
    ) {
        let watched = elapsed <= LONGEST_LOOK;
        let ms = if watched { u64::try_from(elapsed.as_millis()).unwrap_or(0) } else { 0 };
        let entry = &mut self.entry;
        if entry.from_ms == 0 {
            entry.from_ms = now_ms.saturating_sub(ms);
        }
        entry.to_ms = now_ms.max(entry.from_ms);
        entry.measured_ms += ms;
        for service in &view.services {
            let kept = entry
                .services
                .entry(service.name.clone())
                .or_insert_with(|| ServiceEntry { least_ready: u32::MAX, ..ServiceEntry::default() });
            kept.add(service, ms);
        }
        for (name, now) in answered {
            let before = self.answered.get(name).cloned().unwrap_or_default();
            let service = entry.services.entry(name.clone()).or_default();
            service.edge.get_or_insert_default().add(now, &before);
        }
        self.answered.clone_from(answered);
        // Totals outlive a run, so the first look tells from where to count; a queue that appears later began at nothing.
        let known = self.queues.get_or_insert_with(|| by_name(&view.queues));
        for queue in &view.queues {
            let before = known.get(&queue.name).cloned().unwrap_or_default();
            entry.queues.entry(queue.name.clone()).or_default().add(queue, &before);
        }
        // While the queue cannot be asked the view has none: what was known of them stays the base.
        known.extend(by_name(&view.queues));
    }

    /// The entry, when it has its minute or the end has come.
    fn take(&mut self, ends: bool) -> Option<Entry> {
        let whole = self.entry.to_ms.saturating_sub(self.entry.from_ms) >= MINUTE_MS;
        let due = (whole || ends) && self.entry.measured_ms > 0;
        due.then(|| std::mem::take(&mut self.entry))
    }
}

fn by_name(queues: &[QueueView]) -> BTreeMap<String, QueueView> {
    queues.iter().map(|queue| (queue.name.clone(), queue.clone())).collect()
}

// === impl ServiceEntry, EdgeEntry, QueueEntry ===

impl ServiceEntry {
    fn add(&mut self, service: &ServiceView, ms: u64) {
        let running = service.instances.iter().filter(|instance| instance.pid.is_some());
        let running = u32::try_from(running.count()).unwrap_or(u32::MAX);
        let cpu_milli: u64 = service.instances.iter().filter_map(|instance| instance.cpu_milli).sum();
        let memory = service.instances.iter().filter_map(|instance| instance.memory_bytes).max();
        self.desired_ms += u64::from(service.desired) * ms;
        self.ready_ms += u64::from(service.ready) * ms;
        self.running_ms += u64::from(running) * ms;
        self.least_ready = self.least_ready.min(service.ready);
        self.most_running = self.most_running.max(running);
        self.cpu_milli_ms += cpu_milli * ms;
        self.memory_max_bytes = self.memory_max_bytes.max(memory.unwrap_or(0));
        self.sizing.clone_from(&service.sizing);
        if let Some(both) = service.shadow {
            let kept = self.shadow.get_or_insert_default();
            kept.compared_ms += ms;
            kept.differed_ms += if both.wants == both.live { 0 } else { ms };
            kept.live_ms += u64::from(both.live) * ms;
            kept.shadow_ms += u64::from(both.wants) * ms;
            kept.most_above = kept.most_above.max(both.wants.saturating_sub(both.live));
            kept.most_below = kept.most_below.max(both.live.saturating_sub(both.wants));
        }
    }
}

impl ShadowEntry {
    /// Adds another stretch of time.
    pub(crate) fn add(&mut self, other: &Self) {
        self.compared_ms += other.compared_ms;
        self.differed_ms += other.differed_ms;
        self.live_ms += other.live_ms;
        self.shadow_ms += other.shadow_ms;
        self.most_above = self.most_above.max(other.most_above);
        self.most_below = self.most_below.max(other.most_below);
    }
}

impl EdgeEntry {
    fn add(&mut self, now: &Answered, before: &Answered) {
        let requests = now.requests.saturating_sub(before.requests);
        self.requests += requests;
        self.errors += now.errors.saturating_sub(before.errors);
        if requests > 0 {
            self.durations.resize(now.durations.len(), 0);
            for (sum, (now, before)) in
                self.durations.iter_mut().zip(now.durations.iter().zip(before.durations))
            {
                *sum += now.saturating_sub(before);
            }
        }
    }
}

impl QueueEntry {
    fn add(&mut self, now: &QueueView, before: &QueueView) {
        self.enqueued += now.enqueued.saturating_sub(before.enqueued);
        self.completed += now.completed.saturating_sub(before.completed);
        self.failed_attempts += now.failed_attempts.saturating_sub(before.failed_attempts);
        self.leases_lost += now.leases_lost.saturating_sub(before.leases_lost);
        self.died += now.died.saturating_sub(before.died);
        self.dead = now.dead;
        self.most_ready = self.most_ready.max(now.ready);
        self.oldest_s = self.oldest_s.max(now.oldest_age_s);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn view(ready: u32, completed: u64) -> StackView {
        let instance = |number: u32| {
            json!({
                "id": format!("worker-{number}"), "state": "Ready", "address": "", "pid": number, "cpu_milli": 250,
                "memory_bytes": u64::from(number) << 20, "memory_limit_bytes": null, "in_flight": 0, "restarts": 0,
                "age_s": 1, "last_exit": null, "last_log": [],
            })
        };
        let instances: Vec<serde_json::Value> = (1..=ready).map(instance).collect();
        let worker = json!({
            "name": "worker", "desired": 3, "ready": ready, "min": 1, "max": 4, "memory_enforcement": "none",
            "metrics": [], "instances": instances,
            "shadow": {
                "wants": 1, "live": 3, "shadow_instance_hours": 0.0, "live_instance_hours": 0.0,
            },
        });
        let worker: ServiceView =
            serde_json::from_value(worker).expect("a service as an older plimsoll shows it");
        StackView {
            name: "test".to_owned(),
            version: String::new(),
            pid: 1,
            uptime_s: 1,
            at_ms: 1,
            gateway: None,
            services: vec![worker],
            queues: vec![QueueView { name: "evaluate".to_owned(), completed, ..QueueView::default() }],
            decisions: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn answered(requests: u64) -> BTreeMap<String, Answered> {
        let mut one = Answered { requests, errors: 0, ..Answered::default() };
        one.durations[2] = requests;
        BTreeMap::from([("api".to_owned(), one)])
    }

    #[test]
    fn an_entry_adds_up_time_and_differences() {
        let mut watch = Watch::default();
        watch.look(&view(2, 100), &answered(5), Duration::ZERO, 1_000_000);
        watch.look(&view(2, 103), &answered(5), SECOND, 1_001_000);
        watch.look(&view(1, 110), &answered(9), SECOND, 1_002_000);
        assert_eq!(watch.take(false), None, "not a minute yet");
        let entry = watch.take(true).expect("the end");
        assert_eq!((entry.from_ms, entry.to_ms, entry.measured_ms), (1_000_000, 1_002_000, 2_000));
        let worker = &entry.services["worker"];
        assert_eq!((worker.desired_ms, worker.running_ms, worker.ready_ms), (6_000, 3_000, 3_000));
        assert_eq!((worker.least_ready, worker.most_running), (1, 2));
        assert_eq!((worker.cpu_milli_ms, worker.memory_max_bytes), (750_000, 2 << 20));
        let shadow = worker.shadow.as_ref().expect("compared");
        assert_eq!((shadow.live_ms, shadow.shadow_ms, shadow.differed_ms), (6_000, 2_000, 2_000));
        assert_eq!((shadow.most_above, shadow.most_below), (0, 2));
        let edge = entry.services["api"].edge.as_ref().expect("answered");
        assert_eq!((edge.requests, edge.durations[2]), (9, 9), "the edge counts from the start of this run");
        assert_eq!(
            entry.queues["evaluate"].completed, 10,
            "what an earlier run completed is not counted again"
        );
    }

    #[test]
    fn time_that_nobody_watched_is_not_measured() {
        let mut watch = Watch::default();
        watch.look(&view(2, 0), &BTreeMap::new(), Duration::ZERO, 1_000_000);
        watch.look(&view(2, 0), &BTreeMap::new(), SECOND, 1_001_000);
        watch.look(&view(2, 0), &BTreeMap::new(), Duration::from_secs(300), 1_301_000);
        let entry = watch.take(false).expect("its minute is over");
        assert_eq!((entry.to_ms - entry.from_ms, entry.measured_ms), (301_000, 1_000));
        assert_eq!(watch.take(true), None, "nothing was measured since");
    }
}
