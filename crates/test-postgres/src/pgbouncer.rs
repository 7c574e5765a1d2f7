//! A pgbouncer in front of the server, in transaction mode and with few connections, so that clients get each other's.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use crate::cluster::{as_user, ordinary_user};
use crate::{Server, server};

const PORT: u16 = 6432;
/// Debian keeps it out of an ordinary user's path.
const PLACES: [&str; 2] = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"];

/// A running pgbouncer.
#[derive(Debug)]
pub struct Pgbouncer {
    directory: PathBuf,
    /// What it leads to.
    pub server: &'static Server,
}

static PGBOUNCER: OnceLock<Pgbouncer> = OnceLock::new();

/// The pgbouncer of this process, started on first use, before [`server`]. None only if `PLIMSOLL_SKIP_POSTGRES` is set.
///
/// # Panics
/// When pgbouncer or Postgres is not installed or does not start.
pub fn pgbouncer() -> Option<&'static Pgbouncer> {
    let server = server(false)?;
    Some(PGBOUNCER.get_or_init(|| {
        // As with the server: it ends with the thread that started it.
        let (ready, started) = sync_channel(1);
        std::thread::spawn(move || {
            let directory = prepare(server.directory());
            let program = PLACES.map(Path::new).into_iter().find(|p| p.is_file()).expect(
                "pgbouncer is not installed: apt-get install pgbouncer, or set PLIMSOLL_SKIP_POSTGRES=1",
            );
            let mut child = as_user(ordinary_user(), program)
                .arg("-q")
                .arg(directory.join("pgbouncer.ini"))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(std::fs::File::create(directory.join("log")).unwrap())
                .spawn()
                .unwrap();
            let until = Instant::now() + Duration::from_secs(60);
            while UnixStream::connect(directory.join(format!(".s.PGSQL.{PORT}"))).is_err() {
                assert!(Instant::now() < until, "pgbouncer does not start: see {}", directory.display());
                std::thread::yield_now();
            }
            ready.send(Pgbouncer { directory, server }).unwrap();
            drop(child.wait());
        });
        started.recv().expect("pgbouncer starts")
    }))
}

/// Its configuration. Nothing in it is made easy: no start-up parameter is ignored, no prepared statement tracked.
fn prepare(server: &Path) -> PathBuf {
    let directory = server.join("pgbouncer");
    std::fs::create_dir(&directory).unwrap();
    let users = directory.join("users");
    std::fs::write(&users, "\"plimsoll\" \"\"\n").unwrap();
    let settings = format!(
        "[databases]\n* = host={}\n\n[pgbouncer]\nlisten_port = {PORT}\nunix_socket_dir = {}\nauth_type = trust\n\
         auth_file = {}\npool_mode = transaction\ndefault_pool_size = 3\nmax_client_conn = 1000\n\
         server_idle_timeout = 3\n",
        server.display(),
        directory.display(),
        users.display()
    );
    std::fs::write(directory.join("pgbouncer.ini"), settings).unwrap();
    if let Some((uid, gid)) = ordinary_user() {
        std::os::unix::fs::chown(&directory, Some(uid), Some(gid)).unwrap();
    }
    directory
}

// === impl Pgbouncer ===

impl Pgbouncer {
    /// The address of a database of the server, by way of pgbouncer.
    pub fn url(&self, database: &str) -> String {
        format!("postgres:///{database}?host={}&port={PORT}&user=plimsoll", self.directory.display())
    }
}
