//! Random sequences of calls: a database must answer what the plain maps of the memory driver answer.

use std::sync::Arc;
use std::time::Duration;

use plimsoll_jobs::{Claimed, FailureClass, JobId, JobsError};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::fixture::{self, Fixture, LEASE, job};

#[derive(Debug, Clone)]
enum Call {
    Add { priority: i16, delay_s: u64, lane: usize, key: Option<u8>, attempts: u32, count: usize },
    Claim { limit: u32 },
    Heartbeat,
    Complete { which: usize },
    Fail { which: usize, class: FailureClass },
    Release { which: usize },
    Cancel { job: usize },
    Requeue { job: usize },
    Died { seconds_ago: u64 },
    Limit { lane: usize, max: Option<u32> },
    Wait { seconds: u64 },
}

fn call() -> impl Strategy<Value = Call> {
    let class = prop_oneof![
        Just(FailureClass::Never),
        (0..20u64).prop_map(|s| FailureClass::RetryAfter(Duration::from_secs(s))),
    ];
    prop_oneof![
        4 => (-1..2i16, prop_oneof![2 => Just(0u64), 1 => 1..15u64], 0..3usize, proptest::option::weighted(0.2, 0..4u8), 1..4u32, prop_oneof![3 => 1..5usize, 1 => 5..12usize])
            .prop_map(|(priority, delay_s, lane, key, attempts, count)| Call::Add { priority, delay_s, lane, key, attempts, count }),
        4 => prop_oneof![3 => 1..6u32, 1 => 6..20u32].prop_map(|limit| Call::Claim { limit }),
        2 => Just(Call::Heartbeat),
        3 => any::<usize>().prop_map(|which| Call::Complete { which }),
        2 => (any::<usize>(), class).prop_map(|(which, class)| Call::Fail { which, class }),
        1 => any::<usize>().prop_map(|which| Call::Release { which }),
        1 => any::<usize>().prop_map(|job| Call::Cancel { job }),
        1 => any::<usize>().prop_map(|job| Call::Requeue { job }),
        1 => (0..8u64).prop_map(|seconds_ago| Call::Died { seconds_ago }),
        1 => (0..4usize, proptest::option::of(0..4u32)).prop_map(|(lane, max)| Call::Limit { lane, max }),
        3 => (1..14u64).prop_map(|seconds| Call::Wait { seconds }),
    ]
}

/// One side: what it is asked, and what a caller knows. Numbers of jobs differ between drivers (a refused double may
/// use one up), so they are told by the order in which they appeared.
struct Side {
    f: Arc<Fixture>,
    held: Vec<Claimed>,
    known: Vec<JobId>,
}

impl Side {
    fn of(f: Fixture) -> Self {
        Self { f: Arc::new(f), held: Vec::new(), known: Vec::new() }
    }

    fn ordinal(&mut self, id: JobId) -> usize {
        self.known.iter().position(|k| *k == id).unwrap_or_else(|| {
            self.known.push(id);
            self.known.len() - 1
        })
    }

    fn id(&self, ordinal: usize) -> JobId {
        self.known.get(ordinal % self.known.len().max(1)).copied().unwrap_or(JobId(-1))
    }
}

/// Does the call and tells everything that can be seen of its effect.
async fn answer(side: &mut Side, call: &Call) -> String {
    let mut held = std::mem::take(&mut side.held);
    let f = Arc::clone(&side.f);
    const LANES: [&str; 4] = ["", "a", "b", "*"];
    let pick = |which: usize, held: &[Claimed]| held.get(which % held.len().max(1)).cloned();
    let seen = match call {
        Call::Add { priority, delay_s, lane, key, attempts, count } => {
            let mut new = job(0)
                .priority(*priority)
                .delay(Duration::from_secs(*delay_s))
                .lane(LANES[*lane])
                .max_attempts(*attempts);
            new.unique_key = key.map(|k| k.to_string());
            let ids = f.add_many(&vec![new; *count]).await;
            format!("{:?}", ids.into_iter().map(|id| side.ordinal(id)).collect::<Vec<_>>())
        }
        Call::Claim { limit } => {
            let claimed = f.claim(*limit).await;
            let mut told: Vec<_> = claimed
                .iter()
                .map(|c| (side.ordinal(c.id), c.attempt, c.lane.clone(), c.ready_at_ms))
                .collect();
            told.sort();
            held.extend(claimed);
            held.sort_by_key(|c| (c.id, c.attempt, c.lease_until_ms));
            format!("{told:?}")
        }
        // All at once: a driver may extend the jobs of one claim together.
        Call::Heartbeat => {
            let kept = f.jobs.heartbeat_many(&held.iter().collect::<Vec<_>>(), LEASE).await.unwrap();
            let mut told: Vec<_> = kept.iter().map(|k| (side.ordinal(k.job), k.cancel)).collect();
            told.sort_unstable();
            told.dedup();
            format!("{told:?}")
        }
        Call::Complete { which } => match pick(*which, &held) {
            Some(c) => format!("{:?}", f.complete(&c).await.map_err(|e| kind(&e))),
            None => String::new(),
        },
        Call::Fail { which, class } => match pick(*which, &held) {
            Some(c) => format!("{:?}", f.jobs.fail(&c, *class, "x").await.map_err(|e| kind(&e))),
            None => String::new(),
        },
        Call::Release { which } => match pick(*which, &held) {
            Some(c) => format!("{:?}", f.jobs.release(&c).await.map_err(|e| kind(&e))),
            None => String::new(),
        },
        Call::Died { seconds_ago } => {
            let before_ms = f.jobs.now_ms() - 1000 * seconds_ago.cast_signed();
            format!("{:?}", f.jobs.end_leases_of("w", before_ms).await.unwrap())
        }
        Call::Cancel { job } => {
            let mut tx = f.jobs.begin().await.unwrap();
            let done = f.jobs.cancel(&mut tx, side.id(*job)).await;
            tx.commit().await.unwrap();
            format!("{:?}", done.map_err(|e| kind(&e)))
        }
        Call::Requeue { job } => {
            let mut tx = f.jobs.begin().await.unwrap();
            let done = f.jobs.requeue(&mut tx, side.id(*job)).await;
            tx.commit().await.unwrap();
            format!("{:?}", done.map_err(|e| kind(&e)))
        }
        Call::Limit { lane, max } => {
            let mut tx = f.jobs.begin().await.unwrap();
            f.jobs.limit_lane(&mut tx, "q", LANES[*lane], *max).await.unwrap();
            tx.commit().await.unwrap();
            String::new()
        }
        Call::Wait { seconds } => {
            f.after(*seconds);
            String::new()
        }
    };
    let (stats, holders) = (f.jobs.stats(None).await.unwrap(), f.jobs.holders(None).await.unwrap());
    let mut after = format!("{seen} {stats:?} {holders:?}");
    for id in &side.known {
        let info = side.f.jobs.find(*id).await.unwrap();
        let failures = side.f.jobs.failures(*id).await.unwrap();
        after += &format!("\n{:?} {failures:?}", info.map(|i| (i.state, i.attempts, i.at_ms, i.worker)));
    }
    side.held = held;
    after
}

/// An error without its number.
fn kind(e: &JobsError) -> &'static str {
    match e {
        JobsError::LeaseLost(_) => "lease lost",
        JobsError::NotFound(_) => "not found",
        _ => "other",
    }
}

/// `PLIMSOLL_MODEL_CASES` asks for more sequences than an ordinary test run has time for.
fn extra() -> u32 {
    std::env::var("PLIMSOLL_MODEL_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(0)
}

fn agree(database: impl AsyncFn() -> Fixture, cases: u32) {
    let config = Config {
        cases: cases.max(extra()),
        max_shrink_iters: 200,
        failure_persistence: None,
        ..Config::default()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    TestRunner::new(config)
        .run(&prop::collection::vec(call(), 1..60), |calls| {
            runtime.block_on(async {
                let mut model = Side::of(fixture::memory().await);
                let mut real = Side::of(database().await);
                for (n, call) in calls.iter().enumerate() {
                    let expected = answer(&mut model, call).await;
                    let got = answer(&mut real, call).await;
                    prop_assert_eq!(got, expected, "call {} of {:#?}", n, calls);
                }
                Ok(())
            })
        })
        .unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn sqlite_answers_like_the_model() {
    agree(fixture::sqlite, 40);
}

#[test]
fn postgres_answers_like_the_model() {
    let Some(server) = plimsoll_test_postgres::server(false) else { return };
    let url = tokio::runtime::Runtime::new().unwrap().block_on(server.database());
    agree(async || fixture::postgres_emptied(&url).await, 30);
}

#[test]
fn postgres_behind_pgbouncer_answers_like_the_model() {
    let Some(pgbouncer) = plimsoll_test_postgres::pgbouncer() else { return };
    let database = tokio::runtime::Runtime::new().unwrap().block_on(pgbouncer.server.new_database()).unwrap();
    agree(async || fixture::postgres_emptied(&pgbouncer.url(&database)).await, 10);
}
