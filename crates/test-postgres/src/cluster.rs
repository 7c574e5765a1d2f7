//! The files of a server, and how it is started.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PREFIX: &str = "plimsoll-postgres-";
/// Debian's user for the server, or whoever may own files when it is absent.
const USERS: [&str; 2] = ["postgres", "nobody"];

/// See the module.
pub(crate) struct Cluster {
    pub(crate) directory: PathBuf,
    binaries: PathBuf,
    user: Option<(u32, u32)>,
    durable: bool,
}

// === impl Cluster ===

impl Cluster {
    pub(crate) fn new(durable: bool) -> Self {
        remove_abandoned();
        let binaries = binaries()
            .expect("Postgres is not installed: apt-get install postgresql, or set PLIMSOLL_SKIP_POSTGRES=1");
        let directory = std::env::temp_dir().join(format!("{PREFIX}{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        let user = ordinary_user();
        if let Some((uid, gid)) = user {
            std::os::unix::fs::chown(&directory, Some(uid), Some(gid)).unwrap();
        }
        let cluster = Self { directory, binaries, user, durable };
        let initdb = cluster
            .program("initdb")
            .args(["-U", "plimsoll", "-A", "trust", "-E", "UTF8", "--no-sync"])
            .output()
            .unwrap();
        assert!(initdb.status.success(), "initdb: {}", String::from_utf8_lossy(&initdb.stderr));
        cluster
    }

    fn program(&self, program: &str) -> Command {
        let mut command = as_user(self.user, &self.binaries.join(program));
        command.arg("-D").arg(self.directory.join("data"));
        command.current_dir(&self.directory).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    pub(crate) fn start(&self) -> Child {
        let sync = if self.durable { "on" } else { "off" };
        let log = self.directory.join("log");
        let log = std::fs::File::options().create(true).append(true).open(log).unwrap();
        self.program("postgres")
            .args([
                "-c",
                "listen_addresses=",
                "-c",
                "max_connections=300",
                "-c",
                "log_line_prefix=%m %p %e ",
                "-k",
            ])
            .arg(&self.directory)
            .args(["-c", &format!("fsync={sync}"), "-c", &format!("synchronous_commit={sync}")])
            .stderr(log)
            .spawn()
            .unwrap()
    }

    pub(crate) fn wait_until_ready(&self) {
        let until = Instant::now() + Duration::from_secs(60);
        let mut ready = Command::new(self.binaries.join("pg_isready"));
        ready.arg("-q").arg("-h").arg(&self.directory);
        while !ready.status().unwrap().success() {
            let log = self.directory.join("log");
            assert!(Instant::now() < until, "Postgres does not start: see {}", log.display());
        }
    }
}

/// A program that runs as somebody else and is told to stop when the thread that started it ends.
pub(crate) fn as_user(user: Option<(u32, u32)>, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if let Some((uid, gid)) = user {
        command.args([format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".into()]);
    }
    command.args(["--pdeathsig", "INT"]).arg(program);
    command
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
pub(crate) fn ordinary_user() -> Option<(u32, u32)> {
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
