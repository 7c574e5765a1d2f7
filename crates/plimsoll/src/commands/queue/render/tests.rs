//! Whole output, so that a change of it is a change somebody decided on.

use plimsoll_console::queue::ProgressView;
use plimsoll_control::view::HolderView;

use super::*;

/// Time zones differ between machines: moments are shown as their hour only.
fn shown(lines: &[String]) -> String {
    without_moments(&lines.join("\n"))
}

/// `2025-10-09 08:53:20` becomes `<moment>`, as wide as it was.
fn without_moments(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("20") {
        let candidate = rest.get(at..at + 19).unwrap_or("");
        let is_moment = candidate.len() == 19
            && candidate.chars().enumerate().all(|(index, c)| match index {
                4 | 7 => c == '-',
                10 => c == ' ',
                13 | 16 => c == ':',
                _ => c.is_ascii_digit(),
            });
        if is_moment {
            out.push_str(&rest[..at]);
            out.push_str("<a moment of a day>");
            rest = &rest[at + 19..];
        } else {
            out.push_str(&rest[..at + 2]);
            rest = &rest[at + 2..];
        }
    }
    out + rest
}

fn dead() -> JobView {
    JobView {
        id: 17,
        queue: "evaluate".to_owned(),
        lane: "tenant-a".to_owned(),
        owner: Some("amelie".to_owned()),
        state: "dead".to_owned(),
        attempts: 2,
        enqueued_at_ms: 1_760_000_000_000,
        at_ms: 1_760_000_012_000,
        worker: None,
        progress: None,
        payload_bytes: Some(97),
        reason: Some("model.refused: the model said 401".to_owned()),
        failures: vec![
            AttemptView {
                attempt: 1,
                at_ms: 1_760_000_004_000,
                worker: "worker-1/4711".to_owned(),
                error: Some("lease_lost".to_owned()),
                message: "lease expired: the worker died, stalled or lost the database".to_owned(),
            },
            AttemptView {
                attempt: 2,
                at_ms: 1_760_000_012_000,
                worker: "worker-2/4712".to_owned(),
                error: Some("model.refused".to_owned()),
                message: "model.refused: the model said 401".to_owned(),
            },
        ],
    }
}

#[test]
fn a_dead_job_is_shown_with_each_attempt() {
    insta::assert_snapshot!(shown(&job(&dead(), 1_760_000_204_000)), @r#"
    job 17 of evaluate: dead since <a moment of a day> (3m12s ago)
      model.refused: the model said 401

    Enqueued   <a moment of a day>
    Attempts   2
    Payload    97B, not shown
    Lane       tenant-a
    Owner      amelie

    ATTEMPT  FAILED               WORKER         ERROR          MESSAGE
    1        <a moment of a day>  worker-1/4711  lease_lost     lease expired: the worker died, stalled or lost the database
    2        <a moment of a day>  worker-2/4712  model.refused  the model said 401
    "#);
}

#[test]
fn a_running_job_is_shown_with_its_progress_and_holder() {
    let running = JobView {
        state: "leased".to_owned(),
        worker: Some("worker-3/4713".to_owned()),
        progress: Some(ProgressView { permille: 425, note: "scoring".to_owned() }),
        lane: String::new(),
        owner: None,
        reason: None,
        failures: Vec::new(),
        ..dead()
    };
    insta::assert_snapshot!(shown(&job(&running, 1_760_000_204_000)), @r#"
    job 17 of evaluate: in work, leased until <a moment of a day>

    Enqueued   <a moment of a day>
    Attempts   2
    Payload    97B, not shown
    Held by    worker-3/4713
    Progress   42.5% scoring
    "#);
}

#[test]
fn dead_letters_are_one_line_each_whatever_they_say() {
    let letter = |id, reason: &str| LetterView {
        id,
        queue: "evaluate".to_owned(),
        lane: String::new(),
        attempts: 5,
        enqueued_at_ms: 1_760_000_000_000,
        died_at_ms: 1_760_000_012_000,
        reason: reason.to_owned(),
        error: None,
        payload_bytes: 1_536,
    };
    let long = "x".repeat(200);
    let list = [letter(7, "model.refused: 401"), letter(1234, "two\nlines \u{1b}[31mred"), letter(8, &long)];
    insta::assert_snapshot!(shown(&letters(&list)), @r#"
    ID    QUEUE     DIED                 ATTEMPTS  PAYLOAD  WHY
    7     evaluate  <a moment of a day>  5         1.5Ki    model.refused: 401
    1234  evaluate  <a moment of a day>  5         1.5Ki    two lines  [31mred
    8     evaluate  <a moment of a day>  5         1.5Ki    xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
    "#);
}

#[test]
fn queues_are_shown_with_their_rates_where_somebody_measured_them() {
    let busy = QueueView {
        name: "evaluate".to_owned(),
        ready: 1974,
        leased: 8,
        scheduled: 3,
        dead: 2,
        completed: 8019,
        oldest_age_s: 30.24,
        arrivals_per_s: 96.5,
        completions_per_s: 64.0,
        time_to_drain_s: 131.0,
        held_by: vec![HolderView { worker: "worker-1".to_owned(), jobs: 8 }],
        ..QueueView::default()
    };
    let idle = QueueView { name: "mail".to_owned(), completed: 7, ..QueueView::default() };
    let list = [busy, idle];
    insta::assert_snapshot!(queues(&list, true).join("\n"), @r#"
    QUEUE     READY  RUNNING  SCHEDULED  DEAD  OLDEST  IN/S  DONE/S  DRAINS IN  COMPLETED
    evaluate  1974   8        3          2     30.2s   96.5  64.0    2m11s      8019
    mail      0      0        0          0     -       0.0   0.0     -          7

    evaluate is worked on by worker-1 8
    "#);
    let unmeasured = QueueView { held_by: Vec::new(), ..list[0].clone() };
    insta::assert_snapshot!(queues(std::slice::from_ref(&unmeasured), false).join("\n"), @r#"
    QUEUE     READY  RUNNING  SCHEDULED  DEAD  OLDEST  IN/S  DONE/S  DRAINS IN  COMPLETED
    evaluate  1974   8        3          2     30.2s   -     -       -          8019
    "#);
    let json = queues_json(&list, false).to_string();
    assert!(!json.contains("arrivals_per_s") && json.contains("8019"), "{json}");
}
