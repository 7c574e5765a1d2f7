//! Reports on logs that are made up, so that every figure can be checked by hand.

use std::collections::BTreeMap;

use plimsoll_control::{
    record::{Kind, Record},
    view::{SizeView, SizingView},
};
use plimsoll_gateway::BUCKETS_S;
use plimsoll_stack::Stack;

use super::*;
use crate::logbook::{EdgeEntry, Entry, QueueEntry, ServiceEntry, ShadowEntry};

const MINUTE_MS: u64 = 60_000;
/// 2025-10-09 08:53:20 UTC.
const START_MS: u64 = 1_760_000_000_000;

fn stack() -> Stack {
    let file = b"
name: shop
gateway:
  listen: 127.0.0.1:8080
  routes: [{ path: /, service: api }]
services:
  api:
    command: [api]
    health: { liveness: /healthz, readiness: /readyz }
    scaling: { minReplicas: 1, maxReplicas: 4, slo: { p95Seconds: 0.3, slots: 8 } }
  worker:
    command: [worker]
    health: { liveness: /healthz, readiness: /readyz }
    scaling: { minReplicas: 1, maxReplicas: 4, queueLatency: { queue: mail, targetWaitSeconds: 5 } }
";
    plimsoll_stack::parse("stack.yaml", file).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// A minute in which two workers ran, 100 requests came and 30 jobs were done.
fn minute(number: u64) -> Entry {
    let from_ms = START_MS + number * MINUTE_MS;
    let mut durations = vec![0; BUCKETS_S.len() + 1];
    // 90 within 100 ms, 8 within 500 ms, 2 beyond 30 s.
    (durations[6], durations[8], durations[14]) = (90, 8, 2);
    let api = ServiceEntry {
        desired_ms: MINUTE_MS,
        ready_ms: MINUTE_MS,
        running_ms: MINUTE_MS,
        least_ready: 1,
        most_running: 1,
        cpu_milli_ms: 250 * MINUTE_MS,
        memory_max_bytes: 48 << 20,
        edge: Some(EdgeEntry { requests: 100, errors: 2, durations }),
        ..ServiceEntry::default()
    };
    let worker = ServiceEntry {
        desired_ms: 2 * MINUTE_MS,
        ready_ms: 2 * MINUTE_MS - 3_000,
        running_ms: 2 * MINUTE_MS,
        least_ready: 1,
        most_running: 2,
        shadow: Some(ShadowEntry {
            compared_ms: MINUTE_MS,
            differed_ms: MINUTE_MS / 2,
            live_ms: 2 * MINUTE_MS,
            shadow_ms: MINUTE_MS,
            most_above: 0,
            most_below: 1,
        }),
        sizing: Some(SizingView {
            mode: "Off".to_owned(),
            cpu: SizeView {
                stated: Some(500),
                target: 410,
                lower: 230,
                upper: 720,
                verdict: "fits".to_owned(),
            },
            memory: SizeView {
                stated: None,
                target: 310 << 20,
                lower: 250 << 20,
                upper: 470 << 20,
                verdict: "state it".to_owned(),
            },
        }),
        ..ServiceEntry::default()
    };
    let mail = QueueEntry {
        enqueued: 32,
        completed: 30,
        failed_attempts: 1,
        died: u64::from(number == 0),
        dead: 1,
        most_ready: 12,
        oldest_s: if number == 0 { 7.5 } else { 2.0 },
        ..QueueEntry::default()
    };
    Entry {
        from_ms,
        to_ms: from_ms + MINUTE_MS,
        measured_ms: MINUTE_MS,
        services: BTreeMap::from([("api".to_owned(), api), ("worker".to_owned(), worker)]),
        queues: BTreeMap::from([("mail".to_owned(), mail)]),
    }
}

fn record(id: u64, kind: Kind, service: &str, change: (u32, u32), summary: &str) -> Record {
    Record {
        id,
        at_ms: START_MS + id * 1000,
        kind,
        service: service.to_owned(),
        from: change.0,
        to: change.1,
        summary: summary.to_owned(),
        detail: serde_json::Value::Null,
    }
}

fn report(entries: &[Entry], records: &[Record]) -> Report {
    build(&Sources {
        stack: &stack(),
        entries,
        records,
        damaged_lines: 0,
        from_ms: START_MS - 60 * MINUTE_MS,
        to_ms: START_MS + 60 * MINUTE_MS,
    })
}

/// One minute, ten that nobody watched, another two.
fn entries() -> Vec<Entry> {
    vec![minute(0), minute(11), minute(12)]
}

#[test]
fn what_was_not_measured_is_said_and_not_counted() {
    let report = report(&entries(), &[]);
    assert_eq!((report.coverage.asked_s, report.coverage.measured_s), (7_200, 180.0));
    let gap = Gap { from_ms: START_MS + MINUTE_MS, to_ms: START_MS + 11 * MINUTE_MS };
    assert_eq!(report.coverage.gaps, [gap]);
    let worker = &report.services[1];
    assert!(
        (worker.instance_hours - 6.0 / 60.0).abs() < 1e-9,
        "two instances for three minutes, not thirteen"
    );
    assert_eq!(report.services[0].cpu_cores, 0.25);
    let said = phrases::coverage(&report.coverage);
    assert!(said[0].starts_with("measured for 3m0s of 2h0m, from "), "{said:?}");
    assert!(said[1].starts_with("  not measured from "), "{said:?}");
    let empty = super::tests::report(&[], &[]);
    assert!(text::render(&empty)[1].starts_with("nothing was measured in these 2h0m"));
}

#[test]
fn a_quantile_is_the_pair_of_bounds_it_lies_between() {
    let report = report(&entries(), &[]);
    let http = report.services[0].http.as_ref().expect("answered");
    assert_eq!((http.requests, http.errors), (300, 6));
    assert_eq!(http.p50, Some(Range { above: 0.05, upto: Some(0.1) }));
    assert_eq!(http.p95, Some(Range { above: 0.25, upto: Some(0.5) }));
    assert_eq!(http.p99, Some(Range { above: 30.0, upto: None }));
    // 8 of 100 took 250 to 500 ms: whether more than 300 ms nobody knows; the 2 beyond certainly did.
    let slo = http.slo.expect("stated");
    assert_eq!((slo.over_at_least, slo.over_at_most, slo.held), (6, 30, None));
    assert_eq!(report.services[1].http, None, "nothing is answered for a worker");
}

#[test]
fn an_slo_is_held_or_violated_only_when_the_histogram_can_tell() {
    let verdict = |slow: u64, within: u64| {
        let mut entry = minute(0);
        let api = entry.services.get_mut("api").expect("the api");
        let edge = api.edge.as_mut().expect("answered");
        edge.durations.fill(0);
        (edge.durations[6], edge.durations[8], edge.durations[9]) = (100 - slow - within, within, slow);
        let report = report(&[entry], &[]);
        report.services[0].http.as_ref().and_then(|http| http.slo).and_then(|slo| slo.held)
    };
    assert_eq!([verdict(0, 5), verdict(6, 0), verdict(5, 1)], [Some(true), Some(false), None]);
}

#[test]
fn waits_shadows_and_prices_are_held_against_what_was_wanted() {
    let mut report = report(&entries(), &[]);
    let mail = &report.queues[0];
    assert_eq!((mail.enqueued, mail.completed, mail.died, mail.dead, mail.oldest_s), (96, 90, 1, 1, 7.5));
    assert_eq!(mail.wait, Some(WaitReport { target_s: 5.0, minutes_over: 1, minutes: 3 }));
    assert_eq!(report.cost(), None, "nobody gave a price");
    report.price(&Prices { every: Some(10.0), of: BTreeMap::from([("api".to_owned(), 0.0)]) });
    assert!((report.cost().expect("priced") - 1.0).abs() < 1e-9);
    let shadow = report.services[1].shadow.as_ref().expect("compared");
    assert_eq!((shadow.compared_s, shadow.differed_s), (180.0, 90.0));
    assert!(
        (shadow.cost_difference.expect("priced") + 0.5).abs() < 1e-9,
        "three minutes of one instance less"
    );
}

fn records() -> Vec<Record> {
    vec![
        record(1, Kind::Lifecycle, "", (0, 0), "stack `shop` started"),
        record(2, Kind::Scale, "worker", (1, 2), "queueLatency: 12 wait"),
        record(3, Kind::Hold, "worker", (2, 2), "capped at maxReplicas 4"),
        record(4, Kind::Alert, "worker", (2, 2), "flapping: 3 changes of direction in 600 s"),
        record(5, Kind::Crash, "worker", (0, 0), "worker-1 killed by signal 9 (SIGKILL)"),
        record(6, Kind::Operator, "", (0, 0), "amelie (command line) requeued 1 dead letter: 7"),
        record(7, Kind::Shadow, "worker", (2, 1), "shadow wants 1 where the live policy wants 2"),
        record(8, Kind::Scale, "worker", (2, 1), "nothing waits"),
    ]
}

#[test]
fn events_are_counted_and_told_apart() {
    let report = report(&entries(), &records());
    let told = &report.services[1].scaling;
    assert_eq!((told.out, told.r#in, told.held, told.flaps, told.jumps, told.crashes), (1, 1, 1, 1, 0, 1));
    assert_eq!(told.because, [Because { reason: "not recorded".to_owned(), out: 1, r#in: 1 }]);
    assert_eq!(report.services[1].shadow.as_ref().expect("compared").events, 1);
    let counts = [&report.decisions, &report.alerts, &report.crashes, &report.orders, &report.runs];
    assert_eq!(counts.map(Vec::len), [2, 1, 1, 1, 1]);
    assert_eq!(report.coverage.decisions_from_ms, Some(START_MS + 1000));
}

/// Moments are told in the time zone of the machine.
fn shown(lines: &[String]) -> String {
    let without = lines.iter().map(|line| {
        let mut words: Vec<&str> = line.split(' ').collect();
        for index in 0..words.len() {
            if words[index].starts_with("2025-10-") {
                words[index] = "2025-10-dd";
                words[index + 1] = "hh:mm:ss";
            }
        }
        words.join(" ")
    });
    without.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_report_reads_from_top_to_bottom() {
    let mut report = report(&entries(), &records());
    report.price(&Prices { every: Some(0.04), ..Prices::default() });
    insta::assert_snapshot!(shown(&text::render(&report)), @r#"
    shop: 2025-10-dd hh:mm:ss to 2025-10-dd hh:mm:ss
    measured for 3m0s of 2h0m, from 2025-10-dd hh:mm:ss to 2025-10-dd hh:mm:ss
      not measured from 2025-10-dd hh:mm:ss to 2025-10-dd hh:mm:ss
    decisions are known from 2025-10-dd hh:mm:ss on

    What it cost
      SERVICE  INSTANCE HOURS  READY HOURS  MEAN  MOST  CPU   MOST MEMORY  COST
      api      0.050           0.050        1.00  1     250m  48Mi         0.0020
      worker   0.100           0.098        2.00  2     0m    0B           0.0040
      0.0060 in all, at the prices given

    What the edge answered
      SERVICE  REQUESTS  5XX         P50            P95             P99         SLO
      api      300       6 (2.00 %)  50ms to 100ms  250ms to 500ms  over 30.0s  p95 300ms: cannot be told, 2.00 % to 10.00 % took longer

    What the queues carried
      QUEUE  ENQUEUED  COMPLETED  FAILED ATTEMPTS  LEASES LOST  DIED  DEAD NOW  MOST READY  LONGEST WAIT  WAIT TARGET
      mail   96        90         3                0            1     1         12          7.5s          5.0s: over it in 1 of 3 minutes

    How its size changed
      SERVICE  OUT  IN  HELD  JUMPS  FLAPS  CRASHES  BECAUSE OF (OUT/IN)
      api      0    0   0     0      0      0
      worker   1    1   1     0      1      1        not recorded 1/1

    Shadow policies, which act on nothing
      worker: it asked for 0.050 instance hours where the live policy asked for 0.100 (0.050 fewer, -0.0020 at the price given); they differed for 1m30s of 3m0s compared, by 0 above and 1 below at most; 1 events

    Advice on the size of an instance
      SERVICE  RESOURCE  STATED   ADVISED  FITS            VERDICT   MODE
      worker   cpu       500m     410m     230m to 720m    fits      Off
      worker   memory    nothing  310Mi    250Mi to 470Mi  state it  Off

    Decisions
      ID  TIME                 SERVICE  CHANGE  WHY
      2   2025-10-dd hh:mm:ss  worker   1 -> 2  queueLatency: 12 wait
      8   2025-10-dd hh:mm:ss  worker   2 -> 1  nothing waits

    Alerts
      ID  TIME                 SERVICE  CHANGE  WHY
      4   2025-10-dd hh:mm:ss  worker   -       flapping: 3 changes of direction in 600 s

    Crashes
      ID  TIME                 SERVICE  CHANGE  WHY
      5   2025-10-dd hh:mm:ss  worker   -       worker-1 killed by signal 9 (SIGKILL)

    What operators did
      ID  TIME                 SERVICE  CHANGE  WHY
      6   2025-10-dd hh:mm:ss  -        -       amelie (command line) requeued 1 dead letter: 7
    "#);
}

#[test]
fn the_page_needs_nothing_else_and_shows_text_as_text() {
    let mut records = records();
    records[5].summary = "<script>alert('x')</script> & \"done\"".to_owned();
    let mut report = report(&entries(), &records);
    report.stack = "a<b>".to_owned();
    let page = html::render(&report);
    assert!(page.starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"));
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;alert(&#39;x&#39;)"), "{page}");
    assert!(page.contains("<h1>a&lt;b&gt;</h1>"));
    for elsewhere in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(elsewhere), "{elsewhere}");
    }
    // The two stretches that were measured are two strokes: each line begins twice.
    let lines: Vec<&str> = page.split("<path d=\"").skip(1).collect();
    assert_eq!(lines.len(), 5, "two services, requests, jobs, the longest wait");
    for line in lines {
        let path = line.split('"').next().expect("a path");
        assert_eq!(path.matches('M').count(), 2, "{path}");
    }
}
