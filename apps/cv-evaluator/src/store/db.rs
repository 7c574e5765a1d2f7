//! One way to run a statement on either kind of database. Placeholders are `$1`, `$2`, … on both; a statement that has
//! to be said differently has one file for each.

use std::borrow::Cow;

use futures::{StreamExt as _, TryStreamExt as _};
use plimsoll_jobs::{Jobs, JobsError, Tx};
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, PgConnection, PgPool, Postgres, Row as _, Sqlite, SqliteConnection, SqlitePool, Type};

use super::StoreError;

/// A statement's text for either kind of database.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sql {
    pub(super) sqlite: &'static str,
    pub(super) postgres: &'static str,
}

/// `sql!("name")` is `sql/name.sql`; `sql!(each "name")` is `sql/sqlite/name.sql` and `sql/postgres/name.sql`.
macro_rules! sql {
    (each $name:literal) => {
        $crate::store::db::Sql {
            sqlite: include_str!(concat!("sql/sqlite/", $name, ".sql")),
            postgres: include_str!(concat!("sql/postgres/", $name, ".sql")),
        }
    };
    ($name:literal) => {
        $crate::store::db::Sql {
            sqlite: include_str!(concat!("sql/", $name, ".sql")),
            postgres: include_str!(concat!("sql/", $name, ".sql")),
        }
    };
}
pub(super) use sql;

/// Whether the database answers.
pub(super) const PING: Sql = sql!("ping");

/// A statement with its values.
#[derive(Debug)]
pub(super) struct Statement<'q> {
    sql: Sql,
    values: Vec<Value<'q>>,
}

/// A value of a statement.
#[derive(Debug)]
pub(super) enum Value<'q> {
    Text(Option<Cow<'q, str>>),
    Whole(Option<i64>),
    Real(f64),
    Bytes(&'q [u8]),
}

/// Where the application's reads go.
#[derive(Debug, Clone)]
pub(super) enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// The connection of a transaction.
#[derive(Debug)]
pub(super) enum Conn<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

/// A row of either.
#[derive(Debug)]
pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// What can be read from a column of either.
pub(super) trait Column:
    for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>
{
}

impl<T> Column for T where
    T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>
{
}

/// Adds the values to a query of either kind.
macro_rules! bound {
    ($sql:expr, $values:expr) => {{
        let mut query = sqlx::query($sql);
        for value in $values {
            query = match value {
                Value::Text(text) => query.bind(text),
                Value::Whole(number) => query.bind(number),
                Value::Real(number) => query.bind(number),
                Value::Bytes(bytes) => query.bind(bytes),
            };
        }
        query
    }};
}

/// Runs a statement on whatever it is given to.
macro_rules! run {
    ($target:expr, $kind:ident, $statement:expr, $conn:ident, $query:ident => $call:expr) => {
        match $target {
            $kind::Sqlite($conn) => {
                let $query = bound!($statement.sql.sqlite, $statement.values);
                $call
            }
            $kind::Postgres($conn) => {
                let $query = bound!($statement.sql.postgres, $statement.values);
                $call
            }
        }
    };
}

// === impl Sql, Statement ===

impl Sql {
    /// The statement without values yet.
    pub(super) fn query<'q>(self) -> Statement<'q> {
        Statement { sql: self, values: Vec::new() }
    }

    /// The statement with its first value.
    pub(super) fn bind<'q>(self, value: impl Into<Value<'q>>) -> Statement<'q> {
        self.query().bind(value)
    }
}

impl<'q> Statement<'q> {
    /// The next value.
    pub(super) fn bind(mut self, value: impl Into<Value<'q>>) -> Self {
        self.values.push(value.into());
        self
    }
}

// === impl Value ===

impl<'q> From<&'q str> for Value<'q> {
    /// Postgres holds no NUL in texts; so that both databases keep the same, neither does here.
    fn from(text: &'q str) -> Self {
        Self::Text(Some(match text.contains('\0') {
            true => text.replace('\0', "\u{FFFD}").into(),
            false => text.into(),
        }))
    }
}

impl<'q> From<&'q String> for Value<'q> {
    fn from(text: &'q String) -> Self {
        text.as_str().into()
    }
}

impl<'q> From<&'q Option<String>> for Value<'q> {
    fn from(text: &'q Option<String>) -> Self {
        text.as_deref().into()
    }
}

impl<'q> From<Option<&'q str>> for Value<'q> {
    fn from(text: Option<&'q str>) -> Self {
        text.map_or(Self::Text(None), Self::from)
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Whole(Some(number))
    }
}

impl From<u32> for Value<'_> {
    fn from(number: u32) -> Self {
        Self::Whole(Some(number.into()))
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(number: Option<i64>) -> Self {
        Self::Whole(number)
    }
}

impl From<f64> for Value<'_> {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

impl<'q> From<&'q [u8]> for Value<'q> {
    fn from(bytes: &'q [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

// === impl Pool ===

impl Pool {
    /// The pool of the queue's database.
    pub(super) fn of(jobs: &Jobs) -> Result<Self, JobsError> {
        match jobs.sqlite() {
            Ok(pool) => Ok(Self::Sqlite(pool.clone())),
            Err(_) => Ok(Self::Postgres(jobs.postgres()?.clone())),
        }
    }

    pub(super) async fn fetch_all(&self, statement: Statement<'_>) -> Result<Vec<Row>, StoreError> {
        run!(self, Pool, statement, pool, query => Ok(query.fetch(pool).map_ok(Row::from).try_collect().await?))
    }

    pub(super) async fn fetch_optional(&self, statement: Statement<'_>) -> Result<Option<Row>, StoreError> {
        run!(self, Pool, statement, pool, query => Ok(query.fetch_optional(pool).await?.map(Row::from)))
    }
}

// === impl Conn ===

impl<'c> Conn<'c> {
    /// The connection of this transaction.
    pub(super) fn of(tx: &'c mut Tx) -> Result<Self, JobsError> {
        if tx.sqlite().is_ok() { tx.sqlite().map(Self::Sqlite) } else { tx.postgres().map(Self::Postgres) }
    }

    /// Runs it; answers how many rows it changed.
    pub(super) async fn execute(&mut self, statement: Statement<'_>) -> Result<u64, StoreError> {
        run!(self, Conn, statement, conn, query => Ok(query.execute(&mut **conn).await?.rows_affected()))
    }

    pub(super) async fn fetch_all(&mut self, statement: Statement<'_>) -> Result<Vec<Row>, StoreError> {
        run!(self, Conn, statement, conn, query => Ok(query.fetch(&mut **conn).map_ok(Row::from).try_collect().await?))
    }

    pub(super) async fn fetch_optional(
        &mut self,
        statement: Statement<'_>,
    ) -> Result<Option<Row>, StoreError> {
        // Read to the end: a statement that changes rows and returns some must not be left half done.
        run!(self, Conn, statement, conn, query => {
            let mut rows = query.fetch(&mut **conn);
            let first = rows.next().await.transpose()?;
            while rows.next().await.transpose()?.is_some() {}
            Ok(first.map(Row::from))
        })
    }
}

impl Conn<'_> {
    /// Whether deleted bytes are overwritten from here on. Postgres cannot: VACUUM gives the space free, and what comes
    /// next is written over it.
    pub(super) async fn overwrite_deleted(&mut self, on: bool) -> Result<(), StoreError> {
        if let Self::Sqlite(conn) = self {
            let sql = if on {
                include_str!("sql/sqlite/overwrite_deleted.sql")
            } else {
                include_str!("sql/sqlite/keep_deleted.sql")
            };
            sqlx::query(sql).execute(&mut **conn).await?;
        }
        Ok(())
    }
}

// === impl Row ===

impl From<SqliteRow> for Row {
    fn from(row: SqliteRow) -> Self {
        Self::Sqlite(row)
    }
}

impl From<PgRow> for Row {
    fn from(row: PgRow) -> Self {
        Self::Postgres(row)
    }
}

impl Row {
    /// A column by its name.
    pub(super) fn get<T: Column>(&self, column: &str) -> Result<T, StoreError> {
        match self {
            Self::Sqlite(row) => Ok(row.try_get(column)?),
            Self::Postgres(row) => Ok(row.try_get(column)?),
        }
    }
}
