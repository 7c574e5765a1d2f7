//! Plimsoll's side of the guard: keeps one running and tells it which process groups are alive.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::guard::READY;
use super::table::Group;

/// Keeps a guard alive as long as the fleet is.
#[derive(Debug)]
pub(crate) struct Keeper {
    command: Vec<OsString>,
    fleet: String,
    state: Mutex<KeeperState>,
    closing: Notify,
}

#[derive(Debug)]
struct KeeperState {
    groups: BTreeMap<i32, Group>,
    link: Option<Link>,
}

/// A running guard. Dropping the pipe is the command to kill everything, so `pidfd` is there to kill the
/// guard itself first when it has to be replaced.
#[derive(Debug)]
struct Link {
    pipe: pipe::Sender,
    pidfd: OwnedFd,
}

/// How long a guard may take to say that it is ready, and to end after the pipe was closed.
const PATIENCE: Duration = Duration::from_secs(15);
/// Pause after a guard could not be started; doubled up to the second figure.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

// === impl Keeper ===

impl Keeper {
    /// Starts the first guard and the task that replaces it when it dies.
    pub(crate) async fn start(
        command: Vec<OsString>,
        fleet: String,
    ) -> io::Result<(Arc<Self>, JoinHandle<()>)> {
        let state = Mutex::new(KeeperState { groups: BTreeMap::new(), link: None });
        let keeper = Arc::new(Self { command, fleet, state, closing: Notify::new() });
        let first = keeper.spawn().await?;
        let task = tokio::spawn(Arc::clone(&keeper).run(first));
        Ok((keeper, task))
    }

    /// From now on the guard ends this group when plimsoll dies.
    pub(crate) fn add(&self, group: Group) {
        let mut state = self.lock();
        state.groups.insert(group.id, group);
        state.tell(&add_line(group));
    }

    /// The group is gone.
    pub(crate) fn remove(&self, group: Group) {
        let mut state = self.lock();
        state.groups.remove(&group.id);
        state.tell(&format!("remove {}\n", group.id));
    }

    /// Lets the guard make its last sweep and waits for its end through the task.
    pub(crate) fn close(&self) {
        self.closing.notify_one();
    }

    async fn run(self: Arc<Self>, mut guard: Child) {
        loop {
            tokio::select! {
                () = self.closing.notified() => {
                    self.lock().link = None;
                    if timeout(PATIENCE, guard.wait()).await.is_err() {
                        tracing::warn!("the guard did not finish its last sweep in time");
                    }
                    return;
                }
                status = guard.wait() => {
                    tracing::warn!(?status, "the guard process ended, starting another");
                    self.lock().link = None;
                }
            }
            guard = tokio::select! {
                () = self.closing.notified() => return,
                next = self.respawn() => next,
            };
        }
    }

    async fn respawn(&self) -> Child {
        let mut pause = RETRY.0;
        loop {
            match self.spawn().await {
                Ok(child) => return child,
                Err(error) => tracing::error!(%error, "cannot start the guard process, trying again"),
            }
            sleep(pause).await;
            pause = (pause * 2).min(RETRY.1);
        }
    }

    /// Starts a guard, waits until it is out of our session, and hands it everything that is registered.
    async fn spawn(&self) -> io::Result<Child> {
        let (program, arguments) =
            self.command.split_first().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let mut child = Command::new(program)
            // `pkill -f plimsoll` reads the command line: the guard is what cleans up after such a call.
            .arg0("fleet-guard")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (Some(stdin), Some(mut stdout), Some(pid)) =
            (child.stdin.take(), child.stdout.take(), child.id())
        else {
            return Err(io::Error::other("the guard has no pipes"));
        };
        let mut pipe = pipe::Sender::from_owned_fd(stdin.into_owned_fd()?)?;
        let greeting = async {
            pipe.write_all(format!("fleet {}\n", self.fleet).as_bytes()).await?;
            let mut answer = [0; READY.len()];
            stdout.read_exact(&mut answer).await?;
            if answer == READY { Ok(()) } else { Err(io::Error::other("it answered something else")) }
        };
        match timeout(PATIENCE, greeting).await {
            Ok(result) => result?,
            Err(_) => {
                let _ = child.start_kill();
                return Err(io::Error::new(io::ErrorKind::TimedOut, "it did not answer"));
            }
        }
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidData)?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
        let mut state = self.lock();
        state.link = Some(Link { pipe, pidfd });
        let known: String = state.groups.values().copied().map(add_line).collect();
        state.tell(&known);
        Ok(child)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, KeeperState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl KeeperState ===

impl KeeperState {
    /// Writes to the guard without ever waiting for it: one that stopped reading is killed, and the task
    /// replaces it. Lines are far shorter than what a pipe takes in one piece.
    fn tell(&mut self, lines: &str) {
        let Some(link) = &self.link else { return };
        if lines.is_empty()
            || link.pipe.try_write(lines.as_bytes()).is_ok_and(|written| written == lines.len())
        {
            return;
        }
        let _ = pidfd_send_signal(&link.pidfd, Signal::KILL);
    }
}

fn add_line(group: Group) -> String {
    format!("add {} {}\n", group.id, group.start_ticks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn guard_that_cannot_start_is_an_error() {
        assert!(Keeper::start(vec!["/no/such/guard".into()], "f".into()).await.is_err());
        // Ends at once without having said that it is ready.
        assert!(Keeper::start(vec!["/proc/self/exe".into(), "--list".into()], "f".into()).await.is_err());
    }
}
