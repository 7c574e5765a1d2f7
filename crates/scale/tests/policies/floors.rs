use plimsoll_scale::Time;
use plimsoll_scale::observe::Reading;
use plimsoll_scale::policy::forecast::{Memory, Report, Standing, evaluate};
use plimsoll_scale::policy::{Gauge, Policy, PolicyState, Signals};
use plimsoll_scale::spec::policy::Forecast;
use serde_json::json;

use super::{policy, ready, round, spec};

fn office_hours() -> serde_json::Value {
    json!({
        "minReplicas": 1, "maxReplicas": 20,
        "metrics": [{ "type": "External", "external": {
            "metric": { "name": "queue_depth" }, "target": { "type": "AverageValue", "averageValue": "10" } } }],
        "behavior": { "scaleDown": { "stabilizationWindowSeconds": 0 } },
        "schedule": [{ "name": "office hours", "start": "0 8 * * mon-fri", "end": "0 18 * * mon-fri",
                       "timezone": "Europe/Berlin", "replicas": 6 }],
    })
}

/// The count at a UTC time with a queue of this depth.
fn count_at(time: &str, depth: i64, startup_ms: u64) -> (u32, String) {
    count_from(2, time, depth, startup_ms)
}

fn count_from(replicas: u32, time: &str, depth: i64, startup_ms: u64) -> (u32, String) {
    let now = Time(time.parse::<jiff::Timestamp>().unwrap().as_millisecond());
    let mut seen = ready(replicas);
    seen.readings = vec![Reading::Value { milli: depth * 1000, at: now }];
    let signals = Signals { startup_ms: Some(startup_ms), ..Signals::default() };
    let decided = round(&policy(office_hours()), &mut PolicyState::default(), &seen, &signals, now);
    (decided.decision.desired, decided.summary())
}

#[test]
fn schedule_holds_in_wall_time_on_both_sides_of_a_clock_change() {
    // Berlin is UTC+2 in summer and UTC+1 in winter.
    assert_eq!(count_at("2026-07-15T06:00:01Z", 20, 0).0, 6);
    assert_eq!(count_at("2026-07-15T05:59:00Z", 20, 0).0, 2);
    assert_eq!(count_at("2026-11-18T06:59:00Z", 20, 0).0, 2);
    assert_eq!(count_at("2026-11-18T07:00:01Z", 20, 0).0, 6);
    assert_eq!(count_at("2026-11-18T17:00:01Z", 20, 0).0, 2);
    assert_eq!(count_at("2026-11-21T10:00:00Z", 20, 0).0, 2, "a Saturday");
}

#[test]
fn schedule_begins_one_start_up_early() {
    assert_eq!(count_at("2026-11-18T06:59:00Z", 20, 60_000).0, 6);
    assert_eq!(count_at("2026-11-18T06:58:00Z", 20, 60_000).0, 2);
}

#[test]
fn schedule_never_lowers_and_says_when_it_raises() {
    let (count, summary) = count_at("2026-11-18T09:00:00Z", 20, 0);
    assert_eq!(count, 6);
    assert!(summary.ends_with("raised from 2 to 6 by schedule `office hours`"), "{summary}");
    assert_eq!(count_from(8, "2026-11-18T09:00:00Z", 90, 0).0, 9);
}

#[test]
fn schedule_that_means_nothing_is_refused() {
    let with = |key: &str, value: &str| {
        let mut body = office_hours();
        body["schedule"][0][key] = json!(value);
        Policy::compile(spec(body)).map(|_| ()).unwrap_err().to_string()
    };
    assert!(with("timezone", "Mars/Olympus").contains("unknown time zone `Mars/Olympus`"));
    assert!(with("start", "0 25 * * *").contains("`25` is not a hour"));
    assert!(with("end", "0 0 31 2 *").contains("never happens"));
}

const DAILY: Forecast =
    Forecast { per_instance_milli: 10_000, period_s: 86_400, bucket_s: 300, horizon_s: Some(300) };

/// Feeds one value per bucket and collects the reports.
fn feed(memory: &mut Memory, buckets: std::ops::Range<i64>, demand: impl Fn(i64) -> f64) -> Vec<Report> {
    buckets
        .map(|bucket| {
            let now = Time::from_s(bucket * 300);
            let gauge = Gauge { milli: (demand(bucket) * 1000.0) as u64, at: now };
            evaluate(&DAILY, memory, Some(&gauge), 60_000, now)
        })
        .collect()
}

/// A day with its peak in the middle, and noise that differs from day to day.
fn daily(bucket: i64) -> f64 {
    let phase = (bucket % 288) as f64 / 288.0 * std::f64::consts::TAU;
    let noise = (bucket.wrapping_mul(2_654_435_761) >> 7).rem_euclid(200) as f64 / 10.0;
    200.0 - 150.0 * phase.cos() + noise
}

#[test]
fn forecast_learns_before_it_speaks() {
    let reports = feed(&mut Memory::default(), 0..288, daily);
    assert!(reports.iter().all(|report| report.asks.is_none() && report.standing == Standing::Learning));
}

#[test]
fn forecast_of_a_daily_rhythm_beats_yesterday_and_sees_the_rise() {
    let reports = feed(&mut Memory::default(), 0..5 * 288, daily);
    let last_day = &reports[4 * 288..];
    assert!(last_day.iter().all(|report| report.standing == Standing::On));
    let last = last_day.last().unwrap();
    assert!(last.model_error_milli < last.naive_error_milli, "{last:?}");
    // In the morning the floor is above what the demand of now needs.
    let morning = &last_day[70];
    let needed_now = (daily(4 * 288 + 70) / 10.0).ceil() as u32;
    assert!(morning.asks.unwrap() >= needed_now, "{morning:?}");
}

#[test]
fn forecast_switches_itself_off_while_yesterday_is_the_better_guess() {
    // Five days of one rhythm, then another one that repeats exactly: yesterday is perfect, the mean is not.
    let shifted = |bucket: i64| {
        let day = bucket / 288;
        let phase = (bucket % 288) as f64 / 288.0 * std::f64::consts::TAU;
        if day < 5 { 200.0 - 150.0 * phase.cos() } else { 200.0 + 150.0 * (7.0 * phase).sin() }
    };
    let reports = feed(&mut Memory::default(), 0..7 * 288, shifted);
    assert_eq!(reports[5 * 288 - 1].standing, Standing::On);
    let last = reports.last().unwrap();
    assert_eq!((last.standing, last.asks), (Standing::Losing, None), "{last:?}");
}

#[test]
fn forecast_is_a_floor_and_named_in_the_sentence() {
    let body = json!({
        "minReplicas": 1, "maxReplicas": 50,
        "metrics": [{ "type": "External", "external": {
            "metric": { "name": "queue_depth" }, "target": { "type": "AverageValue", "averageValue": "10" } } }],
        "behavior": { "scaleDown": { "stabilizationWindowSeconds": 0 } },
        "forecast": { "perInstance": "10", "horizonSeconds": 300 },
    });
    let policy = policy(body);
    let mut state = PolicyState::default();
    let (mut raised, mut replicas) = (0, 1);
    for bucket in 0..4 * 288 {
        let now = Time::from_s(bucket * 300);
        let mut seen = ready(replicas);
        seen.readings = vec![Reading::Value { milli: 5000, at: now }];
        let demand = Gauge { milli: (daily(bucket) * 1000.0) as u64, at: now };
        let signals = Signals { demand: Some(demand), ..Signals::default() };
        let decided = round(&policy, &mut state, &seen, &signals, now);
        assert!((1..=50).contains(&decided.decision.desired));
        raised += u32::from(decided.summary().ends_with("by the forecast"));
        replicas = decided.decision.desired;
    }
    assert!(raised > 250, "raised {raised} times");
}
