//! The connections on which queue and application write together.

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, Postgres, Sqlite, SqliteConnection, Transaction};
use std::sync::Arc;

use tokio::sync::watch;

use crate::JobsError;
use crate::memory::MemoryTx;
use crate::postgres::PgBell;
use crate::sqlite::{Bell, Writing};

/// A borrowed connection to the queue's database, of whichever kind.
///
/// Anything the application has open converts into it: a [`Tx`], a transaction or a connection of sqlx.
#[derive(Debug)]
pub struct Conn<'c> {
    pub(crate) kind: Kind<'c>,
    /// Set when the statement makes work that workers of this process should be woken for at the commit.
    wakes: Option<&'c mut bool>,
}

#[derive(Debug)]
pub(crate) enum Kind<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
    Memory(&'c mut MemoryTx),
}

/// A transaction that holds the right to write, for the queue and the application together.
///
/// Dropping it without [`Tx::commit`] undoes everything. In SQLite there is one writer at a time: keep it short,
/// and do not wait for anything but the database while holding it.
#[derive(Debug)]
pub struct Tx {
    inner: Inner,
    wakes: bool,
    committed: watch::Sender<u64>,
}

#[derive(Debug)]
pub(crate) enum Inner {
    Sqlite(Writing, Option<Bell>),
    Postgres(Transaction<'static, Postgres>, Arc<PgBell>),
    Memory(MemoryTx),
}

// === impl Tx ===

impl Tx {
    pub(crate) fn new(inner: Inner, committed: watch::Sender<u64>) -> Self {
        Self { inner, wakes: false, committed }
    }

    /// The connection, for the application's own statements.
    ///
    /// # Errors
    /// [`JobsError::WrongConnection`] when the queue is not in SQLite.
    pub fn sqlite(&mut self) -> Result<&mut SqliteConnection, JobsError> {
        match &mut self.inner {
            Inner::Sqlite(tx, _) => Ok(tx),
            _ => Err(JobsError::WrongConnection),
        }
    }

    /// The connection, for the application's own statements.
    ///
    /// # Errors
    /// [`JobsError::WrongConnection`] when the queue is not in Postgres.
    pub fn postgres(&mut self) -> Result<&mut PgConnection, JobsError> {
        match &mut self.inner {
            Inner::Postgres(tx, _) => Ok(tx),
            _ => Err(JobsError::WrongConnection),
        }
    }

    /// Makes it durable, then wakes the workers, of other processes too.
    ///
    /// # Errors
    /// When the database fails; then nothing of the transaction has happened, or, if the connection broke during
    /// the commit, all of it may have.
    pub async fn commit(self) -> Result<(), JobsError> {
        let ring = |ring: &dyn Fn()| {
            if self.wakes {
                self.committed.send_modify(|n| *n = n.wrapping_add(1));
                ring();
            }
        };
        match self.inner {
            Inner::Sqlite(tx, bell) => {
                tx.commit().await?;
                ring(&|| bell.iter().for_each(Bell::ring));
            }
            Inner::Postgres(tx, bell) => {
                tx.commit().await?;
                ring(&|| bell.ring());
            }
            Inner::Memory(tx) => {
                tx.commit();
                ring(&|| ());
            }
        }
        Ok(())
    }

    /// Undoes everything now instead of when the value is dropped.
    ///
    /// # Errors
    /// When the database fails; the transaction is undone all the same.
    pub async fn rollback(self) -> Result<(), JobsError> {
        match self.inner {
            Inner::Sqlite(tx, _) => tx.rollback().await,
            Inner::Postgres(tx, _) => Ok(tx.rollback().await?),
            Inner::Memory(_) => Ok(()),
        }
    }
}

// === impl Conn ===

impl Conn<'_> {
    /// Wakes workers when the transaction commits, if it is one of ours.
    pub(crate) fn wake(&mut self) {
        if let Some(wakes) = self.wakes.as_deref_mut() {
            *wakes = true;
        }
    }
}

impl<'c> From<&'c mut Tx> for Conn<'c> {
    fn from(tx: &'c mut Tx) -> Self {
        let kind = match &mut tx.inner {
            Inner::Sqlite(tx, _) => Kind::Sqlite(tx),
            Inner::Postgres(tx, _) => Kind::Postgres(tx),
            Inner::Memory(tx) => Kind::Memory(tx),
        };
        Self { kind, wakes: Some(&mut tx.wakes) }
    }
}

impl<'c> From<&'c mut SqliteConnection> for Conn<'c> {
    fn from(c: &'c mut SqliteConnection) -> Self {
        Self { kind: Kind::Sqlite(c), wakes: None }
    }
}

impl<'c> From<&'c mut PoolConnection<Sqlite>> for Conn<'c> {
    fn from(c: &'c mut PoolConnection<Sqlite>) -> Self {
        Self { kind: Kind::Sqlite(c), wakes: None }
    }
}

impl<'c, 't: 'c> From<&'c mut Transaction<'t, Sqlite>> for Conn<'c> {
    fn from(c: &'c mut Transaction<'t, Sqlite>) -> Self {
        Self { kind: Kind::Sqlite(c), wakes: None }
    }
}

impl<'c> From<&'c mut PgConnection> for Conn<'c> {
    fn from(c: &'c mut PgConnection) -> Self {
        Self { kind: Kind::Postgres(c), wakes: None }
    }
}

impl<'c> From<&'c mut PoolConnection<Postgres>> for Conn<'c> {
    fn from(c: &'c mut PoolConnection<Postgres>) -> Self {
        Self { kind: Kind::Postgres(c), wakes: None }
    }
}

impl<'c, 't: 'c> From<&'c mut Transaction<'t, Postgres>> for Conn<'c> {
    fn from(c: &'c mut Transaction<'t, Postgres>) -> Self {
        Self { kind: Kind::Postgres(c), wakes: None }
    }
}
