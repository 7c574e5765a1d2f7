//! How far each partition is: rows in the queue's database, fenced by generation.

use plimsoll_jobs::{Jobs, Tx};
use sqlx::Row as _;

use crate::KafkaError;
use crate::schema::{on_pool, on_tx};

/// A partition of a topic.
pub(crate) type Place = (String, i32);

/// A partition in this consumer's hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    /// The first record that is not in the queue.
    pub(crate) next: i64,
    /// Which taking-over this is; a higher one in the database shuts this one out.
    pub(crate) generation: i64,
    /// When the last record in the queue was made.
    pub(crate) record_at_ms: Option<i64>,
}

/// A row, for people.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Position {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The first record that is not in the queue.
    pub next_offset: i64,
    /// How often the partition has changed hands.
    pub generation: i64,
    /// Who took it last.
    pub owner: String,
    /// When the last record in the queue was made, milliseconds since 1970.
    pub record_at_ms: Option<i64>,
    /// When the row last changed, milliseconds since 1970.
    pub updated_at_ms: i64,
}

/// The positions of one consumer group.
#[derive(Debug, Clone)]
pub(crate) struct Positions {
    pub(crate) jobs: Jobs,
    pub(crate) group: String,
    pub(crate) owner: String,
}

/// What came of moving a position.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    /// It was moved.
    Yes,
    /// It is ours, but stands elsewhere than we thought: an earlier commit whose answer got lost was made after all.
    Elsewhere(Held),
    /// Somebody else has taken the partition over.
    Fenced,
}

// === impl Positions ===

impl Positions {
    /// The row as it stands; none before the partition was ever taken.
    pub(crate) async fn read(&self, place: &Place) -> Result<Option<Held>, KafkaError> {
        on_pool!(self.jobs, pool => {
            let found = sqlx::query(include_str!("../sql/read_position.sql")).persistent(false)
                .bind(&self.group).bind(&place.0).bind(place.1).fetch_optional(pool).await?;
            found.map(|row| held(&row)).transpose()
        })
    }

    /// Takes a partition over. `start` counts when it was never taken before.
    pub(crate) async fn claim(&self, place: &Place, start: i64) -> Result<Held, KafkaError> {
        let mut tx = self.jobs.begin().await?;
        let now_ms = self.jobs.now_ms();
        let taken = on_tx!(tx, conn => {
            let row = sqlx::query(include_str!("../sql/claim_position.sql")).persistent(false)
                .bind(&self.group).bind(&place.0).bind(place.1).bind(start).bind(&self.owner).bind(now_ms)
                .fetch_one(conn)
                .await?;
            held(&row)?
        });
        tx.commit().await?;
        Ok(taken)
    }

    /// Moves a position on, in the transaction of the jobs.
    pub(crate) async fn advance(
        &self,
        tx: &mut Tx,
        place: &Place,
        from: Held,
        next: i64,
        record_at_ms: Option<i64>,
    ) -> Result<Moved, KafkaError> {
        let now_ms = self.jobs.now_ms();
        on_tx!(tx, conn => {
            let moved = sqlx::query(include_str!("../sql/move_position.sql")).persistent(false)
                .bind(&self.group).bind(&place.0).bind(place.1)
                .bind(from.generation).bind(from.next).bind(next).bind(record_at_ms).bind(now_ms)
                .execute(&mut *conn)
                .await?
                .rows_affected();
            if moved == 1 {
                return Ok(Moved::Yes);
            }
            let found = sqlx::query(include_str!("../sql/read_position.sql")).persistent(false)
                .bind(&self.group).bind(&place.0).bind(place.1).fetch_optional(conn).await?;
            match found.map(|row| held(&row)).transpose()? {
                Some(now) if now.generation == from.generation => Ok(Moved::Elsewhere(now)),
                _ => Ok(Moved::Fenced),
            }
        })
    }

    /// Puts a partition to `next`, whoever holds it.
    pub(crate) async fn reset(&self, place: &Place, next: i64) -> Result<(), KafkaError> {
        let mut tx = self.jobs.begin().await?;
        let now_ms = self.jobs.now_ms();
        on_tx!(tx, conn => {
            sqlx::query(include_str!("../sql/reset_position.sql")).persistent(false)
                .bind(&self.group).bind(&place.0).bind(place.1).bind(next).bind(now_ms)
                .execute(conn)
                .await?;
        });
        Ok(tx.commit().await?)
    }

    /// All rows of the group.
    pub(crate) async fn list(&self) -> Result<Vec<Position>, KafkaError> {
        on_pool!(self.jobs, pool => {
            let rows =
                sqlx::query(include_str!("../sql/list_positions.sql")).persistent(false).bind(&self.group).fetch_all(pool).await?;
            rows.iter()
                .map(|row| {
                    Ok(Position {
                        topic: row.try_get(0)?,
                        partition: row.try_get(1)?,
                        next_offset: row.try_get(2)?,
                        generation: row.try_get(3)?,
                        owner: row.try_get(4)?,
                        record_at_ms: row.try_get(5)?,
                        updated_at_ms: row.try_get(6)?,
                    })
                })
                .collect()
        })
    }
}

fn held<R: sqlx::Row>(row: &R) -> Result<Held, KafkaError>
where
    usize: sqlx::ColumnIndex<R>,
    for<'a> i64: sqlx::Decode<'a, R::Database> + sqlx::Type<R::Database>,
    for<'a> Option<i64>: sqlx::Decode<'a, R::Database> + sqlx::Type<R::Database>,
{
    Ok(Held { next: row.try_get(0)?, generation: row.try_get(1)?, record_at_ms: row.try_get(2)? })
}

#[cfg(test)]
mod tests {
    use plimsoll_jobs::JobsOptions;

    use super::*;
    use crate::schema::migrate;

    /// Two consumers' views of one group's positions, in each kind of database.
    async fn pairs() -> Vec<(Positions, Positions, tempfile::TempDir)> {
        let mut pairs = Vec::new();
        for postgres in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let url = if postgres {
                let Some(server) = plimsoll_test_postgres::server(false) else { continue };
                server.database().await
            } else {
                format!("sqlite://{}", dir.path().join("queue.db").display())
            };
            let jobs = Jobs::open(&url, JobsOptions::default()).await.unwrap();
            migrate(&jobs).await.unwrap();
            let of = |owner: &str| Positions {
                jobs: jobs.clone(),
                group: "g".to_owned(),
                owner: owner.to_owned(),
            };
            pairs.push((of("a"), of("b"), dir));
        }
        pairs
    }

    async fn advance(positions: &Positions, place: &Place, from: Held, next: i64) -> Moved {
        let mut tx = positions.jobs.begin().await.unwrap();
        let moved = positions.advance(&mut tx, place, from, next, Some(7)).await.unwrap();
        tx.commit().await.unwrap();
        moved
    }

    #[tokio::test]
    async fn consumer_that_lost_its_partition_stores_nothing() {
        for (a, b, _dir) in pairs().await {
            let place = ("t".to_owned(), 3);
            let old = a.claim(&place, 5).await.unwrap();
            assert_eq!((old.next, old.generation), (5, 1));
            assert_eq!(advance(&a, &place, old, 10).await, Moved::Yes);
            let new = b.claim(&place, 99).await.unwrap();
            assert_eq!((new.next, new.generation, new.record_at_ms), (10, 2, Some(7)));
            let zombie = Held { next: 10, ..old };
            assert_eq!(advance(&a, &place, zombie, 20).await, Moved::Fenced);
            assert_eq!(b.read(&place).await.unwrap(), Some(new));
            assert_eq!(advance(&b, &place, new, 11).await, Moved::Yes);
            b.reset(&place, 2).await.unwrap();
            assert_eq!(advance(&b, &place, Held { next: 11, ..new }, 12).await, Moved::Fenced);
            assert_eq!(a.list().await.unwrap()[0].next_offset, 2);
        }
    }

    #[tokio::test]
    async fn commit_whose_answer_was_lost_is_not_repeated() {
        for (a, _, _dir) in pairs().await {
            let place = ("t".to_owned(), 0);
            let held = a.claim(&place, 0).await.unwrap();
            assert_eq!(advance(&a, &place, held, 10).await, Moved::Yes);
            // The consumer has not heard of it and tries again from where it believes it stands.
            let Moved::Elsewhere(now) = advance(&a, &place, held, 10).await else { panic!("repeated") };
            assert_eq!((now.next, now.generation), (10, held.generation));
        }
    }
}
