//! The logbook: what a running stack carried, one line a minute in its state directory, for `plimsoll report`.
//!
//! Two segments of at most [`SEGMENT_BYTES`] are kept, some 700 bytes a minute for a small stack: one to two weeks. What was not
//! watched is not in it: each entry says how much of its time was measured.

mod recorder;

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
};

use plimsoll_control::view::SizingView;
use serde::{Deserialize, Serialize};

pub(crate) use recorder::Recorder;

/// Size at which a segment is closed, in bytes.
const SEGMENT_BYTES: u64 = 8 * 1024 * 1024;
const CURRENT: &str = "logbook.jsonl";
const PREVIOUS: &str = "logbook.previous.jsonl";

/// At most a minute of a running stack.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Entry {
    /// Milliseconds since the Unix epoch.
    pub(crate) from_ms: u64,
    /// Milliseconds since the Unix epoch.
    pub(crate) to_ms: u64,
    /// How much of that time was watched.
    pub(crate) measured_ms: u64,
    pub(crate) services: BTreeMap<String, ServiceEntry>,
    pub(crate) queues: BTreeMap<String, QueueEntry>,
}

/// One service in that time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ServiceEntry {
    /// Instances asked for, added up over time.
    pub(crate) desired_ms: u64,
    /// Instances that could serve.
    pub(crate) ready_ms: u64,
    /// Instances that had a process, and so cost something.
    pub(crate) running_ms: u64,
    pub(crate) least_ready: u32,
    pub(crate) most_running: u32,
    /// CPU used by all instances, in thousandths of a core times milliseconds.
    pub(crate) cpu_milli_ms: u64,
    /// Most resident memory of a single instance.
    pub(crate) memory_max_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) edge: Option<EdgeEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shadow: Option<ShadowEntry>,
    /// The latest advice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sizing: Option<SizingView>,
}

/// What the gateway answered for a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct EdgeEntry {
    pub(crate) requests: u64,
    /// Status 500 to 599.
    pub(crate) errors: u64,
    /// Counts by the bounds of the gateway's histogram, and one for all beyond; empty when nothing was answered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) durations: Vec<u64>,
}

/// The second policy beside the live one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ShadowEntry {
    pub(crate) compared_ms: u64,
    /// Time in which they wanted different numbers.
    pub(crate) differed_ms: u64,
    /// Instances that each wanted, added up over time.
    pub(crate) live_ms: u64,
    pub(crate) shadow_ms: u64,
    /// Most that the shadow wanted beyond the live policy, and below it.
    pub(crate) most_above: u32,
    pub(crate) most_below: u32,
}

/// One queue in that time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct QueueEntry {
    pub(crate) enqueued: u64,
    pub(crate) completed: u64,
    pub(crate) failed_attempts: u64,
    pub(crate) leases_lost: u64,
    pub(crate) died: u64,
    /// Dead letters at the end.
    pub(crate) dead: u64,
    pub(crate) most_ready: u64,
    /// Longest wait of an oldest job.
    pub(crate) oldest_s: f64,
}

/// The logbook, open for writing.
#[derive(Debug)]
pub(crate) struct Writer {
    directory: PathBuf,
    segment_bytes: u64,
}

// === impl Writer ===

impl Writer {
    pub(crate) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), segment_bytes: SEGMENT_BYTES }
    }

    /// Adds an entry. Opened anew each time: once a minute is rare, and nobody holds a file that was moved away.
    pub(crate) fn append(&self, entry: &Entry) -> io::Result<()> {
        let path = self.directory.join(CURRENT);
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        let length = std::fs::metadata(&path).map_or(0, |file| file.len());
        if length > 0 && length + line.len() as u64 > self.segment_bytes {
            std::fs::rename(&path, self.directory.join(PREVIOUS))?;
        }
        // One write: a crash leaves a line or a part of one, which the reader leaves out.
        OpenOptions::new().create(true).append(true).open(&path)?.write_all(&line)
    }
}

/// Entries that end after `since_ms`, oldest first, and how many lines could not be read. Absent files are an empty logbook.
///
/// # Errors
/// When a file is there and cannot be read.
pub(crate) fn read(directory: &Path, since_ms: u64) -> io::Result<(Vec<Entry>, usize)> {
    let mut entries = Vec::new();
    let mut damaged = 0;
    for name in [PREVIOUS, CURRENT] {
        let file = match File::open(directory.join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for line in BufReader::new(file).split(b'\n') {
            let line = line?;
            if line.is_empty() {
                continue;
            }
            match serde_json::from_slice::<Entry>(&line) {
                Ok(entry) if entry.from_ms >= since_ms => entries.push(entry),
                Ok(_) => {}
                Err(_) => damaged += 1,
            }
        }
    }
    Ok((entries, damaged))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(minute: u64) -> Entry {
        Entry {
            from_ms: minute * 60_000,
            to_ms: (minute + 1) * 60_000,
            measured_ms: 60_000,
            ..Entry::default()
        }
    }

    #[test]
    fn entries_come_back_and_a_line_cut_short_is_counted() {
        let directory = tempfile::tempdir().unwrap();
        let writer = Writer::new(directory.path());
        for minute in 0..3 {
            writer.append(&entry(minute)).unwrap();
        }
        let path = directory.path().join(CURRENT);
        let mut text = std::fs::read(&path).unwrap();
        text.truncate(text.len() - 9);
        text.push(b'\n');
        std::fs::write(&path, text).unwrap();
        let (entries, damaged) = read(directory.path(), 60_000).unwrap();
        assert_eq!((entries, damaged), (vec![entry(1)], 1));
        let nowhere = directory.path().join("nowhere");
        assert_eq!(read(&nowhere, 0).unwrap(), (Vec::new(), 0));
    }

    #[test]
    fn size_on_disk_is_bounded_by_two_segments() {
        let directory = tempfile::tempdir().unwrap();
        let writer = Writer { segment_bytes: 1_000, ..Writer::new(directory.path()) };
        for minute in 0..100 {
            writer.append(&entry(minute)).unwrap();
        }
        let files = std::fs::read_dir(directory.path()).unwrap();
        let bytes: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
        assert!(bytes <= 2_000, "{bytes}");
        let (entries, _) = read(directory.path(), 0).unwrap();
        assert_eq!(entries.last(), Some(&entry(99)));
    }
}
