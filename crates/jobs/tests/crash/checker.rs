//! Proves from tables and history that nothing was lost, doubled or moved illegally.

use std::collections::{HashMap, HashSet};

use plimsoll_jobs::Jobs;
use sqlx::{Row as _, SqlitePool};

type Verdict<T> = Result<T, String>;

/// At any moment, seen in one snapshot: a job is ready, scheduled, leased or dead, never two of these, never none.
pub(crate) async fn every_job_is_in_one_place(jobs: &Jobs) -> Verdict<()> {
    let astray = rows(jobs.sqlite().map_err(text)?, include_str!("astray_sqlite.sql")).await?;
    if astray.is_empty() { Ok(()) } else { Err(format!("jobs in no place or in several: {astray:?}")) }
}

/// After all work is done.
pub(crate) async fn check(jobs: &Jobs, accepted: &HashSet<i64>) -> Verdict<String> {
    every_job_is_in_one_place(jobs).await?;
    let db = jobs.sqlite().map_err(text)?;
    let requests: HashMap<i64, i64> =
        rows(db, "SELECT n, job FROM request").await?.into_iter().map(|r| (r[0], r[1])).collect();
    let dead: HashSet<i64> =
        rows(db, "SELECT job FROM plimsoll_dead").await?.into_iter().map(|r| r[0]).collect();
    let mut results: HashMap<i64, Vec<i64>> = HashMap::new();
    for r in rows(db, "SELECT job, token FROM result").await? {
        results.entry(r[0]).or_default().push(r[1]);
    }
    if let Some(n) = accepted.iter().find(|n| !requests.contains_key(n)) {
        return Err(format!("request {n} was accepted and is lost"));
    }
    for (n, job) in &requests {
        let (done, dead) = (results.get(job).map_or(0, Vec::len), dead.contains(job));
        if done + usize::from(dead) != 1 {
            return Err(format!("request {n}, job {job}: {done} results, dead: {dead}"));
        }
        if dead && n % 10 != 3 && n % 17 != 5 {
            return Err(format!("request {n}, job {job} is dead without a reason"));
        }
    }
    if results.len() + dead.len() != requests.len() {
        return Err("a result or a dead letter belongs to no request".into());
    }
    let events = transitions(db, &results, &dead).await?;
    counts(jobs).await?;
    let stats = jobs.stats(None).await.map_err(text)?;
    let lost: u64 = stats.iter().map(|s| s.leases_lost_total).sum();
    Ok(format!("{} done, {} dead, {lost} leases lost, {events} events", results.len(), dead.len()))
}

/// Every change of state was a legal one.
async fn transitions(
    db: &SqlitePool,
    results: &HashMap<i64, Vec<i64>>,
    dead: &HashSet<i64>,
) -> Verdict<usize> {
    #[derive(Default)]
    struct Seen {
        lease: Option<i64>,
        token: i64,
        attempt: i64,
        ended: Option<String>,
    }
    let history = sqlx::query("SELECT event, job, token, attempt FROM history ORDER BY seq")
        .fetch_all(db)
        .await
        .map_err(text)?;
    let mut jobs: HashMap<i64, Seen> = HashMap::new();
    for row in &history {
        let (event, job): (String, i64) = (row.get(0), row.get(1));
        let illegal = |why: &str| Err(format!("job {job}: {event} {why}"));
        if event == "new" {
            if jobs.insert(job, Seen::default()).is_some() {
                return illegal("twice");
            }
            continue;
        }
        let Some(seen) = jobs.get_mut(&job) else { return illegal("of an unknown job") };
        // The lease's end is recorded after the job's, within one transaction.
        if seen.ended.is_some() && event != "end" {
            return illegal("after the job had ended");
        }
        match event.as_str() {
            "lease" => {
                let (token, attempt): (i64, i64) = (row.get(2), row.get(3));
                if seen.lease.is_some() {
                    return illegal("while leased");
                }
                if token <= seen.token {
                    return illegal("with a token that did not rise");
                }
                // Only a released job is leased again under the same number.
                if attempt != seen.attempt && attempt != seen.attempt + 1 {
                    return illegal("with an attempt that was skipped");
                }
                (seen.lease, seen.token, seen.attempt) = (Some(token), token, attempt);
            }
            "end" => {
                if seen.lease.take() != row.get(2) {
                    return illegal("of a lease that was not held");
                }
            }
            "gone" | "dead" => seen.ended = Some(event),
            _ => return illegal("is no event"),
        }
    }
    for (job, seen) in jobs {
        let expected = if dead.contains(&job) { "dead" } else { "gone" };
        if seen.ended.as_deref() != Some(expected) || seen.lease.is_some() {
            return Err(format!("job {job} ended as {:?}, expected {expected}", seen.ended));
        }
        if results.get(&job).is_some_and(|tokens| tokens != &[seen.token]) {
            return Err(format!("job {job} was finished by another lease than its last"));
        }
    }
    Ok(history.len())
}

/// The counts that were kept along the way agree with the rows.
async fn counts(jobs: &Jobs) -> Verdict<()> {
    let wrong = rows(jobs.sqlite().map_err(text)?, include_str!("miscounted_sqlite.sql")).await?;
    if wrong.is_empty() { Ok(()) } else { Err(format!("counts differ from rows: {wrong:?}")) }
}

async fn rows(db: &SqlitePool, sql: &'static str) -> Verdict<Vec<Vec<i64>>> {
    let rows = sqlx::query(sql).fetch_all(db).await.map_err(text)?;
    Ok(rows.iter().map(|r| (0..r.len()).map(|i| r.get(i)).collect()).collect())
}

fn text(e: impl std::fmt::Display) -> String {
    e.to_string()
}
