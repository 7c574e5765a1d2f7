//! Queues, dead letters and jobs as text.

use plimsoll_console::queue::{AttemptView, JobView, LetterView};
use plimsoll_control::view::QueueView;

use crate::{table::Table, units};

/// Longest message in a table; `queue show` has all of it.
const MESSAGE_CHARS: usize = 90;

/// What only somebody who watches a queue for a while knows.
const WATCHED: [&str; 5] = ["arrivals_per_s", "completions_per_s", "service_s", "time_to_drain_s", "held_by"];

/// `watched` says whether the rates were measured.
pub(super) fn queues(queues: &[QueueView], watched: bool) -> Vec<String> {
    let heading = [
        "QUEUE",
        "READY",
        "RUNNING",
        "SCHEDULED",
        "DEAD",
        "OLDEST",
        "IN/S",
        "DONE/S",
        "DRAINS IN",
        "COMPLETED",
    ];
    let mut table = Table::new(heading);
    for queue in queues {
        let measured = |text: String| if watched { text } else { "-".to_owned() };
        table.row([
            units::plain(&queue.name),
            queue.ready.to_string(),
            queue.leased.to_string(),
            queue.scheduled.to_string(),
            queue.dead.to_string(),
            if queue.ready == 0 { "-".to_owned() } else { seconds(queue.oldest_age_s) },
            measured(format!("{:.1}", queue.arrivals_per_s)),
            measured(format!("{:.1}", queue.completions_per_s)),
            measured(if queue.ready == 0 { "-".to_owned() } else { seconds(queue.time_to_drain_s) }),
            queue.completed.to_string(),
        ]);
    }
    let mut lines = table.lines();
    for queue in queues.iter().filter(|queue| !queue.held_by.is_empty()) {
        let held = queue.held_by.iter().map(|one| format!("{} {}", units::plain(&one.worker), one.jobs));
        lines.push(String::new());
        lines.push(format!(
            "{} is worked on by {}",
            units::plain(&queue.name),
            held.collect::<Vec<_>>().join(", ")
        ));
    }
    lines
}

/// Without what nobody measured.
pub(super) fn queues_json(queues: &[QueueView], watched: bool) -> serde_json::Value {
    let mut list = serde_json::json!(queues);
    if !watched {
        for queue in list.as_array_mut().into_iter().flatten().filter_map(|queue| queue.as_object_mut()) {
            queue.retain(|field, _| !WATCHED.contains(&field.as_str()));
        }
    }
    list
}

/// `12.3s` below a minute, `3m12s` above.
fn seconds(seconds: f64) -> String {
    if seconds < 60.0 { format!("{seconds:.1}s") } else { units::age(seconds as u64) }
}

pub(super) fn letters(letters: &[LetterView]) -> Vec<String> {
    let mut table = Table::new(["ID", "QUEUE", "DIED", "ATTEMPTS", "PAYLOAD", "WHY"]);
    for letter in letters {
        table.row([
            letter.id.to_string(),
            units::plain(&letter.queue),
            units::moment(letter.died_at_ms),
            letter.attempts.to_string(),
            units::bytes(letter.payload_bytes),
            short(&letter.reason),
        ]);
    }
    table.lines()
}

pub(super) fn job(job: &JobView, now_ms: u64) -> Vec<String> {
    let mut lines = vec![headline(job, now_ms)];
    if let Some(reason) = &job.reason {
        lines.push(format!("  {}", units::plain(reason)));
    }
    lines.push(String::new());
    let mut fact = |name: &str, value: String| lines.push(format!("{name:<9}  {value}"));
    fact("Enqueued", units::moment(job.enqueued_at_ms));
    fact("Attempts", job.attempts.to_string());
    if let Some(bytes) = job.payload_bytes {
        fact("Payload", format!("{}, not shown", units::bytes(bytes)));
    }
    if !job.lane.is_empty() {
        fact("Lane", units::plain(&job.lane));
    }
    if let Some(owner) = &job.owner {
        fact("Owner", units::plain(owner));
    }
    if let Some(worker) = &job.worker {
        fact("Held by", units::plain(worker));
    }
    if let Some(progress) = &job.progress {
        let percent = f64::from(progress.permille) / 10.0;
        fact("Progress", format!("{percent}% {}", units::plain(&progress.note)).trim_end().to_owned());
    }
    if !job.failures.is_empty() {
        lines.push(String::new());
        lines.extend(attempts(&job.failures));
    }
    lines
}

fn headline(job: &JobView, now_ms: u64) -> String {
    let (id, queue, at) = (job.id, units::plain(&job.queue), units::moment(job.at_ms));
    let since = i64::try_from(now_ms).unwrap_or(i64::MAX).saturating_sub(job.at_ms);
    let ago = u64::try_from(since / 1000).map_or(String::new(), |s| format!(" ({} ago)", units::age(s)));
    let what = match job.state.as_str() {
        "ready" => format!("ready since {at}{ago}"),
        "scheduled" => format!("waits until {at}"),
        "leased" => format!("in work, leased until {at}"),
        "dead" => format!("dead since {at}{ago}"),
        other => format!("{other} at {at}{ago}"),
    };
    format!("job {id} of {queue}: {what}")
}

fn attempts(failures: &[AttemptView]) -> Vec<String> {
    let mut table = Table::new(["ATTEMPT", "FAILED", "WORKER", "ERROR", "MESSAGE"]);
    for failure in failures {
        let message = units::plain(&failure.message);
        let word = failure.error.clone().unwrap_or_else(|| "-".to_owned());
        let rest = message.strip_prefix(&format!("{word}: ")).map_or(message.clone(), str::to_owned);
        table.row([
            failure.attempt.to_string(),
            units::moment(failure.at_ms),
            units::plain(&failure.worker),
            word,
            rest,
        ]);
    }
    table.lines()
}

fn short(message: &str) -> String {
    let message = units::plain(message);
    match message.char_indices().nth(MESSAGE_CHARS) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message,
    }
}

#[cfg(test)]
mod tests;
