//! Workers and enqueuers are real processes. They, their connections and the database itself are killed, paused, cut and
//! crashed at random points; a checker then reads the tables and the recorded history.
//!
//! Each history follows from its seed, as far as the operating system's scheduling allows. `PLIMSOLL_TORTURE_SEED`
//! repeats one, `PLIMSOLL_TORTURE_HISTORIES` asks for more of them, `PLIMSOLL_TORTURE_AT_ONCE` for several at a time.

mod checker;
mod child;
mod crew;
mod database;
mod doctored;
mod history;
mod instances;
mod leftovers;
mod proxy;
mod record;
mod talk;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::StreamExt as _;

use database::Database;
use history::{Plan, Story};

/// Histories in an ordinary test run; `make torture` asks for thousands.
const HISTORIES: u64 = 4;
const HURTING: Duration = Duration::from_millis(1200);

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn nothing_is_lost_and_nothing_finished_twice_on_sqlite() {
    let dir = tempfile::tempdir().unwrap();
    histories("sqlite", async |n| Database::sqlite(dir.path(), n));
}

#[test]
fn nothing_is_lost_and_nothing_finished_twice_on_postgres() {
    if let Some(server) = plimsoll_test_postgres::server(true) {
        histories("postgres", async |_| Database::postgres(server).await);
        // Workers go on after an error; here it shows.
        assert_eq!(server.misunderstood(), Vec::<String>::new());
    }
}

/// Lives through as many histories as asked for; stops at the first that fails, and says how to repeat it.
fn histories(kind: &str, database: impl AsyncFn(u64) -> Database) {
    let first = setting("PLIMSOLL_TORTURE_SEED").unwrap_or_else(|| rand::random::<u32>().into());
    let count = setting("PLIMSOLL_TORTURE_HISTORIES").unwrap_or(HISTORIES);
    let at_once = setting("PLIMSOLL_TORTURE_AT_ONCE").unwrap_or(1).max(1) as usize;
    report(&format!("{kind}: {count} histories from seed {first}"));
    let mut told = Told::default();
    let one = async |n: u64| {
        let plan = Plan { seed: first.wrapping_add(n), hurting: HURTING, unfenced: false };
        let database = database(n).await;
        let begun = Instant::now();
        let story = history::run(&database, plan).await;
        database.forget();
        (plan.seed, begun.elapsed(), story)
    };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut all = std::pin::pin!(futures::stream::iter(0..count).map(one).buffer_unordered(at_once));
        while let Some((seed, took, story)) = all.next().await {
            match story {
                Ok(story) => told.add(seed, took, story),
                Err(e) => {
                    panic!("{kind}, PLIMSOLL_TORTURE_SEED={seed} PLIMSOLL_TORTURE_HISTORIES=1: {e}")
                }
            }
            if told.histories.is_multiple_of(100) {
                report(&format!("{kind}: {told}"));
            }
        }
    });
    report(&format!("{kind}, all well: {told}"));
}

/// The sum of all histories.
#[derive(Default)]
struct Told {
    histories: u64,
    faults: BTreeMap<&'static str, usize>,
    accepted: usize,
    done: usize,
    dead: usize,
    cancelled: usize,
    leases_lost: u64,
    events: usize,
    /// How long it took, and its seed.
    slowest: (Duration, u64),
}

// === impl Told ===

impl Told {
    fn add(&mut self, seed: u64, took: Duration, Story { faults, sums }: Story) {
        self.slowest = self.slowest.max((took, seed));
        self.histories += 1;
        faults.into_iter().for_each(|(fault, n)| *self.faults.entry(fault).or_default() += n);
        self.accepted += sums.accepted;
        self.done += sums.done;
        self.dead += sums.dead;
        self.cancelled += sums.cancelled;
        self.leases_lost += sums.leases_lost;
        self.events += sums.events;
    }
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { histories, accepted, done, dead, cancelled, leases_lost, events, .. } = self;
        let faults: usize = self.faults.values().sum();
        write!(
            f,
            "{histories} histories, {accepted} jobs accepted, {done} done, {dead} dead, {cancelled} cancelled, "
        )?;
        write!(
            f,
            "{leases_lost} leases lost, {events} changes of state; {faults} faults: {:?}; ",
            self.faults
        )?;
        let (took, seed) = self.slowest;
        write!(f, "slowest {:.1} s (seed {seed})", took.as_secs_f64())
    }
}

/// Not a test: what the processes run, which are this very program.
#[test]
#[ignore = "started by the tests as a process of its own"]
fn child_process() {
    child::main();
}

#[expect(clippy::print_stderr, reason = "the seed of a history must be seen")]
fn report(text: &str) {
    eprintln!("{text}");
}
