//! Waking the workers of other processes at once: a doorbell file beside the database.
//!
//! SQLite tells nobody about a commit. Polling often costs processor time in every idle worker; polling rarely
//! costs latency. So the process that has committed new work writes one byte into `<database>-bell`, without any
//! sync, and workers let the kernel tell them (inotify). The bell carries no data and may be lost, deleted or
//! absent (other kernels, network file systems, no inotify instance left): then the next poll finds the work.

use std::fs::File;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The ringing end.
#[derive(Debug, Clone)]
pub(crate) struct Bell {
    file: Arc<File>,
    path: PathBuf,
}

/// The listening end; ends with the value.
#[derive(Debug)]
pub(crate) struct Listening(JoinHandle<()>);

// === impl Bell ===

impl Bell {
    pub(super) fn beside(database: &Path) -> std::io::Result<Self> {
        let mut path = database.as_os_str().to_owned();
        path.push("-bell");
        let path = PathBuf::from(path);
        let file = File::options().create(true).truncate(false).write(true).mode(0o600).open(&path)?;
        Ok(Self { file: Arc::new(file), path })
    }

    /// Wakes the listeners of all processes.
    pub(crate) fn ring(&self) {
        if let Err(e) = self.file.write_at(b"!", 0) {
            tracing::debug!(error = %e, "doorbell not rung, workers will poll");
        }
    }

    /// Counts `rung` up for every ring, by any process, until the returned value is dropped.
    /// None when the kernel cannot tell.
    pub(crate) fn listen(&self, rung: watch::Sender<u64>) -> Option<Listening> {
        match kernel::watch(&self.path) {
            Ok(mut events) => Some(Listening::to(async move {
                while let Ok(()) = events.next().await {
                    rung.send_modify(|n| *n = n.wrapping_add(1));
                }
            })),
            Err(e) => {
                tracing::info!(error = %e, "no doorbell, workers will poll");
                None
            }
        }
    }
}

// === impl Listening ===

impl Listening {
    pub(crate) fn to(bell: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(bell))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(target_os = "linux")]
mod kernel {
    use std::io;
    use std::os::fd::OwnedFd;
    use std::path::Path;

    use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
    use tokio::io::unix::AsyncFd;

    pub(super) struct Events(AsyncFd<OwnedFd>);

    #[expect(
        deprecated,
        reason = "its successor is unsafe, which this workspace forbids; an OwnedFd that nothing else touches \
                  keeps the promise that the successor asks for"
    )]
    pub(super) fn watch(path: &Path) -> io::Result<Events> {
        let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        inotify::add_watch(&fd, path, WatchFlags::MODIFY)?;
        Ok(Events(AsyncFd::new(fd)?))
    }

    impl Events {
        /// Waits for at least one event and takes all that are there.
        pub(super) async fn next(&mut self) -> io::Result<()> {
            let mut buffer = [0; 1024];
            loop {
                let mut guard = self.0.readable().await?;
                match guard.try_io(|fd| Ok(rustix::io::read(fd, &mut buffer)?)) {
                    Ok(read) => return read.map(drop),
                    Err(_would_block) => {}
                }
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod kernel {
    use std::io;
    use std::path::Path;

    pub(super) struct Events;

    pub(super) fn watch(_: &Path) -> io::Result<Events> {
        Err(io::ErrorKind::Unsupported.into())
    }

    impl Events {
        pub(super) async fn next(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }
}
