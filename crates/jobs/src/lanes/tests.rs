//! One tenant's load and another's waits, in counted steps.

use std::collections::VecDeque;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;
use crate::job::{JobId, Payload, Token};

/// Jobs in work at once.
const SLOTS: usize = 8;
/// How many steps a job takes: drawn evenly from one to this.
const LONGEST: u64 = 7;
const STEPS: u64 = 600;
const TENANTS: usize = 10;
const SEEDS: u64 = 12;

/// Lanes as plain lists of the steps at which their jobs arrived.
struct Plain(Vec<VecDeque<u64>>);

impl Lanes for Plain {
    async fn open(&mut self, from: &str) -> Result<Vec<Lane>> {
        let waiting = self.0.iter().enumerate().filter(|(_, jobs)| !jobs.is_empty());
        let lanes = waiting.map(|(n, _)| Lane { name: format!("{n:03}"), room: u32::MAX });
        Ok(lanes.filter(|lane| lane.name.as_str() >= from).take(WINDOW as usize).collect())
    }

    async fn take(&mut self, lane: &str, limit: u32) -> Result<Vec<Claimed>> {
        let jobs = &mut self.0[lane.parse::<usize>().unwrap()];
        let taken = jobs.drain(..jobs.len().min(limit as usize));
        Ok(taken.map(|arrived| claimed(lane, arrived)).collect())
    }
}

fn claimed(lane: &str, arrived: u64) -> Claimed {
    Claimed {
        id: JobId(0),
        queue: "q".into(),
        lane: lane.into(),
        payload: Payload::from_stored(String::new()),
        attempt: 1,
        max_attempts: 1,
        token: Token(0),
        lease_until_ms: 0,
        enqueued_at_ms: 0,
        ready_at_ms: arrived.cast_signed(),
        deadline_ms: None,
        owner: None,
        kept: false,
    }
}

/// The 99th percentile of the waits, in steps, of all tenants but the first, whose load is `loud` times theirs. At 1, all
/// tenants together keep three quarters of the slots busy.
async fn p99_wait_of_the_others(loud: f64, seed: u64) -> u64 {
    let load = 0.75 * SLOTS as f64 / (1 + LONGEST) as f64 * 2.0 / TENANTS as f64;
    let (mut rng, turns) = (StdRng::seed_from_u64(seed), Turns::default());
    let (mut lanes, mut ends, mut waits) = (Plain(vec![VecDeque::new(); TENANTS]), Vec::new(), Vec::new());
    for step in 0..STEPS {
        for (tenant, jobs) in lanes.0.iter_mut().enumerate() {
            let load = if tenant == 0 { load * loud } else { load };
            let arrivals = load.trunc() as usize + usize::from(rng.random_bool(load.fract()));
            jobs.extend(std::iter::repeat_n(step, arrivals));
        }
        ends.retain(|end| *end > step);
        for job in claim(&mut lanes, "q", (SLOTS - ends.len()) as u32, &turns).await.unwrap() {
            ends.push(step + rng.random_range(1..=LONGEST));
            if &*job.lane != "000" {
                waits.push(step - job.ready_at_ms.unsigned_abs());
            }
        }
    }
    waits.sort_unstable();
    waits[waits.len() * 99 / 100]
}

#[tokio::test]
async fn hundred_times_the_load_of_one_tenant_raises_the_others_p99_wait_by_less_than_half() {
    let (mut equal, mut loud) = (0, 0);
    for seed in 0..SEEDS {
        equal += p99_wait_of_the_others(1.0, seed).await;
        loud += p99_wait_of_the_others(100.0, seed).await;
    }
    assert!(equal >= SEEDS, "nobody waits, so nothing is compared");
    assert!(loud * 2 <= equal * 3, "sums of {SEEDS} p99 waits: {equal} steps, beside a loud tenant {loud}");
}

#[tokio::test]
async fn every_one_of_many_lanes_is_served() {
    let lanes = 3 * WINDOW as usize + 5;
    let mut plain = Plain(vec![VecDeque::from(vec![0; 2]); lanes]);
    let (turns, mut served) = (Turns::default(), vec![0; lanes]);
    for _ in 0..lanes {
        for job in claim(&mut plain, "q", 2, &turns).await.unwrap() {
            served[job.lane.parse::<usize>().unwrap()] += 1;
        }
    }
    assert_eq!(served, vec![2; lanes]);
}

#[test]
fn least_served_comes_first_and_the_history_is_short() {
    let turns = Turns::default();
    let order = || {
        let mut lanes = ["a", "b", "c"].map(|name| Lane { name: name.into(), room: 1 });
        turns.order("q", &mut lanes);
        lanes.map(|lane| lane.name).concat()
    };
    assert_eq!(order(), "abc");
    turns.served("q", "a", 1000);
    turns.served("q", "b", 3);
    assert_eq!(order(), "cba");
    turns.served("q", "c", HISTORY);
    assert_eq!(order(), "abc");
    let all = turns.all();
    assert_eq!((all["q"].last.len(), all["q"].counts.len()), (HISTORY, 1));
}
