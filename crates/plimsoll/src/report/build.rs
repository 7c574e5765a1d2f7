//! From the logs to the report.

use std::collections::{BTreeMap, BTreeSet};

use plimsoll_control::record::Record;
use plimsoll_gateway::BUCKETS_S;
use plimsoll_stack::Stack;

use super::{
    Coverage, Gap, HttpReport, Point, QueueReport, Range, Report, ServiceReport, ShadowReport, SloReport,
    WaitReport, events,
};
use crate::logbook::{EdgeEntry, Entry, QueueEntry, ServiceEntry, ShadowEntry};

/// A shorter pause between two entries is the time it takes to write one.
const LEAST_GAP_MS: u64 = 10_000;
/// Points of the course at the most.
const POINTS: u64 = 240;
const MS_PER_HOUR: f64 = 3_600_000.0;

/// What a report is made of.
pub(crate) struct Sources<'a> {
    pub(crate) stack: &'a Stack,
    /// Oldest first.
    pub(crate) entries: &'a [Entry],
    /// Oldest first; may begin before the period.
    pub(crate) records: &'a [Record],
    pub(crate) damaged_lines: usize,
    pub(crate) from_ms: u64,
    pub(crate) to_ms: u64,
}

/// The report without prices.
pub(crate) fn build(sources: &Sources<'_>) -> Report {
    let within: Vec<&Record> = sources
        .records
        .iter()
        .filter(|record| (sources.from_ms..=sources.to_ms).contains(&record.at_ms))
        .collect();
    let mut names: BTreeSet<&str> = sources.stack.services.keys().map(String::as_str).collect();
    names.extend(sources.entries.iter().flat_map(|entry| entry.services.keys()).map(String::as_str));
    let names: Vec<&str> = names.into_iter().collect();
    let told = events::sort(&within);
    Report {
        stack: sources.stack.name.clone(),
        from_ms: sources.from_ms,
        to_ms: sources.to_ms,
        coverage: coverage(sources),
        services: names.iter().map(|name| service(name, sources, &within)).collect(),
        queues: queues(sources),
        decisions: told.decisions,
        alerts: told.alerts,
        crashes: told.crashes,
        orders: told.orders,
        runs: told.runs,
        course: course(sources, &names),
    }
}

fn coverage(sources: &Sources<'_>) -> Coverage {
    let entries = sources.entries;
    let gap = |pair: &[Entry]| {
        let (from_ms, to_ms) = (pair[0].to_ms, pair[1].from_ms);
        (to_ms.saturating_sub(from_ms) >= LEAST_GAP_MS).then_some(Gap { from_ms, to_ms })
    };
    let oldest = sources.records.first().map(|record| record.at_ms);
    Coverage {
        asked_s: sources.to_ms.saturating_sub(sources.from_ms) / 1000,
        measured_s: seconds(entries.iter().map(|entry| entry.measured_ms).sum()),
        first_ms: entries.first().map(|entry| entry.from_ms),
        last_ms: entries.last().map(|entry| entry.to_ms),
        gaps: entries.windows(2).filter_map(gap).collect(),
        decisions_from_ms: oldest.filter(|&at_ms| at_ms > sources.from_ms),
        damaged_lines: sources.damaged_lines,
    }
}

fn service(name: &str, sources: &Sources<'_>, within: &[&Record]) -> ServiceReport {
    let entries: Vec<&ServiceEntry> =
        sources.entries.iter().filter_map(|entry| entry.services.get(name)).collect();
    let sum = |of: fn(&ServiceEntry) -> u64| entries.iter().map(|entry| of(entry)).sum::<u64>();
    let measured_ms: u64 = sources
        .entries
        .iter()
        .filter(|entry| entry.services.contains_key(name))
        .map(|entry| entry.measured_ms)
        .sum();
    let scaling = sources.stack.services.get(name).and_then(|service| service.scaling.as_ref());
    let p95_s = scaling.and_then(|scaling| scaling.slo).map(|slo| slo.p95_s);
    let own: Vec<&Record> = within.iter().copied().filter(|record| record.service == name).collect();
    ServiceReport {
        name: name.to_owned(),
        instance_hours: hours(sum(|entry| entry.running_ms)),
        ready_hours: hours(sum(|entry| entry.ready_ms)),
        desired_hours: hours(sum(|entry| entry.desired_ms)),
        cost: None,
        least_ready: entries.iter().map(|entry| entry.least_ready).min().unwrap_or(0),
        most_running: entries.iter().map(|entry| entry.most_running).max().unwrap_or(0),
        cpu_cores: mean(sum(|entry| entry.cpu_milli_ms), measured_ms) / 1000.0,
        memory_max_bytes: entries.iter().map(|entry| entry.memory_max_bytes).max().unwrap_or(0),
        http: http(&entries, p95_s),
        scaling: events::scaling(&own),
        shadow: shadow(&entries, &own),
        sizing: entries.last().and_then(|entry| entry.sizing.clone()),
        forecast: events::forecast(&own),
    }
}

fn http(entries: &[&ServiceEntry], p95_s: Option<f64>) -> Option<HttpReport> {
    let edges: Vec<&EdgeEntry> = entries.iter().filter_map(|entry| entry.edge.as_ref()).collect();
    if edges.is_empty() {
        return None;
    }
    let mut durations = [0; BUCKETS_S.len() + 1];
    // An entry of a version with other bounds cannot be added up; its requests still count.
    for edge in edges.iter().filter(|edge| edge.durations.len() == BUCKETS_S.len() + 1) {
        for (sum, count) in durations.iter_mut().zip(&edge.durations) {
            *sum += count;
        }
    }
    Some(HttpReport {
        requests: edges.iter().map(|edge| edge.requests).sum(),
        errors: edges.iter().map(|edge| edge.errors).sum(),
        p50: quantile(&durations, 50),
        p95: quantile(&durations, 95),
        p99: quantile(&durations, 99),
        slo: p95_s.and_then(|p95_s| slo(&durations, p95_s)),
    })
}

/// The bounds between which the request lies that `percent` of 100 do not exceed.
fn quantile(durations: &[u64], percent: u64) -> Option<Range> {
    let total: u64 = durations.iter().sum();
    if total == 0 {
        return None;
    }
    let rank = (total * percent).div_ceil(100).max(1);
    let mut seen = 0;
    let bucket = durations.iter().position(|count| {
        seen += count;
        seen >= rank
    })?;
    let above = bucket.checked_sub(1).and_then(|below| BUCKETS_S.get(below)).copied().unwrap_or(0.0);
    Some(Range { above, upto: BUCKETS_S.get(bucket).copied() })
}

fn slo(durations: &[u64], p95_s: f64) -> Option<SloReport> {
    let total: u64 = durations.iter().sum();
    if total == 0 {
        return None;
    }
    let lower = |bucket: usize| bucket.checked_sub(1).map_or(0.0, |below| BUCKETS_S[below]);
    let upper = |bucket: usize| BUCKETS_S.get(bucket).copied().unwrap_or(f64::INFINITY);
    let over = |is_over: &dyn Fn(usize) -> bool| -> u64 {
        durations.iter().enumerate().filter(|(bucket, _)| is_over(*bucket)).map(|(_, count)| count).sum()
    };
    let over_at_least = over(&|bucket| lower(bucket) >= p95_s);
    let over_at_most = over(&|bucket| upper(bucket) > p95_s);
    let held = match (over_at_least * 20 > total, over_at_most * 20 > total) {
        (true, _) => Some(false),
        (_, false) => Some(true),
        _ => None,
    };
    Some(SloReport { p95_s, over_at_least, over_at_most, held })
}

fn shadow(entries: &[&ServiceEntry], own: &[&Record]) -> Option<ShadowReport> {
    let mut sum = ShadowEntry::default();
    for entry in entries.iter().filter_map(|entry| entry.shadow.as_ref()) {
        sum.add(entry);
    }
    (sum.compared_ms > 0).then(|| ShadowReport {
        compared_s: seconds(sum.compared_ms),
        differed_s: seconds(sum.differed_ms),
        live_hours: hours(sum.live_ms),
        shadow_hours: hours(sum.shadow_ms),
        cost_difference: None,
        most_above: sum.most_above,
        most_below: sum.most_below,
        events: events::count(own, plimsoll_control::record::Kind::Shadow),
    })
}

fn queues(sources: &Sources<'_>) -> Vec<QueueReport> {
    let mut by_name: BTreeMap<&str, Vec<&QueueEntry>> = BTreeMap::new();
    for entry in sources.entries {
        for (name, queue) in &entry.queues {
            by_name.entry(name).or_default().push(queue);
        }
    }
    let of = |(name, entries): (&str, Vec<&QueueEntry>)| {
        let sum = |of: fn(&QueueEntry) -> u64| entries.iter().map(|entry| of(entry)).sum::<u64>();
        QueueReport {
            name: name.to_owned(),
            enqueued: sum(|entry| entry.enqueued),
            completed: sum(|entry| entry.completed),
            failed_attempts: sum(|entry| entry.failed_attempts),
            leases_lost: sum(|entry| entry.leases_lost),
            died: sum(|entry| entry.died),
            dead: entries.last().map_or(0, |entry| entry.dead),
            most_ready: entries.iter().map(|entry| entry.most_ready).max().unwrap_or(0),
            oldest_s: entries.iter().map(|entry| entry.oldest_s).fold(0.0, f64::max),
            wait: wait(sources.stack, name, &entries),
        }
    };
    by_name.into_iter().map(of).collect()
}

/// The strictest `queueLatency` that names this queue, or names none.
fn wait(stack: &Stack, name: &str, entries: &[&QueueEntry]) -> Option<WaitReport> {
    let rules =
        stack.services.values().filter_map(|service| service.scaling.as_ref()?.queue_latency.as_ref());
    let own = rules.filter(|rule| rule.queue.as_deref().is_none_or(|queue| queue == name));
    let target_s = own.map(|rule| rule.target_wait_s).reduce(f64::min)?;
    let over = entries.iter().filter(|entry| entry.oldest_s > target_s).count();
    Some(WaitReport { target_s, minutes_over: over as u64, minutes: entries.len() as u64 })
}

/// The period in slices of the same length, those without a measurement left out.
fn course(sources: &Sources<'_>, names: &[&str]) -> Vec<Point> {
    let (Some(first), Some(last)) = (sources.entries.first(), sources.entries.last()) else {
        return Vec::new();
    };
    let slice_ms = (last.to_ms.saturating_sub(first.from_ms) / POINTS).max(60_000);
    let mut slices: BTreeMap<u64, Vec<&Entry>> = BTreeMap::new();
    for entry in sources.entries {
        slices.entry((entry.from_ms - first.from_ms.min(entry.from_ms)) / slice_ms).or_default().push(entry);
    }
    let point = |(slice, entries): (u64, Vec<&Entry>)| {
        let measured_ms: u64 = entries.iter().map(|entry| entry.measured_ms).sum();
        let running = names.iter().map(|name| {
            let own = entries.iter().filter_map(|entry| entry.services.get(*name));
            mean(own.map(|entry| entry.running_ms).sum(), measured_ms)
        });
        let services = entries.iter().flat_map(|entry| entry.services.values());
        let requests: u64 = services.filter_map(|entry| entry.edge.as_ref()).map(|edge| edge.requests).sum();
        let queues = || entries.iter().flat_map(|entry| entry.queues.values());
        let completed: u64 = queues().map(|queue| queue.completed).sum();
        Point {
            at_ms: first.from_ms + slice * slice_ms,
            running: running.collect(),
            requests_per_s: mean(requests, measured_ms) * 1000.0,
            completed_per_s: mean(completed, measured_ms) * 1000.0,
            oldest_s: queues().map(|queue| queue.oldest_s).fold(0.0, f64::max),
        }
    };
    slices.into_iter().map(point).collect()
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

fn hours(ms: u64) -> f64 {
    ms as f64 / MS_PER_HOUR
}

fn mean(sum: u64, measured_ms: u64) -> f64 {
    if measured_ms == 0 { 0.0 } else { sum as f64 / measured_ms as f64 }
}
