//! Output of an instance: cut into lines, the latest kept in memory, all of it appended to a bounded file.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

use crate::{InstanceId, LogLimits, LogLine, LogSink, Stream};

/// Everything one instance has written, over all its restarts.
pub(crate) struct InstanceLog {
    id: InstanceId,
    limits: LogLimits,
    sink: Option<LogSink>,
    inner: Mutex<Inner>,
}

struct Inner {
    ring: VecDeque<String>,
    file: RotatedFile,
}

/// A file that is moved to `<name>.1` when it is full, so that at most twice its bound is on the disk.
#[derive(Debug)]
struct RotatedFile {
    path: PathBuf,
    bound_bytes: u64,
    open: Option<(File, u64)>,
    /// A failure was reported already; one message is enough for a full disk.
    failed: bool,
}

/// Cuts a stream of bytes into lines of bounded length.
#[derive(Debug)]
pub(crate) struct LineCutter {
    line_bytes: usize,
    partial: Vec<u8>,
    dropped_bytes: usize,
}

/// Bytes read from a stream at once.
const CHUNK_BYTES: usize = 16 << 10;

// === impl InstanceLog ===

impl InstanceLog {
    pub(crate) fn new(
        directory: &Path,
        id: InstanceId,
        limits: LogLimits,
        sink: Option<LogSink>,
    ) -> Arc<Self> {
        let file = RotatedFile {
            path: directory.join(format!("{id}.log")),
            bound_bytes: limits.file_bytes,
            open: None,
            failed: false,
        };
        let inner = Mutex::new(Inner { ring: VecDeque::new(), file });
        Arc::new(Self { id, limits, sink, inner })
    }

    /// The latest `count` lines, oldest first.
    pub(crate) fn tail(&self, count: usize) -> Vec<String> {
        let inner = self.lock();
        inner.ring.iter().skip(inner.ring.len().saturating_sub(count)).cloned().collect()
    }

    /// Reads a stream to its end. While the disk or the sink is slow nothing is read: the instance waits in
    /// its own write, and no memory fills up here.
    pub(crate) async fn capture(self: Arc<Self>, mut pipe: pipe::Receiver, stream: Stream) {
        let mut cutter = LineCutter::new(self.limits.line_bytes);
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let read = pipe.read(&mut chunk).await.unwrap_or(0);
            let lines = if read == 0 { cutter.finish() } else { cutter.push(&chunk[..read]) };
            if !lines.is_empty() {
                let log = Arc::clone(&self);
                // A sink that panics loses its lines; the instance must not lose its output for that.
                let _ = tokio::task::spawn_blocking(move || log.append(stream, lines)).await;
            }
            if read == 0 {
                return;
            }
        }
    }

    fn append(&self, stream: Stream, lines: Vec<String>) {
        if let Some(sink) = &self.sink {
            for text in &lines {
                sink(&LogLine { instance: &self.id, stream, text });
            }
        }
        let mut inner = self.lock();
        let mut text = String::new();
        for line in &lines {
            text.push_str(line);
            text.push('\n');
        }
        inner.file.append(text.as_bytes());
        inner.ring.extend(lines);
        let excess = inner.ring.len().saturating_sub(self.limits.ring_lines);
        inner.ring.drain(..excess);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl RotatedFile ===

impl RotatedFile {
    fn append(&mut self, text: &[u8]) {
        match self.try_append(text) {
            Ok(()) => self.failed = false,
            Err(error) if !self.failed => {
                tracing::warn!(%error, file = %self.path.display(), "cannot write the instance's log");
                self.failed = true;
            }
            Err(_) => {}
        }
    }

    fn try_append(&mut self, text: &[u8]) -> io::Result<()> {
        let (mut file, written) = match self.open.take() {
            Some(open) => open,
            None => self.reopen()?,
        };
        let size = text.len() as u64;
        let (mut file, written) = if written > 0 && written + size > self.bound_bytes {
            drop(file);
            let mut old = self.path.clone().into_os_string();
            old.push(".1");
            fs::rename(&self.path, old)?;
            self.reopen()?
        } else {
            file.flush()?;
            (file, written)
        };
        file.write_all(text)?;
        self.open = Some((file, written + size));
        Ok(())
    }

    fn reopen(&self) -> io::Result<(File, u64)> {
        let file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        let size = file.metadata()?.len();
        Ok((file, size))
    }
}

// === impl LineCutter ===

impl LineCutter {
    pub(crate) fn new(line_bytes: usize) -> Self {
        Self { line_bytes, partial: Vec::new(), dropped_bytes: 0 }
    }

    /// Takes the next bytes and returns the lines that are complete now.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.extend(&bytes[..end]);
            lines.push(self.take());
            bytes = &bytes[end + 1..];
        }
        self.extend(bytes);
        lines
    }

    /// The stream has ended: what is left is a line as well.
    pub(crate) fn finish(&mut self) -> Vec<String> {
        if self.partial.is_empty() && self.dropped_bytes == 0 { Vec::new() } else { vec![self.take()] }
    }

    fn extend(&mut self, bytes: &[u8]) {
        let kept = bytes.len().min(self.line_bytes - self.partial.len());
        self.partial.extend_from_slice(&bytes[..kept]);
        self.dropped_bytes += bytes.len() - kept;
    }

    fn take(&mut self) -> String {
        let bytes = std::mem::take(&mut self.partial);
        let dropped = std::mem::take(&mut self.dropped_bytes);
        let text = String::from_utf8_lossy(bytes.strip_suffix(b"\r").unwrap_or(&bytes));
        if dropped == 0 { text.into_owned() } else { format!("{text} … ({dropped} bytes more)") }
    }
}

/// Deletes the log files of all but the newest `keep` instances, those in `live` in any case.
pub(crate) fn prune(directory: &Path, keep: usize, live: &[InstanceId]) {
    let mut files: Vec<(std::time::SystemTime, InstanceId)> = instances_with_logs(directory)
        .filter_map(|(id, path)| Some((fs::metadata(path).ok()?.modified().ok()?, id)))
        .filter(|(_, id)| !live.contains(id))
        .collect();
    files.sort_by(|left, right| right.cmp(left));
    for (_, id) in files.iter().skip(keep.saturating_sub(live.len())) {
        let _ = fs::remove_file(directory.join(format!("{id}.log")));
        let _ = fs::remove_file(directory.join(format!("{id}.log.1")));
    }
}

/// Instances that left a log file.
pub(crate) fn instances_with_logs(directory: &Path) -> impl Iterator<Item = (InstanceId, PathBuf)> {
    fs::read_dir(directory).into_iter().flatten().filter_map(|entry| {
        let path = entry.ok()?.path();
        let name = path.file_name()?.to_str()?.strip_suffix(".log")?;
        Some((InstanceId::parse(name)?, path))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_wherever_the_chunks_end() {
        let mut cutter = LineCutter::new(100);
        assert_eq!(cutter.push(b"one\ntw"), ["one"]);
        assert_eq!(cutter.push(b"o\r\n\nthr"), ["two", ""]);
        assert_eq!(cutter.push(b"ee"), Vec::<String>::new());
        assert_eq!(cutter.finish(), ["three"]);
        assert_eq!(cutter.finish(), Vec::<String>::new());
    }

    #[test]
    fn long_line_is_cut_and_its_rest_counted() {
        let mut cutter = LineCutter::new(4);
        assert_eq!(cutter.push(b"abcdefgh"), Vec::<String>::new());
        assert_eq!(cutter.push(b"ij\nok\n"), ["abcd … (6 bytes more)", "ok"]);
        assert_eq!(cutter.partial.capacity(), 0);
        assert_eq!(cutter.push(b"\xff\xfe\n"), ["\u{fffd}\u{fffd}"]);
    }

    #[test]
    fn file_and_ring_stay_bounded() {
        let directory = tempfile::tempdir().expect("a directory");
        let limits = LogLimits { line_bytes: 64, ring_lines: 3, file_bytes: 100, kept_instances: 10 };
        let log = InstanceLog::new(directory.path(), InstanceId::new("api", 1), limits, None);
        for number in 0..100 {
            log.append(Stream::Stdout, vec![format!("line {number:04}")]);
        }
        assert_eq!(log.tail(10), ["line 0097", "line 0098", "line 0099"]);
        assert_eq!(log.tail(1), ["line 0099"]);
        let current = fs::read_to_string(directory.path().join("api-1.log")).expect("a log");
        let old = fs::read_to_string(directory.path().join("api-1.log.1")).expect("an older log");
        assert!(current.len() <= 100 && old.len() <= 100);
        assert!(format!("{old}{current}").ends_with("line 0098\nline 0099\n"));
    }

    #[test]
    fn logs_of_the_oldest_instances_are_deleted() {
        let directory = tempfile::tempdir().expect("a directory");
        for number in 1..=5 {
            let path = directory.path().join(format!("api-{number}.log"));
            fs::write(&path, "x").expect("written");
            fs::write(directory.path().join(format!("api-{number}.log.1")), "x").expect("written");
            let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(number);
            File::options()
                .append(true)
                .open(&path)
                .and_then(|file| file.set_modified(time))
                .expect("time set");
        }
        fs::write(directory.path().join("notes.txt"), "x").expect("written");
        prune(directory.path(), 3, &[InstanceId::new("api", 1)]);
        let mut left: Vec<String> = fs::read_dir(directory.path())
            .expect("readable")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        left.sort();
        assert_eq!(
            left,
            ["api-1.log", "api-1.log.1", "api-4.log", "api-4.log.1", "api-5.log", "api-5.log.1", "notes.txt"]
        );
    }
}
