//! Totals that cost the same however many rows there are.

use std::collections::BTreeMap;

use super::db::{Conn, sql};
use super::{Store, StoreError};

/// A total's name in `cv_counter`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Counter {
    Uploads,
    Evaluations,
    Completed,
    Failed,
    /// Sum over completed evaluations of the time from request to result, seconds.
    CompletedSeconds,
}

/// All totals.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Totals {
    /// Files stored.
    pub uploads: f64,
    /// Evaluations asked for.
    pub evaluations: f64,
    /// Evaluations completed.
    pub completed: f64,
    /// Evaluations failed and not requeued since.
    pub failed: f64,
    /// Sum over completed evaluations of the time from request to result, seconds.
    pub completed_seconds: f64,
}

// === impl Counter ===

impl Counter {
    fn name(self) -> &'static str {
        match self {
            Self::Uploads => "uploads",
            Self::Evaluations => "evaluations",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::CompletedSeconds => "completed_seconds",
        }
    }

    /// Adds to the total, in the transaction of the rows it counts.
    pub(super) async fn add(self, conn: &mut Conn<'_>, amount: f64) -> Result<(), StoreError> {
        conn.execute(sql!("count").bind(self.name()).bind(Store::shard()).bind(amount)).await?;
        Ok(())
    }
}

// === impl Store ===

impl Store {
    /// All totals now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn totals(&self) -> Result<Totals, StoreError> {
        let rows = self.pool.fetch_all(sql!("totals").query()).await?;
        let mut values = BTreeMap::new();
        for row in rows {
            values.insert(row.get::<String>("name")?, row.get::<f64>("value")?);
        }
        let total = |counter: Counter| values.get(counter.name()).copied().unwrap_or_default();
        Ok(Totals {
            uploads: total(Counter::Uploads),
            evaluations: total(Counter::Evaluations),
            completed: total(Counter::Completed),
            failed: total(Counter::Failed),
            completed_seconds: total(Counter::CompletedSeconds),
        })
    }
}
