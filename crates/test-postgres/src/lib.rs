//! A Postgres server of the tests' own: temporary directory, Unix socket only, ordinary user, gone with this process.
//!
//! Every test process starts at most one, and every test takes a database of its own from it. What goes wrong here is a
//! broken test environment, so it panics.

mod cluster;
mod pgbouncer;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rustix::process::{Pid, Signal, kill_process};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection as _, Executor as _};

use cluster::Cluster;
pub use pgbouncer::{Pgbouncer, pgbouncer};

/// Starts of one server at most: a test may crash it again and again, one that does not start is not waited for.
const STARTS: u32 = 100_000;

/// A running server.
#[derive(Debug)]
pub struct Server {
    directory: PathBuf,
    databases: AtomicU32,
    /// None between a crash and the next start.
    postmaster: Arc<Mutex<Option<Pid>>>,
}

static SERVER: OnceLock<Server> = OnceLock::new();

/// The server of this process, started on first use. None only if `PLIMSOLL_SKIP_POSTGRES` is set.
///
/// `durable` is what the first caller wants: whether commits wait for the disk.
///
/// # Panics
/// When Postgres is not installed or does not start.
pub fn server(durable: bool) -> Option<&'static Server> {
    if std::env::var_os("PLIMSOLL_SKIP_POSTGRES").is_some() {
        return None;
    }
    Some(SERVER.get_or_init(|| {
        // The kernel stops the server when the thread that started it ends: one that lasts as long as the process.
        let (ready, started) = sync_channel(1);
        std::thread::spawn(move || {
            let cluster = Cluster::new(durable);
            let mut child = cluster.start();
            cluster.wait_until_ready();
            let postmaster = Arc::new(Mutex::new(Some(Pid::from_child(&child))));
            let directory = cluster.directory.clone();
            ready
                .send(Server { directory, databases: AtomicU32::new(0), postmaster: Arc::clone(&postmaster) })
                .unwrap();
            for _ in 0..STARTS {
                drop(child.wait());
                *lock(&postmaster) = None;
                child = cluster.start();
                *lock(&postmaster) = Some(Pid::from_child(&child));
            }
        });
        started.recv().expect("Postgres starts")
    }))
}

fn lock(postmaster: &Mutex<Option<Pid>>) -> MutexGuard<'_, Option<Pid>> {
    postmaster.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Server ===

impl Server {
    /// The address of a new, empty database.
    ///
    /// # Panics
    /// When the server does not answer.
    pub async fn database(&self) -> String {
        let name = self.new_database().await.expect("Postgres answers");
        self.url(&name)
    }

    /// The name of a new, empty database.
    ///
    /// # Errors
    /// When the server does not answer, because a test has crashed it just now.
    pub async fn new_database(&self) -> sqlx::Result<String> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let mut conn = self.connect("postgres").await?;
        conn.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).await?;
        Ok(name)
    }

    /// The address of one of its databases.
    pub fn url(&self, database: &str) -> String {
        format!("postgres:///{database}?host={}&user=plimsoll", self.directory.display())
    }

    /// Where its socket is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Statements that it did not understand so far (SQLSTATE class 42, but for tables that a test has dropped).
    ///
    /// # Panics
    /// When its log cannot be read.
    pub fn misunderstood(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.directory.join("log")).expect("the server writes a log");
        let told =
            |line: &&str| line.contains(" 42") && !line.contains(" 42P01 ") && line.contains(" ERROR: ");
        log.lines().filter(told).map(str::to_owned).collect()
    }

    /// What it has written about itself.
    pub fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    /// A connection to one of its databases, as its superuser.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn connect(&self, database: &str) -> sqlx::Result<PgConnection> {
        let options = PgConnectOptions::new().socket(&self.directory).username("plimsoll").database(database);
        PgConnection::connect_with(&options).await
    }

    /// Stops it as if it had crashed; it starts again by itself and recovers.
    pub fn crash(&self) {
        if let Some(pid) = *lock(&self.postmaster) {
            // Immediate shutdown, in Postgres' words. One that has just gone down needs no signal.
            let _ = kill_process(pid, Signal::QUIT);
        }
    }
}
