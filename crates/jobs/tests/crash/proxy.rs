//! Stands between processes and Postgres, and breaks what passes through it.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

const SOCKET: &str = ".s.PGSQL.5432";
const BUFFER: usize = 16 * 1024;

/// Ends with the value, and every connection with it.
pub(crate) struct Proxy {
    pub(crate) directory: tempfile::TempDir,
    open: Arc<Mutex<Vec<AbortHandle>>>,
    pipes: Arc<Pipes>,
    _accepting: JoinSet<()>,
}

/// How the connections are, all of them.
struct Pipes {
    /// Nothing passes.
    blocked: watch::Sender<bool>,
    /// The next answer of the server gets lost, and its connection with it.
    deaf: AtomicBool,
}

// === impl Proxy ===

impl Proxy {
    pub(crate) fn to(server: PathBuf) -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        let listener = UnixListener::bind(directory.path().join(SOCKET))?;
        let pipes = Arc::new(Pipes { blocked: watch::Sender::new(false), deaf: AtomicBool::new(false) });
        let open: Arc<Mutex<Vec<AbortHandle>>> = Arc::default();
        let (through, known) = (Arc::clone(&pipes), Arc::clone(&open));
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                let (pipes, server) = (Arc::clone(&through), server.join(SOCKET));
                let handle = connections.spawn(async move {
                    if let Ok(server) = UnixStream::connect(server).await {
                        pipes.pass(client, server).await;
                    }
                });
                let mut known = known.lock().unwrap();
                known.retain(|c| !c.is_finished());
                known.push(handle);
            }
        });
        Ok(Self { directory, open, pipes, _accepting: accepting })
    }

    /// Cuts one connection, whatever it is doing.
    pub(crate) fn cut(&self, which: usize) {
        let mut open = self.open.lock().unwrap();
        open.retain(|c| !c.is_finished());
        if !open.is_empty() {
            let which = which % open.len();
            open[which].abort();
        }
    }

    /// Cuts the next connection on which the server answers, before the answer: its client cannot know whether what it
    /// asked for was done.
    pub(crate) fn lose_an_answer(&self) {
        self.pipes.deaf.store(true, Ordering::SeqCst);
    }

    /// Lets nothing pass until called again with false.
    pub(crate) fn block(&self, blocked: bool) {
        self.pipes.blocked.send_replace(blocked);
    }
}

// === impl Pipes ===

impl Pipes {
    async fn pass(&self, client: UnixStream, server: UnixStream) {
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        // Both ends are closed as soon as one is.
        tokio::select! {
            _ = self.copy(from_client, to_server, false) => {}
            _ = self.copy(from_server, to_client, true) => {}
        }
    }

    async fn copy(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, answers: bool) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER];
        loop {
            let n = from.read(&mut buffer).await?;
            if n == 0 || (answers && self.deaf.swap(false, Ordering::SeqCst)) {
                return Ok(());
            }
            let mut blocked = self.blocked.subscribe();
            drop(blocked.wait_for(|blocked| !blocked).await);
            to.write_all(&buffer[..n]).await?;
        }
    }
}
