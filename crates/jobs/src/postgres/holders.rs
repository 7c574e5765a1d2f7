//! Who holds leases, and how long jobs take.

use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::link::Link;
use crate::clock::Millis;
use crate::driver::Result;
use crate::stats::Holder;
use crate::timing::{Kind, QueueTimes, Timed};

pub(super) async fn holders(link: &mut Link<'_>, queue: Option<&str>, now_ms: Millis) -> Result<Vec<Holder>> {
    let rows = sqlx::query(include_str!("sql/holders.sql")).bind(queue).bind(now_ms).fetch_all(link).await?;
    let holder = |r: &PgRow| {
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
    conn: &mut Link<'_>,
    worker: &str,
    claimed_before_ms: Millis,
    now_ms: Millis,
) -> Result<u64> {
    let ended: i64 = sqlx::query_scalar(include_str!("sql/end_leases.sql"))
        .bind(worker)
        .bind(claimed_before_ms)
        .bind(now_ms)
        .fetch_one(conn)
        .await?;
    Ok(ended.max(0).unsigned_abs())
}

pub(super) async fn add_times(conn: &mut Link<'_>, queue: &str, times: &[Timed]) -> Result<()> {
    sqlx::query(include_str!("sql/add_times.sql"))
        .bind(queue)
        .bind(times.iter().map(|t| t.kind as i16).collect::<Vec<_>>())
        .bind(times.iter().map(|t| t.le_ms).collect::<Vec<_>>())
        .bind(times.iter().map(|t| t.count).collect::<Vec<_>>())
        .bind(times.iter().map(|t| t.sum_ms).collect::<Vec<_>>())
        .execute(conn)
        .await?;
    Ok(())
}

pub(super) async fn times(link: &mut Link<'_>, queue: Option<&str>) -> Result<Vec<QueueTimes>> {
    let rows = sqlx::query(include_str!("sql/times.sql")).bind(queue).fetch_all(link).await?;
    let timed = |r: &PgRow| {
        let kind = Kind::from_stored(r.try_get::<i16, _>(1)?.into());
        Ok((r.try_get(0)?, Timed { kind, le_ms: r.try_get(2)?, count: r.try_get(3)?, sum_ms: r.try_get(4)? }))
    };
    Ok(QueueTimes::from_rows(rows.iter().map(timed).collect::<Result<Vec<_>>>()?))
}
