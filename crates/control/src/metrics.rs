//! What the controller itself shows to Prometheus; the edge adds its own.

use std::fmt::Write as _;

use prometheus_client::{
    encoding::text::encode_registry,
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};
use std::sync::atomic::AtomicU64;

use plimsoll_jobs::QueueTimes;

use crate::{handle::Handle, view::StackView};

mod queues;

type Labels = Vec<(&'static str, String)>;
type Whole = Family<Labels, Gauge>;
type Fraction = Family<Labels, Gauge<f64, AtomicU64>>;

// === impl Handle ===

impl Handle {
    /// Appends the metrics of controller and edge in the Prometheus text format, without an end marker.
    pub fn render_metrics(&self, out: &mut String) {
        let mut registry = registry(&self.view(), &self.shared.times());
        self.shared.delays.register(&mut registry);
        if encode_registry(out, &registry).is_err() {
            let _ = writeln!(out, "# the controller's metrics could not be written");
        }
        if let Some(gateway) = &self.shared.gateway {
            gateway.render_metrics(out);
        }
    }
}

/// A registry filled from one snapshot: every scrape shows one moment.
fn registry(view: &StackView, times: &[QueueTimes]) -> Registry {
    let mut registry = Registry::default();
    let desired = Whole::default();
    let ready = Whole::default();
    let instances = Whole::default();
    let cpu = Fraction::default();
    let memory = Whole::default();
    let restarts = Whole::default();
    for service in &view.services {
        let labels = vec![("service", service.name.clone())];
        desired.get_or_create(&labels).set(i64::from(service.desired));
        ready.get_or_create(&labels).set(i64::from(service.ready));
        for instance in &service.instances {
            let state = vec![("service", service.name.clone()), ("state", instance.state.clone())];
            instances.get_or_create(&state).inc();
            let labels = vec![("service", service.name.clone()), ("instance", instance.id.clone())];
            if let Some(milli) = instance.cpu_milli {
                cpu.get_or_create(&labels).set(milli as f64 / 1000.0);
            }
            if let Some(bytes) = instance.memory_bytes {
                memory.get_or_create(&labels).set(signed(bytes));
            }
            restarts.get_or_create(&labels).set(i64::from(instance.restarts));
        }
    }
    registry.register("service_replicas_desired", "Instances asked for", desired);
    registry.register("service_replicas_ready", "Instances that can serve", ready);
    registry.register("service_instances", "Instances by state", instances);
    registry.register("instance_cpu_cores", "CPU use over the last second in cores", cpu);
    registry.register(
        "instance_memory_bytes",
        "Resident memory of the instance's processes in bytes",
        memory,
    );
    registry.register("instance_restarts", "Times the instance was started again", restarts);

    queues::register(&mut registry, &view.queues, times);
    registry
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
