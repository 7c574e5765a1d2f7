//! Consumers and publishers are real processes that are killed, stopped and woken at random points; then what they
//! left is checked record by record.
//!
//! Each history follows from its seed, as far as the operating system's scheduling allows. `PLIMSOLL_TORTURE_SEED`
//! repeats one, `PLIMSOLL_TORTURE_HISTORIES` asks for more of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use plimsoll_jobs::{Jobs, JobsOptions};
use plimsoll_kafka::outbox::{MESSAGE_ID, Message, Outbox};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rustix::process::Signal;

use crate::process::Process;
use crate::support::{Broker, GROUP, QUEUE, Queue, numbered, until};

/// Processes at a time.
const CREW: usize = 2;
const PARTITIONS: i32 = 3;
/// Most records that wait in the topic.
const BACKLOG: u64 = 200;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The histories of this run, each with its seed, which is printed.
#[expect(clippy::print_stderr, reason = "the seed of a history must be seen")]
fn seeds(what: &str) -> impl Iterator<Item = u64> {
    let first = setting("PLIMSOLL_TORTURE_SEED").unwrap_or_else(rand::random);
    let histories = setting("PLIMSOLL_TORTURE_HISTORIES").unwrap_or(1);
    eprintln!("{what}: PLIMSOLL_TORTURE_SEED={first} PLIMSOLL_TORTURE_HISTORIES={histories}");
    (0..histories).map(move |n| first.wrapping_add(n))
}

/// Processes that are hurt.
struct Crew<'a> {
    start: &'a dyn Fn() -> Process,
    /// Each with the time at which it is to be woken, if it is stopped.
    members: Vec<(Process, Option<Instant>)>,
    /// Longest stop: longer than a session or lease, shorter than others wait for the lock that SQLite's writer may
    /// hold while it is stopped.
    nap: Duration,
    kills: u32,
    stops: u32,
}

impl<'a> Crew<'a> {
    fn start(start: &'a dyn Fn() -> Process, nap: Duration) -> Self {
        let members = (0..CREW).map(|_| (start(), None)).collect();
        Self { start, members, nap, kills: 0, stops: 0 }
    }

    fn wake(&mut self) {
        for (process, until) in &mut self.members {
            if until.is_some_and(|until| Instant::now() >= until) {
                process.signal(Signal::CONT);
                *until = None;
            }
        }
    }

    fn hurt(&mut self, rng: &mut StdRng) {
        let member = rng.random_range(0..self.members.len());
        let (process, until) = &mut self.members[member];
        if rng.random_bool(0.6) {
            self.members[member] = ((self.start)(), None); // dropping the old one kills it
            self.kills += 1;
        } else if until.is_none() {
            process.signal(Signal::STOP);
            *until = Some(Instant::now() + self.nap);
            self.stops += 1;
        }
    }

    /// Those that slept wake up beside a healthy one and must not do harm.
    fn heal(&mut self) {
        for (process, until) in &mut self.members {
            if until.take().is_some() {
                process.signal(Signal::CONT);
            }
        }
        self.members.push(((self.start)(), None));
    }
}

async fn ingest_history(queue: &Queue, seed: u64) -> String {
    let mut rng = StdRng::seed_from_u64(seed);
    let broker = Broker::with_topic("t", PARTITIONS);
    let bootstrap = broker.cluster.bootstrap_servers();
    let start = || {
        let arguments =
            ["ingest", "--queue", QUEUE, "--topic", "t", "--group", GROUP, "--batch-records", "5"];
        Process::start(
            &arguments,
            &[
                ("PLIMSOLL_QUEUE_URL", queue.url.as_str()),
                ("KAFKA_BROKERS", &bootstrap),
                ("PORT", "0"),
                ("KAFKA_SESSION_MS", "4000"),
                ("KAFKA_HEARTBEAT_MS", "200"),
                ("KAFKA_FETCH_MIN_BYTES", "1"),
                ("KAFKA_FETCH_WAIT_MS", "5"),
            ],
        )
    };
    let mut crew = Crew::start(&start, Duration::from_secs(6));
    let mut sent: i32 = 0;
    let until_then = Instant::now() + Duration::from_secs(25);
    let mut hurt_at = Instant::now() + Duration::from_secs(4);
    while Instant::now() < until_then {
        // As fast as they are taken, whatever the machine: a backlog that outlives the hurting would prove nothing more.
        if u64::try_from(sent).unwrap() < queue.ready().await + BACKLOG {
            let more = rng.random_range(1..20);
            broker.send_numbers("t", PARTITIONS, sent..sent + more).await;
            sent += more;
        }
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..20))).await;
        crew.wake();
        if Instant::now() >= hurt_at {
            crew.hurt(&mut rng);
            hurt_at = Instant::now() + Duration::from_millis(rng.random_range(50..2500));
        }
    }
    crew.heal();
    let wanted = u64::try_from(sent).unwrap();
    queue.wait_for(wanted).await;
    // Whoever would store a record again does so before it stores what comes after that record.
    broker.send_numbers("t", PARTITIONS, sent..sent + 10 * PARTITIONS).await;
    sent += 10 * PARTITIONS;
    queue.wait_for(u64::try_from(sent).unwrap()).await;
    let (kills, stops) = (crew.kills, crew.stops);
    drop(crew);

    let jobs = queue.drain().await;
    let mut seen = BTreeSet::new();
    let mut last = BTreeMap::new();
    for (partition, offset, n) in jobs.iter().map(numbered) {
        assert!(seen.insert(n), "record {n} (offset {offset} of partition {partition}) became two jobs");
        let before = last.insert(partition, offset);
        assert!(before < Some(offset), "partition {partition}: offset {offset} comes after {before:?}");
    }
    assert_eq!(seen.len(), usize::try_from(sent).unwrap(), "records that became no job");
    format!("{sent} records, {kills} killed, {stops} stopped")
}

async fn outbox_history(queue: &Queue, seed: u64) -> String {
    let mut rng = StdRng::seed_from_u64(seed);
    let broker = Broker::with_topic("t", PARTITIONS);
    let bootstrap = broker.cluster.bootstrap_servers();
    let outbox = Outbox::open(&queue.jobs).await.unwrap();
    // SQLite's one writer may be a process that is stopped: look after those meanwhile.
    let impatient = JobsOptions { busy_timeout: Duration::from_millis(300), ..JobsOptions::default() };
    let jobs = Jobs::open(&queue.url, impatient).await.unwrap();
    let start = || {
        Process::start(
            &["outbox", "--lease-s", "1", "--batch-messages", "5", "--linger-ms", "0"],
            &[("PLIMSOLL_QUEUE_URL", queue.url.as_str()), ("KAFKA_BROKERS", &bootstrap), ("PORT", "0")],
        )
    };
    let mut crew = Crew::start(&start, Duration::from_secs(2));
    let mut written: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    let until_then = Instant::now() + Duration::from_secs(12);
    let mut hurt_at = Instant::now() + Duration::from_secs(1);
    let mut n = 0;
    while Instant::now() < until_then {
        crew.wake();
        let Ok(mut tx) = jobs.begin().await else { continue };
        let mut batch = Vec::new();
        for _ in 0..rng.random_range(1..8) {
            n += 1;
            let key = format!("key-{}", rng.random_range(0..5));
            let message = Message::new("t", n.to_string()).id(format!("m-{n}")).key(key.as_str());
            outbox.put(&mut tx, &message).await.unwrap();
            batch.push((key, n));
        }
        if rng.random_ratio(1, 5) {
            tx.rollback().await.unwrap();
        } else {
            tx.commit().await.unwrap();
            for (key, n) in batch {
                written.entry(key).or_default().push(n);
            }
        }
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..15))).await;
        crew.wake();
        if Instant::now() >= hurt_at {
            crew.hurt(&mut rng);
            hurt_at = Instant::now() + Duration::from_millis(rng.random_range(20..900));
        }
    }
    crew.heal();
    until("an empty outbox", || async {
        let count = "SELECT count(*) FROM plimsoll_outbox";
        let left: i64 = match queue.jobs.sqlite() {
            Ok(pool) => sqlx::query_scalar(count).fetch_one(pool).await.unwrap(),
            Err(_) => sqlx::query_scalar(count).fetch_one(queue.jobs.postgres().unwrap()).await.unwrap(),
        };
        left == 0
    })
    .await;
    let (kills, stops) = (crew.kills, crew.stops);
    drop(crew);

    let wanted: usize = written.values().map(Vec::len).sum();
    let count = move |seen: &[crate::support::Seen]| {
        seen.iter().map(|s| &s.value).collect::<BTreeSet<_>>().len() >= wanted
    };
    let seen = broker.read("t", PARTITIONS, count).await;
    let mut first: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for one in &seen {
        let id = String::from_utf8_lossy(one.headers.last(MESSAGE_ID).unwrap()).into_owned();
        assert_eq!(id, format!("m-{}", one.value), "a repetition has the id of the first");
        if ids.insert(id) {
            first.entry(one.key.clone()).or_default().push(one.value.parse().unwrap());
        }
    }
    assert_eq!(first, written, "what was committed, and nothing else, in the order of each key");
    let repeated = seen.len() - wanted;
    format!("{wanted} messages, {repeated} repeated, {kills} killed, {stops} stopped")
}

#[expect(clippy::print_stderr, reason = "what happened must be seen")]
fn report(what: &str, seed: u64, seen: &str) {
    eprintln!("{what} seed {seed}: {seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_and_paused_consumers_lose_no_record_and_double_none_on_sqlite() {
    for seed in seeds("ingest, SQLite") {
        report("ingest, SQLite", seed, &ingest_history(&Queue::sqlite().await, seed).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_and_paused_consumers_lose_no_record_and_double_none_on_postgres() {
    for seed in seeds("ingest, Postgres") {
        let Some(queue) = Queue::postgres().await else { return };
        report("ingest, Postgres", seed, &ingest_history(&queue, seed).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_and_paused_publishers_lose_no_message_and_keep_the_order_of_keys_on_sqlite() {
    for seed in seeds("outbox, SQLite") {
        report("outbox, SQLite", seed, &outbox_history(&Queue::sqlite().await, seed).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_and_paused_publishers_lose_no_message_and_keep_the_order_of_keys_on_postgres() {
    for seed in seeds("outbox, Postgres") {
        let Some(queue) = Queue::postgres().await else { return };
        report("outbox, Postgres", seed, &outbox_history(&queue, seed).await);
    }
}
