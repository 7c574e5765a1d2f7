//! The databases that histories run on, and how each can be hurt.

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use plimsoll_jobs::Jobs;
use plimsoll_test_postgres::Server;
use rand::RngExt as _;
use rand::rngs::StdRng;
use rustix::process::{Pid, Signal, kill_process};

use crate::proxy::Proxy;

/// Longer than a lease.
const LONGEST_BLOCK_MS: u64 = 250;

/// What the processes' connections are called at the server, to tell them from the checker's.
const CREW: &str = "crew";

/// Databases whose histories are over: making a new one takes longer than a history.
static UNUSED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The database of one history.
pub(crate) enum Database {
    Sqlite {
        url: String,
    },
    Postgres {
        server: &'static Server,
        name: String,
        /// What the processes go through; the checker goes straight.
        proxy: Proxy,
    },
}

// === impl Database ===

impl Database {
    pub(crate) fn sqlite(directory: &Path, n: u64) -> Self {
        Self::Sqlite { url: format!("sqlite://{}", directory.join(format!("{n}.db")).display()) }
    }

    pub(crate) async fn postgres(server: &'static Server) -> Self {
        let proxy = Proxy::to(server.directory().to_owned()).unwrap();
        let used = UNUSED.lock().unwrap().pop();
        // Another history may have crashed the server just now: again until it answers.
        let name = loop {
            let made = match &used {
                Some(name) => empty(server, name).await.map(|()| name.clone()),
                None => server.new_database().await,
            };
            if let Ok(made) = made {
                break made;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        Self::Postgres { server, name, proxy }
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite { url } => url.clone(),
            Self::Postgres { server, name, .. } => server.url(name),
        }
    }

    /// Where processes find it.
    pub(crate) fn exposed_url(&self) -> String {
        match self {
            Self::Sqlite { url } => url.clone(),
            Self::Postgres { name, proxy, .. } => {
                format!(
                    "postgres:///{name}?host={}&user=plimsoll&application_name={CREW}",
                    proxy.directory.path().display()
                )
            }
        }
    }

    /// Whether nothing is left of processes that have ended: a commit that one had sent may be with the proxy or the server
    /// for a while, and is done although its sender is dead. SQLite does nothing for the dead.
    pub(crate) async fn has_let_go(&self) -> bool {
        let Self::Postgres { server, name, .. } = self else { return true };
        // No answer: it is still recovering from a crash.
        let Ok(mut conn) = server.connect(name).await else { return false };
        let sql = include_str!("sql/connections_of.sql");
        sqlx::query_scalar::<_, i64>(sql).bind(CREW).fetch_one(&mut conn).await.is_ok_and(|open| open == 0)
    }

    /// Lets nothing pass between the processes and the server until called again with false.
    pub(crate) fn block(&self, blocked: bool) {
        if let Self::Postgres { proxy, .. } = self {
            proxy.block(blocked);
        }
    }

    /// Makes room for the next history.
    pub(crate) fn forget(self) {
        match self {
            Self::Sqlite { url } => {
                let path = url.trim_start_matches("sqlite://");
                for end in ["", "-wal", "-shm", "-bell"] {
                    drop(std::fs::remove_file(format!("{path}{end}")));
                }
            }
            Self::Postgres { name, .. } => UNUSED.lock().unwrap().push(name),
        }
    }

    /// Hurts the database or the ways to it; answers with what was done.
    pub(crate) async fn hurt(&self, jobs: &Jobs, rng: &mut StdRng) -> &'static str {
        let block = Duration::from_millis(rng.random_range(20..LONGEST_BLOCK_MS));
        match self {
            Self::Sqlite { .. } => {
                let Ok(tx) = jobs.begin().await else { return "nothing" };
                tokio::time::sleep(block).await;
                drop(tx);
                "write lock held"
            }
            Self::Postgres { server, name, proxy, .. } => match rng.random_range(0..100) {
                0..30 => {
                    proxy.cut(rng.random_range(0..100));
                    "socket cut"
                }
                30..60 => {
                    proxy.lose_an_answer();
                    "answer lost"
                }
                60..75 => {
                    self.block(true);
                    tokio::time::sleep(block).await;
                    self.block(false);
                    "network blocked"
                }
                75..90 => backend(server, name, rng, false).await,
                90..95 => backend(server, name, rng, true).await,
                _ => {
                    server.crash();
                    "server crashed"
                }
            },
        }
    }
}

/// Leaves nothing of the history before, nor a connection of one of its processes.
async fn empty(server: &Server, name: &str) -> sqlx::Result<()> {
    let mut conn = server.connect(name).await?;
    sqlx::raw_sql(include_str!("sql/empty_postgres.sql")).execute(&mut conn).await?;
    Ok(())
}

/// Ends one of the server's processes: asks it to, or kills it, which makes the whole server recover.
async fn backend(server: &Server, name: &str, rng: &mut StdRng, kill: bool) -> &'static str {
    let Ok(mut conn) = server.connect("postgres").await else { return "nothing" };
    let sql = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND datname = $1 ORDER BY pid";
    let Ok(all) = sqlx::query_scalar::<_, i32>(sql).bind(name).fetch_all(&mut conn).await else {
        return "nothing";
    };
    if all.is_empty() {
        return "nothing";
    }
    let pid = all[rng.random_range(0..all.len())];
    if kill {
        let _ = Pid::from_raw(pid).map(|pid| kill_process(pid, Signal::KILL));
        return "backend killed";
    }
    drop(sqlx::query("SELECT pg_terminate_backend($1)").bind(pid).execute(&mut conn).await);
    "backend terminated"
}
