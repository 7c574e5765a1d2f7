//! `plimsoll status`: the running stack at one moment.

use plimsoll_control::view::{InstanceView, QueueView, ServiceView, StackView};

use crate::{cli::Target, client, exit::ExitStatus, printer::Printer, table::Table, units};

pub(crate) async fn run(target: &Target, json: bool, printer: Printer) -> anyhow::Result<ExitStatus> {
    let view = client(target)?.status().await?;
    if json {
        printer.json(&view);
    } else {
        for line in render(&view, &target.admin) {
            printer.data(line);
        }
    }
    Ok(ExitStatus::Success)
}

fn render(view: &StackView, admin: &str) -> Vec<String> {
    let mut lines = vec![headline(view, admin), String::new()];
    lines.extend(services(&view.services));
    lines.push(String::new());
    lines.extend(instances(&view.services));
    if !view.queues.is_empty() {
        lines.push(String::new());
        lines.extend(queues(&view.queues));
    }
    for instance in view.services.iter().flat_map(|service| &service.instances) {
        lines.extend(trouble(instance));
    }
    for warning in &view.warnings {
        lines.push(String::new());
        lines.push(format!("warning: {warning}"));
    }
    lines
}

fn headline(view: &StackView, admin: &str) -> String {
    let edge =
        view.gateway.as_ref().map(|gateway| format!("  http://{}", gateway.listen)).unwrap_or_default();
    format!("{}  up {}{edge}  admin {admin}", view.name, units::age(view.uptime_s))
}

fn services(services: &[ServiceView]) -> Vec<String> {
    let mut table = Table::new(["SERVICE", "READY", "RANGE", "MEMORY LIMIT BY", "SIGNALS"]);
    for service in services {
        table.row([
            service.name.clone(),
            format!("{}/{}", service.ready, service.desired),
            if service.min == service.max {
                "fixed".into()
            } else {
                format!("{}-{}", service.min, service.max)
            },
            service.memory_enforcement.clone(),
            service.metrics.join(", "),
        ]);
    }
    table.lines()
}

fn instances(services: &[ServiceView]) -> Vec<String> {
    let mut table =
        Table::new(["INSTANCE", "STATE", "ADDRESS", "CPU", "MEMORY", "IN-FLIGHT", "RESTARTS", "AGE"]);
    for instance in services.iter().flat_map(|service| &service.instances) {
        table.row([
            instance.id.clone(),
            instance.state.clone(),
            instance.address.clone(),
            instance.cpu_milli.map_or("-".into(), |milli| format!("{milli}m")),
            memory(instance),
            instance.in_flight.to_string(),
            instance.restarts.to_string(),
            units::age(instance.age_s),
        ]);
    }
    table.lines()
}

fn memory(instance: &InstanceView) -> String {
    match (instance.memory_bytes, instance.memory_limit_bytes) {
        (Some(used), Some(limit)) => format!("{} / {}", units::bytes(used), units::bytes(limit)),
        (Some(used), None) => units::bytes(used),
        (None, _) => "-".into(),
    }
}

fn queues(queues: &[QueueView]) -> Vec<String> {
    let mut table = Table::new(["QUEUE", "READY", "SCHEDULED", "LEASED", "DEAD", "COMPLETED", "OLDEST"]);
    for queue in queues {
        table.row([
            queue.name.clone(),
            queue.ready.to_string(),
            queue.scheduled.to_string(),
            queue.leased.to_string(),
            queue.dead.to_string(),
            queue.completed.to_string(),
            format!("{:.1}s", queue.oldest_age_s),
        ]);
    }
    table.lines()
}

/// The last exit and log lines of an instance that keeps ending.
fn trouble(instance: &InstanceView) -> Vec<String> {
    if instance.state != "CrashLoop" {
        let because =
            instance.because.iter().map(|why| format!("{}: {}, {why}", instance.id, instance.state));
        return because.collect();
    }
    let exit = instance.last_exit.as_deref().unwrap_or("ended");
    // A program that never started has said nothing.
    let heading = if instance.last_log.is_empty() { "" } else { "; last log lines:" };
    let mut lines = vec![String::new(), format!("{}: {exit}{heading}", instance.id)];
    lines.extend(instance.last_log.iter().map(|line| format!("  {line}")));
    lines
}
