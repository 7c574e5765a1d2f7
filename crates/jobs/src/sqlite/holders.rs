//! Who holds leases, and how long jobs take.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection, SqlitePool};

use super::only;
use crate::clock::Millis;
use crate::driver::Result;
use crate::stats::Holder;
use crate::timing::{Kind, QueueTimes, Timed};

pub(super) async fn holders(db: &SqlitePool, queue: Option<&str>, now_ms: Millis) -> Result<Vec<Holder>> {
    let rows = sqlx::query(include_str!("sql/holders.sql")).bind(queue).bind(now_ms).fetch_all(db).await?;
    let holder = |r: &SqliteRow| {
        Ok(Holder {
            queue: r.try_get(0)?,
            worker: r.try_get(1)?,
            jobs: r.try_get::<i64, _>(2)?.max(0).unsigned_abs(),
            oldest_claim_ms: r.try_get(3)?,
        })
    };
    rows.iter().map(holder).collect()
}

pub(super) async fn end_leases(
    conn: &mut SqliteConnection,
    worker: &str,
    claimed_before_ms: Millis,
    now_ms: Millis,
) -> Result<u64> {
    let ended = sqlx::query(include_str!("sql/end_leases.sql"))
        .bind(worker)
        .bind(claimed_before_ms)
        .bind(now_ms)
        .fetch_all(conn)
        .await?;
    let jobs: i64 = only(&ended)?.try_get(0)?;
    Ok(jobs.max(0).unsigned_abs())
}

pub(super) async fn add_times(conn: &mut SqliteConnection, queue: &str, times: &[Timed]) -> Result<()> {
    let buckets: Vec<_> = times.iter().map(|t| (t.kind as i64, t.le_ms, t.count, t.sum_ms)).collect();
    let sql = include_str!("sql/add_times.sql");
    sqlx::query(sql).bind(queue).bind(serde_json::to_string(&buckets)?).execute(conn).await?;
    Ok(())
}

pub(super) async fn times(db: &SqlitePool, queue: Option<&str>) -> Result<Vec<QueueTimes>> {
    let rows = sqlx::query(include_str!("sql/times.sql")).bind(queue).fetch_all(db).await?;
    let timed = |r: &SqliteRow| {
        let kind = Kind::from_stored(r.try_get(1)?);
        Ok((r.try_get(0)?, Timed { kind, le_ms: r.try_get(2)?, count: r.try_get(3)?, sum_ms: r.try_get(4)? }))
    };
    Ok(QueueTimes::from_rows(rows.iter().map(timed).collect::<Result<Vec<_>>>()?))
}
