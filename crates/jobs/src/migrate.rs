//! Forward-only migrations, safe when many processes start at once.
//!
//! All steps of a component run in one transaction that holds the write lock, so of several starters one does
//! the work and the others find it done. A step that was applied must never change: its text is remembered by hash.

use sha2::{Digest, Sha256};
use sqlx::{Row, SqliteConnection};

use crate::JobsError;
use crate::sqlite::SqliteDriver;

/// One step of a component's schema. Steps are numbered 1, 2, 3, … without gaps.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Its number.
    pub version: i64,
    /// A few words about it.
    pub name: &'static str,
    /// Its statements, usually by `include_str!`.
    pub sql: &'static str,
}

/// Brings the tables of `component` up to the last of `steps`.
pub(crate) async fn sqlite(
    driver: &SqliteDriver,
    component: &str,
    steps: &[Migration],
) -> Result<(), JobsError> {
    let mut tx = driver.begin().await?;
    sqlx::query(include_str!("sqlite/sql/schema_table.sql")).execute(&mut *tx).await?;
    let applied = applied(&mut tx, component).await?;
    for step in pending(component, steps, &applied)? {
        sqlx::raw_sql(step.sql).execute(&mut *tx).await?;
        sqlx::query(include_str!("sqlite/sql/schema_write.sql"))
            .bind(component)
            .bind(step.version)
            .bind(step.name)
            .bind(hash(step.sql))
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await
}

async fn applied(conn: &mut SqliteConnection, component: &str) -> Result<Vec<(i64, String)>, JobsError> {
    let rows =
        sqlx::query(include_str!("sqlite/sql/schema_read.sql")).bind(component).fetch_all(conn).await?;
    rows.iter().map(|r| Ok((r.try_get(0)?, r.try_get(1)?))).collect()
}

/// The steps still to run, or why the database does not fit this program.
pub(crate) fn pending<'m>(
    component: &str,
    steps: &'m [Migration],
    applied: &[(i64, String)],
) -> Result<&'m [Migration], JobsError> {
    let wrong = |why: String| JobsError::Schema { component: component.to_owned(), why };
    if steps.iter().zip(1..).any(|(s, n)| s.version != n) {
        return Err(wrong("the program's migrations are not numbered 1, 2, 3, …".into()));
    }
    if applied.len() > steps.len() {
        return Err(wrong(format!(
            "the database is at version {}, this program knows {}: use the newer program",
            applied.len(),
            steps.len()
        )));
    }
    for (step, (version, sha256)) in steps.iter().zip(applied) {
        if step.version != *version || hash(step.sql) != *sha256 {
            return Err(wrong(format!(
                "migration {} ({}) was applied with another text: restore it and add a new step instead",
                step.version, step.name
            )));
        }
    }
    Ok(&steps[applied.len()..])
}

pub(crate) fn hash(sql: &str) -> String {
    hex::encode(Sha256::digest(sql.as_bytes()))
}
