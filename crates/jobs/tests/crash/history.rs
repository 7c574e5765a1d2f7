//! One history: start processes, hurt them and their database at random, let healthy workers finish, check.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use plimsoll_jobs::Jobs;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::checker::{self, Sums, Violation};
use crate::child;
use crate::crew::{Crew, Process};
use crate::database::Database;
use crate::record::{self, Record};

const WORKERS: usize = 3;
const FINISHING: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(100);

/// How a history goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// How long it is hurt.
    pub(crate) hurting: Duration,
    pub(crate) unfenced: bool,
}

/// What was done to it, and what it amounted to.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) faults: BTreeMap<&'static str, usize>,
    pub(crate) sums: Sums,
}

/// Why a history failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error("{0}")]
    Violation(#[from] Violation),
    #[error("could not be told: {0}")]
    Unknown(String),
}

#[expect(clippy::print_stderr, reason = "the record is long, and only for whoever looks into a failure")]
pub(crate) async fn run(database: &Database, plan: Plan) -> Result<Story, Failed> {
    let jobs = child::open(&database.url(), plan.seed).await.map_err(unknown)?;
    let (record, faults) = recorded(&jobs, database, plan).await?;
    // The record is what a violation is understood from, and the same seed may not bring it again.
    let sums = checker::check(&record).inspect_err(|why| eprintln!("{why}: {faults:?} {record:#?}"))?;
    Ok(Story { faults, sums })
}

/// Lives through a history without judging it.
pub(crate) async fn recorded(
    jobs: &Jobs,
    database: &Database,
    plan: Plan,
) -> Result<(Record, BTreeMap<&'static str, usize>), Failed> {
    let mut rng = StdRng::seed_from_u64(plan.seed);
    let mut crew = Crew::new(database.exposed_url(), plan.unfenced);
    // The first process takes requests, the others work.
    let mut crowd: Vec<Process> = (0..=WORKERS).map(|i| crew.start(&mut rng, i == 0)).collect();
    let mut leaving = Vec::new();
    let mut faults = BTreeMap::new();
    let until = Instant::now() + plan.hurting;
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(rng.random_range(1..60))).await;
        let i = rng.random_range(0..crowd.len());
        let fault = match rng.random_range(0..100) {
            _ if crowd[i].paused => {
                crowd[i].wake();
                "process woken"
            }
            0..40 => {
                crowd[i] = crew.start(&mut rng, i == 0); // dropping the old one kills it
                "process killed"
            }
            40..75 => {
                crowd[i].pause();
                "process paused"
            }
            75..80 if i != 0 => {
                crowd[i].ask_to_stop();
                leaving.push(std::mem::replace(&mut crowd[i], crew.start(&mut rng, false)));
                "process stopped"
            }
            _ => database.hurt(jobs, &mut rng).await,
        };
        *faults.entry(fault).or_default() += 1;
        in_one_place(jobs).await?;
    }
    // Those that slept past their leases wake up beside healthy workers and must not do harm.
    crowd[0] = crew.start(&mut rng, false);
    crowd.iter_mut().for_each(Process::wake);
    finish(jobs).await?;
    drop((crowd, leaving));
    // What the last taker of requests had sent may have been committed after its death, and after that look.
    let_go(database).await?;
    let healthy = crew.start(&mut rng, false);
    finish(jobs).await?;
    drop(healthy);
    Ok((record(jobs, crew.accepted()).await?, faults))
}

/// Reads until it succeeds: another history may crash the server that they share.
async fn record(jobs: &Jobs, accepted: HashSet<i64>) -> Result<Record, Failed> {
    let until = Instant::now() + FINISHING;
    loop {
        match Record::read(jobs, accepted.clone()).await {
            Err(e) if Instant::now() >= until => return Err(unknown(e)),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            Ok(record) => return Ok(record),
        }
    }
}

/// Looks at a moment in the midst of it; a database that does not answer just now tells nothing.
async fn in_one_place(jobs: &Jobs) -> Result<(), Violation> {
    match tokio::time::timeout(LOOK, record::astray(jobs)).await {
        Ok(Ok(astray)) if !astray.is_empty() => Err(Violation::Astray { jobs: astray }),
        _ => Ok(()),
    }
}

/// Waits until nothing happens any more in the name of processes that have ended.
pub(crate) async fn let_go(database: &Database) -> Result<(), Failed> {
    let until = Instant::now() + FINISHING;
    while !database.has_let_go().await {
        if Instant::now() >= until {
            return Err(Failed::Unknown("the server never let go of processes that have ended".to_owned()));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// Waits until nothing is left to do.
async fn finish(jobs: &Jobs) -> Result<(), Failed> {
    let until = Instant::now() + FINISHING;
    loop {
        // An error: the server is still recovering.
        let left = match jobs.stats(Some(child::QUEUE)).await {
            Ok(stats) if stats.iter().all(|s| s.ready + s.scheduled + s.leased == 0) => return Ok(()),
            Ok(stats) => format!("never finished: {stats:?}"),
            Err(e) => e.to_string(),
        };
        if Instant::now() >= until {
            return Err(Failed::Unknown(left));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn unknown(e: impl std::fmt::Display) -> Failed {
    Failed::Unknown(e.to_string())
}
