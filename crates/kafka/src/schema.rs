//! The tables of this crate, in the queue's own database, under the component name `kafka`.

use plimsoll_jobs::{Jobs, Migration};

use crate::KafkaError;

const SQLITE: &[Migration] = &[
    Migration { version: 1, name: "kafka", sql: include_str!("sql/sqlite/0001_kafka.sql") },
    Migration { version: 2, name: "owner", sql: include_str!("sql/sqlite/0002_owner.sql") },
];
const POSTGRES: &[Migration] = &[
    Migration { version: 1, name: "kafka", sql: include_str!("sql/postgres/0001_kafka.sql") },
    Migration { version: 2, name: "owner", sql: include_str!("sql/postgres/0002_owner.sql") },
];

/// Makes and migrates the tables of ingest and outbox. Safe while other processes do the same.
///
/// # Errors
/// When the queue has no database (`memory:`), or its schema is newer than this program.
pub async fn migrate(jobs: &Jobs) -> Result<(), KafkaError> {
    let steps = if jobs.sqlite().is_ok() { SQLITE } else { POSTGRES };
    Ok(jobs.migrate("kafka", steps).await?)
}

/// Runs the same statements on the connection of a transaction, whichever database it belongs to. Both understand
/// numbered parameters, `ON CONFLICT` and `RETURNING`; where they differ there are two files, see [`sql`].
macro_rules! on_tx {
    ($tx:expr, $conn:ident => $body:expr) => {
        if let Ok($conn) = $tx.sqlite() {
            $body
        } else {
            let $conn = $tx.postgres()?;
            $body
        }
    };
}

/// The same for reads that take no lock. In Postgres they are a transaction all the same: a pooler in between may hand
/// every statement outside of one to another server (and knows no names of statements, hence `persistent(false)`).
#[cfg(feature = "broker")]
macro_rules! on_pool {
    ($jobs:expr, $conn:ident => $body:expr) => {
        if let Ok($conn) = $jobs.sqlite() {
            $body
        } else {
            let mut tx = $jobs.postgres()?.begin().await?;
            let $conn = &mut *tx;
            $body
        }
    };
}

/// The statement of this name for the queue's kind of database.
#[cfg(feature = "broker")]
macro_rules! sql {
    ($jobs:expr, $name:literal) => {
        if $jobs.sqlite().is_ok() {
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/sql/sqlite/", $name))
        } else {
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/sql/postgres/", $name))
        }
    };
}

pub(crate) use on_tx;
#[cfg(feature = "broker")]
pub(crate) use {on_pool, sql};
