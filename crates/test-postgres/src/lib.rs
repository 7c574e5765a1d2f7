//! A Postgres server of the tests' own: temporary directory, Unix socket only, ordinary user, gone with this process.
//!
//! Every test process starts at most one, and every test takes a database of its own from it. What goes wrong here is a
//! broken test environment, so it panics.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection as _, Executor as _};

const PREFIX: &str = "plimsoll-postgres-";
/// Debian's user for the server, or whoever may own files when it is absent.
const USERS: [&str; 2] = ["postgres", "nobody"];

/// A running server.
#[derive(Debug)]
pub struct Server {
    directory: PathBuf,
    databases: AtomicU32,
    /// Its process, for tests that hurt it.
    pub pid: u32,
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
            let (server, mut child) = start(durable);
            ready.send(server).unwrap();
            drop(child.wait());
        });
        started.recv().expect("Postgres starts")
    }))
}

// === impl Server ===

impl Server {
    /// The address of a new, empty database.
    ///
    /// # Panics
    /// When the server does not answer.
    pub async fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let mut conn = self.connect("postgres").await.expect("Postgres answers");
        conn.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
        format!("postgres:///{name}?host={}&user=plimsoll", self.directory.display())
    }

    /// A connection to one of its databases, as its superuser.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn connect(&self, database: &str) -> sqlx::Result<PgConnection> {
        let options = PgConnectOptions::new().socket(&self.directory).username("plimsoll").database(database);
        PgConnection::connect_with(&options).await
    }
}

fn start(durable: bool) -> (Server, Child) {
    remove_abandoned();
    let binaries = binaries()
        .expect("Postgres is not installed: apt-get install postgresql, or set PLIMSOLL_SKIP_POSTGRES=1");
    let directory = std::env::temp_dir().join(format!("{PREFIX}{}", std::process::id()));
    std::fs::create_dir(&directory).unwrap();
    let user = ordinary_user();
    if let Some((uid, gid)) = user {
        std::os::unix::fs::chown(&directory, Some(uid), Some(gid)).unwrap();
    }
    let data = directory.join("data");
    let run = |program: &str| {
        let mut command = Command::new("setpriv");
        if let Some((uid, gid)) = user {
            command.args([format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".into()]);
        }
        command.args(["--pdeathsig", "INT"]).arg(binaries.join(program)).arg("-D").arg(&data);
        command.current_dir(&directory).stdin(Stdio::null()).stdout(Stdio::null());
        command
    };
    let initdb =
        run("initdb").args(["-U", "plimsoll", "-A", "trust", "-E", "UTF8", "--no-sync"]).output().unwrap();
    assert!(initdb.status.success(), "initdb: {}", String::from_utf8_lossy(&initdb.stderr));
    let sync = if durable { "on" } else { "off" };
    let child = run("postgres")
        .args(["-c", "listen_addresses=", "-c", "max_connections=200", "-k"])
        .arg(&directory)
        .args(["-c", &format!("fsync={sync}"), "-c", &format!("synchronous_commit={sync}")])
        .stderr(std::fs::File::create(directory.join("log")).unwrap())
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    let ready = Command::new(binaries.join("pg_isready")).arg("-q").arg("-h").arg(&directory).spawn();
    let mut ready = ready.unwrap().wait().unwrap();
    while !ready.success() {
        assert!(Instant::now() < until, "Postgres does not start: see {}", directory.join("log").display());
        ready =
            Command::new(binaries.join("pg_isready")).arg("-q").arg("-h").arg(&directory).status().unwrap();
    }
    (Server { directory, databases: AtomicU32::new(0), pid: child.id() }, child)
}

/// Where `initdb` and `postgres` are: Debian keeps them out of the path.
fn binaries() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|v| v.path().join("bin")).collect();
    found.sort();
    found.reverse();
    found.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    found
        .into_iter()
        .find(|directory| ["initdb", "postgres", "pg_isready"].iter().all(|p| directory.join(p).is_file()))
}

/// The server refuses to run as root: then the numbers of somebody else.
fn ordinary_user() -> Option<(u32, u32)> {
    if !rustix::process::getuid().is_root() {
        return None;
    }
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let of = |user: &str| {
        let line = passwd.lines().find(|l| l.split(':').next() == Some(user))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    Some(USERS.iter().find_map(|u| of(u)).expect("a user for Postgres"))
}

/// Directories of test processes that are gone.
fn remove_abandoned() {
    for entry in std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|n| n.strip_prefix(PREFIX)) else { continue };
        if !Path::new("/proc").join(pid).exists() {
            drop(std::fs::remove_dir_all(entry.path()));
        }
    }
}
