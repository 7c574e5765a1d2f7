//! The publisher's side of the outbox: its lease, the oldest rows, and forgetting what is published.

use plimsoll_jobs::{Jobs, Tx};
use sqlx::Row as _;

use super::Message;
use crate::schema::{on_pool, on_tx, sql};
use crate::{Headers, KafkaError};

/// The one outbox of a database.
const NAME: &str = "outbox";

/// A message on its way.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) id: i64,
    pub(crate) created_at_ms: i64,
    pub(crate) message: Message,
}

/// The right to publish, until it runs out or a higher generation takes it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lead {
    pub(crate) generation: i64,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// Acknowledged.
    pub(crate) published: Vec<i64>,
    /// Refused for good, with the broker's words.
    pub(crate) dead: Vec<(i64, String)>,
}

/// Takes the right to publish if nobody has it. Looks before it writes: standing by costs no lock.
pub(crate) async fn lead(jobs: &Jobs, owner: &str, ttl_ms: i64) -> Result<Option<Lead>, KafkaError> {
    let until_ms: Option<i64> = on_pool!(jobs, pool => {
        sqlx::query_scalar(include_str!("../sql/read_lead.sql")).persistent(false).bind(NAME).fetch_optional(pool).await?
    });
    if until_ms.is_some_and(|until| until > jobs.now_ms()) {
        return Ok(None);
    }
    let mut tx = jobs.begin().await?;
    let now_ms = jobs.now_ms();
    let generation: Option<i64> = on_tx!(tx, conn => {
        sqlx::query_scalar(include_str!("../sql/lead.sql")).persistent(false)
            .bind(NAME).bind(owner).bind(now_ms + ttl_ms).bind(now_ms)
            .fetch_optional(conn)
            .await?
    });
    tx.commit().await?;
    Ok(generation.map(|generation| Lead { generation }))
}

/// Keeps the right for `ttl_ms` from now (0 gives it up); answers whether it was still ours.
pub(crate) async fn keep(jobs: &Jobs, lead: Lead, ttl_ms: i64) -> Result<bool, KafkaError> {
    let mut tx = jobs.begin().await?;
    let kept = keep_in(&mut tx, jobs, lead, ttl_ms, 0).await?;
    tx.commit().await?;
    Ok(kept)
}

async fn keep_in(tx: &mut Tx, jobs: &Jobs, lead: Lead, ttl_ms: i64, more: i64) -> Result<bool, KafkaError> {
    let until_ms = jobs.now_ms() + ttl_ms;
    on_tx!(tx, conn => {
        let kept = sqlx::query(include_str!("../sql/keep_lead.sql")).persistent(false)
            .bind(NAME).bind(lead.generation).bind(until_ms).bind(more)
            .execute(conn)
            .await?;
        Ok(kept.rows_affected() == 1)
    })
}

/// The oldest messages for other topics than `but`, at most `rows` of them and, one excepted, `bytes`.
pub(crate) async fn oldest(
    jobs: &Jobs,
    but: &[String],
    rows: u32,
    bytes: i64,
) -> Result<Vec<Row>, KafkaError> {
    let but = serde_json::to_string(but)?;
    let statement = sql!(jobs, "oldest_messages.sql");
    let sizes: Vec<(i64, i64)> = on_pool!(jobs, pool => {
        sqlx::query_as(statement).persistent(false).bind(&but).bind(i64::from(rows)).fetch_all(pool).await?
    });
    let mut sum = 0;
    let fitting = sizes.iter().take_while(|(_, size)| {
        let first = sum == 0;
        sum += size.max(&1);
        first || sum <= bytes
    });
    let ids: Vec<i64> = fitting.map(|(id, _)| *id).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids = serde_json::to_string(&ids)?;
    let statement = sql!(jobs, "read_messages.sql");
    on_pool!(jobs, pool => {
        let rows = sqlx::query(statement).persistent(false).bind(&ids).fetch_all(pool).await?;
        rows.iter()
            .map(|row| {
                Ok(Row {
                    id: row.try_get(0)?,
                    message: Message {
                        id: row.try_get(1)?,
                        topic: row.try_get(2)?,
                        key: row.try_get(3)?,
                        value: row.try_get(4)?,
                        headers: Headers::from_list(row.try_get(5)?),
                        owner: None,
                    },
                    created_at_ms: row.try_get(6)?,
                })
            })
            .collect()
    })
}

/// Forgets what is published and puts aside what is refused; answers whether the right to publish was still ours. If
/// not, nothing is changed: whoever has it now publishes the rest again.
pub(crate) async fn settle(
    jobs: &Jobs,
    lead: Lead,
    ttl_ms: i64,
    settled: &Settled,
) -> Result<bool, KafkaError> {
    let mut tx = jobs.begin().await?;
    let now_ms = jobs.now_ms();
    let published = i64::try_from(settled.published.len()).unwrap_or(i64::MAX);
    if !keep_in(&mut tx, jobs, lead, ttl_ms, published).await? {
        return Ok(false);
    }
    for (id, reason) in &settled.dead {
        on_tx!(tx, conn => {
            sqlx::query(include_str!("../sql/bury_message.sql")).persistent(false)
                .bind(id).bind(reason).bind(now_ms).execute(conn).await?;
        });
    }
    let gone: Vec<i64> =
        settled.published.iter().copied().chain(settled.dead.iter().map(|(id, _)| *id)).collect();
    let gone = serde_json::to_string(&gone)?;
    let statement = sql!(jobs, "forget_messages.sql");
    on_tx!(tx, conn => {
        sqlx::query(statement).persistent(false).bind(&gone).execute(conn).await?;
    });
    tx.commit().await?;
    Ok(true)
}

/// How many messages wait (counted up to a bound), and since when the oldest does.
pub(crate) async fn depth(jobs: &Jobs) -> Result<(i64, Option<i64>), KafkaError> {
    on_pool!(jobs, pool => {
        Ok(sqlx::query_as(include_str!("../sql/outbox_depth.sql")).persistent(false).fetch_one(pool).await?)
    })
}
