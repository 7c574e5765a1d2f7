//! One running instance process: started through the exec step, in a group of its own, registered with the
//! guard before its program runs, and ended with everything it started.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{sleep, timeout, timeout_at};

use super::cgroup::{MemoryGroup, MemoryGroups};
use super::command::{CommandError, resolve};
use super::exec::{GO, UNLIMITED};
use super::keeper::Keeper;
use super::marker::Marker;
use super::sweep::Target;
use super::table::Group;
use crate::MemoryEnforcement;

/// Everything needed to start a process.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) exec_command: Vec<OsString>,
    pub(crate) command: Vec<String>,
    pub(crate) directory: Option<PathBuf>,
    /// The whole environment; the marker is added.
    pub(crate) environment: BTreeMap<OsString, OsString>,
    pub(crate) marker: Marker,
    pub(crate) memory_limit_bytes: Option<u64>,
}

/// Why a process could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error("cannot start a process: {0}")]
    Spawn(#[from] io::Error),
    #[error("cannot use a memory cgroup: {0}")]
    Cgroup(io::Error),
    #[error("cannot run `{program}`: {message}")]
    Exec { program: String, message: String },
}

/// A started process. Dropping it kills its group.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pid: Pid,
    group: Group,
    marker: Marker,
    keeper: Arc<Keeper>,
    memory: Option<Arc<MemoryGroup>>,
    enforcement: MemoryEnforcement,
    ended: bool,
}

/// Its two streams.
pub(crate) struct Output {
    pub(crate) stdout: pipe::Receiver,
    pub(crate) stderr: pipe::Receiver,
}

/// How it ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    pub(crate) status: Option<ExitStatus>,
    /// The kernel killed something of it for its memory.
    pub(crate) over_limit: bool,
    /// Processes that could not be killed.
    pub(crate) left: usize,
}

/// How long the exec step may take: it does next to nothing, but on a busy machine it has to get its turn.
const EXEC_PATIENCE: Duration = Duration::from_secs(30);
/// How long to try to kill.
const KILL_PATIENCE: Duration = Duration::from_secs(10);
/// Pause between looks at what is left of a group whose leader has ended.
const GROUP_PERIOD: Duration = Duration::from_millis(50);
/// Longest message that is read from the exec step.
const MESSAGE_BYTES: u64 = 4096;

// === impl Process ===

impl Process {
    /// Starts it; returns when the program itself runs.
    ///
    /// A memory cgroup that cannot be made or entered is no reason not to start: the weaker limit takes its
    /// place.
    pub(crate) async fn start(
        plan: Plan,
        keeper: &Arc<Keeper>,
        groups: Option<&MemoryGroups>,
    ) -> Result<(Self, Output), StartError> {
        let path = plan.environment.get::<OsString>(&"PATH".into()).map(OsString::as_os_str);
        let program = resolve(&plan.command, plan.directory.as_deref(), path)?;
        if let Some((limit, groups)) = plan.memory_limit_bytes.zip(groups) {
            match Self::start_in_group(&plan, &program, keeper, groups, limit).await {
                Err(StartError::Cgroup(error)) => {
                    tracing::warn!(%error, "no memory cgroup, falling back to a limit per process");
                }
                result => return result,
            }
        }
        let (mut process, exec_step, output) = Self::fork(&plan, &program, keeper).await?;
        if plan.memory_limit_bytes.is_some() {
            process.enforcement = MemoryEnforcement::Rlimit;
        }
        process.go(exec_step, &program, plan.memory_limit_bytes).await?;
        Ok((process, output))
    }

    async fn start_in_group(
        plan: &Plan,
        program: &Path,
        keeper: &Arc<Keeper>,
        groups: &MemoryGroups,
        limit_bytes: u64,
    ) -> Result<(Self, Output), StartError> {
        let name = plan.marker.instance.as_deref().unwrap_or("instance");
        let memory = groups.create(name, limit_bytes).map_err(StartError::Cgroup)?;
        let (mut process, exec_step, output) = Self::fork(plan, program, keeper).await?;
        if let Err(error) = memory.add(process.group.id) {
            process.end().await;
            return Err(StartError::Cgroup(error));
        }
        process.memory = Some(Arc::new(memory));
        process.enforcement = MemoryEnforcement::Cgroup;
        process.go(exec_step, program, None).await?;
        Ok((process, output))
    }

    /// Starts the exec step, which then waits for [`Process::go`].
    async fn fork(
        plan: &Plan,
        program: &Path,
        keeper: &Arc<Keeper>,
    ) -> Result<(Self, UnixStream, Output), StartError> {
        let (ours, theirs) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let ours = UnixStream::from_std(ours)?;
        let (exec, exec_arguments) = plan
            .exec_command
            .split_first()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no exec step is configured"))?;
        let mut command = Command::new(exec);
        command.args(exec_arguments).arg(program).args(&plan.command);
        command.env_clear().envs(&plan.environment);
        if let Some(directory) = &plan.directory {
            command.current_dir(directory);
        }
        command.stdin(OwnedFd::from(theirs)).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        // `command` goes with the closure: as long as it lives it holds the other end of the socket.
        let spawned = tokio::task::spawn_blocking(move || command.spawn()).await.map_err(io::Error::other)?;
        let (process, output) = Self::adopt(spawned?, plan.marker.clone(), keeper)?;
        Ok((process, ours, output))
    }

    /// Lets the exec step become the program; on failure nothing is left of it.
    async fn go(
        &mut self,
        exec_step: UnixStream,
        program: &Path,
        data_limit_bytes: Option<u64>,
    ) -> Result<(), StartError> {
        let message = match timeout(EXEC_PATIENCE, converse(exec_step, data_limit_bytes)).await {
            Ok(Ok(message)) if message.is_empty() => return Ok(()),
            Ok(Ok(message)) => message,
            Ok(Err(error)) => format!("the exec step ended early: {error}"),
            Err(_) => "the exec step did not answer".to_owned(),
        };
        self.end().await;
        Err(StartError::Exec { program: program.display().to_string(), message })
    }

    fn adopt(mut child: Child, marker: Marker, keeper: &Arc<Keeper>) -> io::Result<(Self, Output)> {
        let leader = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let parts = leader.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData)).and_then(|pid| {
            let group = Group::led_by(pid.as_raw_nonzero().get())
                .ok_or_else(|| io::Error::other("/proc is not readable"))?;
            let stream = |fd: Option<OwnedFd>| {
                pipe::Receiver::from_owned_fd(fd.ok_or_else(|| io::Error::other("an output is missing"))?)
            };
            let stdout = stream(child.stdout.take().map(OwnedFd::from))?;
            let stderr = stream(child.stderr.take().map(OwnedFd::from))?;
            Ok((pid, group, Output { stdout, stderr }))
        });
        let (pid, group, output) = match parts {
            Ok(parts) => parts,
            Err(error) => {
                // It waits for our word in the exec step, so this is certain to end it.
                let _ = child.kill();
                let _ = child.wait();
                return Err(error);
            }
        };
        keeper.add(group);
        let keeper = Arc::clone(keeper);
        let enforcement = MemoryEnforcement::None;
        Ok((Self { child, pid, group, marker, keeper, memory: None, enforcement, ended: false }, output))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn group(&self) -> Group {
        self.group
    }

    pub(crate) fn enforcement(&self) -> MemoryEnforcement {
        self.enforcement
    }

    /// Waits until the leader has ended. It stays a zombie, so its pid and its group's number remain taken
    /// until [`Process::end`]: no signal of ours can hit a stranger.
    pub(crate) async fn exited(&self) {
        // Listening begins before the look, so that no death falls in between. One signal may stand for
        // several children: everybody looks after their own.
        let Ok(mut deaths) = signal(SignalKind::child()) else { return };
        while !self.has_exited() && deaths.recv().await.is_some() {}
    }

    fn has_exited(&self) -> bool {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        // An error means that there is no such child (anymore).
        !matches!(waitid(WaitId::Pid(self.pid), look), Ok(None))
    }

    /// Sends SIGTERM to the whole group and to those of the instance that have left it, waits for the end of
    /// all at most `patience`, then ends what is left.
    pub(crate) async fn stop(&mut self, patience: Duration) -> End {
        let deadline = tokio::time::Instant::now() + patience;
        // The group exists as long as its leader has not been waited for.
        let _ = kill_process_group(self.pid, Signal::TERM);
        let (target, group) = (self.target(), self.group);
        let _ = tokio::task::spawn_blocking(move || target.terminate_outside(group)).await;
        let whole_group = async {
            self.exited().await;
            while !self.is_empty().await {
                sleep(GROUP_PERIOD).await;
            }
        };
        let _ = timeout_at(deadline, whole_group).await;
        self.end().await
    }

    /// Has everything of the instance ended?
    async fn is_empty(&self) -> bool {
        let target = self.target();
        tokio::task::spawn_blocking(move || target.find().is_empty()).await.unwrap_or(true)
    }

    /// Kills whatever is left of the instance and collects the leader's status.
    pub(crate) async fn end(&mut self) -> End {
        let target = self.target();
        let deadline = Instant::now() + KILL_PATIENCE;
        let left = tokio::task::spawn_blocking(move || target.kill_all(deadline).left).await.unwrap_or(0);
        let status = match timeout(KILL_PATIENCE, self.exited()).await {
            Ok(()) => self.child.wait().ok(),
            Err(_) => None,
        };
        self.ended = true;
        self.keeper.remove(self.group);
        let over_limit = self.memory.as_ref().is_some_and(|memory| memory.has_killed());
        End { status, over_limit, left }
    }

    /// What the kernel counts for its cgroup, when it has one.
    pub(crate) fn memory_group(&self) -> Option<Arc<MemoryGroup>> {
        self.memory.clone()
    }

    fn target(&self) -> Target {
        Target { markers: vec![self.marker.clone()], groups: vec![self.group] }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.ended {
            // Only when the runtime is torn down under us; the guard does the rest when the pipe closes.
            let _ = kill_process_group(self.pid, Signal::KILL);
        }
    }
}

/// Tells the exec step to go on and returns its complaint; an empty one means that it became the program.
async fn converse(mut exec_step: UnixStream, data_limit_bytes: Option<u64>) -> io::Result<String> {
    let limit = data_limit_bytes.map_or_else(|| UNLIMITED.to_owned(), |bytes| bytes.to_string());
    exec_step.write_all(format!("{limit}{GO}").as_bytes()).await?;
    let mut message = Vec::new();
    exec_step.take(MESSAGE_BYTES).read_to_end(&mut message).await?;
    Ok(String::from_utf8_lossy(&message).into_owned())
}
