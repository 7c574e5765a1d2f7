//! Statements on a connection that may lead through a transaction pooler (pgbouncer with `pool_mode = transaction`).
//!
//! Behind such a pooler each transaction may run on another connection of the server: what a session remembers (prepared
//! statements, LISTEN, session locks) is lost or, worse, somebody else's. So statements are sent unnamed there, and
//! none outside a transaction, because the protocol's parse and execute are two messages that must reach the same server process.

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Either, Execute, Executor, PgConnection, PgPool, Postgres, SqlStr, Transaction};

use crate::driver::Result;

/// A connection, and whether a pooler stands in between.
#[derive(Debug)]
pub(super) struct Link<'c> {
    conn: &'c mut PgConnection,
    pooler: bool,
}

/// A connection for reading: a transaction where it must be one.
#[derive(Debug)]
pub(super) enum Reading {
    Direct(PoolConnection<Postgres>),
    Pooler(Transaction<'static, Postgres>),
}

/// A statement, sent with or without a name that the server would remember.
struct Sent<E> {
    statement: E,
    named: bool,
}

// === impl Link ===

impl<'c> Link<'c> {
    pub(super) fn new(conn: &'c mut PgConnection, pooler: bool) -> Self {
        Self { conn, pooler }
    }

    fn send<E>(&self, statement: E) -> Sent<E> {
        Sent { statement, named: !self.pooler }
    }
}

impl<'c> Executor<'c> for &'c mut Link<'_> {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, sqlx::Result<Either<PgQueryResult, PgRow>>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let sent = self.send(query);
        self.conn.fetch_many(sent)
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<PgRow>>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let sent = self.send(query);
        self.conn.fetch_optional(sent)
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, sqlx::Result<PgStatement>>
    where
        'c: 'e,
    {
        self.conn.prepare_with(sql, parameters)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, sqlx::Result<sqlx::Describe<Postgres>>>
    where
        'c: 'e,
    {
        self.conn.describe(sql)
    }
}

// === impl Reading ===

impl Reading {
    pub(super) async fn from(pool: &PgPool, pooler: bool) -> Result<Self> {
        Ok(if pooler { Self::Pooler(pool.begin().await?) } else { Self::Direct(pool.acquire().await?) })
    }

    pub(super) fn link(&mut self) -> Link<'_> {
        match self {
            Self::Direct(conn) => Link::new(conn, false),
            Self::Pooler(tx) => Link::new(tx, true),
        }
    }
}

// === impl Sent ===

impl<'q, E: Execute<'q, Postgres>> Execute<'q, Postgres> for Sent<E> {
    fn sql(self) -> SqlStr {
        self.statement.sql()
    }

    fn statement(&self) -> Option<&PgStatement> {
        self.statement.statement()
    }

    fn take_arguments(&mut self) -> std::result::Result<Option<PgArguments>, sqlx::error::BoxDynError> {
        self.statement.take_arguments()
    }

    fn persistent(&self) -> bool {
        self.named && self.statement.persistent()
    }
}
