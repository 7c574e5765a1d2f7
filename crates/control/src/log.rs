//! The decision log: JSON lines in the state directory, bounded, readable by people and by `plimsoll why`.
//!
//! Two segments of at most [`SEGMENT_BYTES`] each are kept: when the current one is full it becomes the previous one. All
//! records of both are held in memory too, so that a question never waits for the disk. A last line that was cut short by a
//! crash is left out on reading; a line damaged anywhere else is counted and reported, never a reason not to start.

use std::{
    collections::VecDeque,
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
};

use crate::record::{Draft, Record};

/// Size at which a segment is closed, in bytes.
pub const SEGMENT_BYTES: u64 = 8 * 1024 * 1024;
/// Records held in memory at the most.
pub const MEMORY_RECORDS: usize = 5_000;

/// The log, open for appending.
#[derive(Debug)]
pub struct DecisionLog {
    directory: PathBuf,
    file: File,
    written_bytes: u64,
    segment_bytes: u64,
    records: VecDeque<Record>,
    next_id: u64,
    damaged_lines: usize,
}

// === impl DecisionLog ===

impl DecisionLog {
    /// Opens or creates the log in `directory`.
    ///
    /// # Errors
    /// When the directory or its files cannot be read or written.
    pub fn open(directory: &Path) -> io::Result<Self> {
        Self::open_with(directory, SEGMENT_BYTES)
    }

    fn open_with(directory: &Path, segment_bytes: u64) -> io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let mut records = VecDeque::new();
        let mut damaged_lines = 0;
        for name in [PREVIOUS, CURRENT] {
            damaged_lines += read_segment(&directory.join(name), |record| {
                let in_order = records.back().is_none_or(|last: &Record| last.id < record.id);
                if in_order {
                    records.push_back(record);
                    if records.len() > MEMORY_RECORDS {
                        records.pop_front();
                    }
                }
                in_order
            })?;
        }
        let path = directory.join(CURRENT);
        let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
        if !ends_with_newline(&path)? {
            file.write_all(b"\n")?;
        }
        let written_bytes = file.metadata()?.len();
        let next_id = records.back().map_or(1, |last| last.id + 1);
        Ok(Self {
            directory: directory.to_owned(),
            file,
            written_bytes,
            segment_bytes,
            records,
            next_id,
            damaged_lines,
        })
    }

    /// Gives `draft` an id, writes it and returns the record.
    ///
    /// The record is kept in memory even when the disk refuses it: a full disk must not stop the controller.
    pub fn append(&mut self, draft: Draft, at_ms: u64) -> (Record, io::Result<()>) {
        let Draft { kind, service, from, to, summary, detail } = draft;
        let record = Record { id: self.next_id, at_ms, kind, service, from, to, summary, detail };
        self.next_id += 1;
        self.records.push_back(record.clone());
        if self.records.len() > MEMORY_RECORDS {
            self.records.pop_front();
        }
        let outcome = self.write(&record);
        (record, outcome)
    }

    /// The record with this id, if it is still kept.
    pub fn get(&self, id: u64) -> Option<&Record> {
        // Ids are dense except where a line was damaged, so a binary search finds it.
        let position = self.records.binary_search_by_key(&id, |record| record.id).ok()?;
        self.records.get(position)
    }

    /// Records, newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = &Record> {
        self.records.iter().rev()
    }

    /// Lines that could not be read when the log was opened.
    pub fn damaged_lines(&self) -> usize {
        self.damaged_lines
    }

    fn write(&mut self, record: &Record) -> io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        if self.written_bytes + line.len() as u64 > self.segment_bytes && self.written_bytes > 0 {
            let current = self.directory.join(CURRENT);
            std::fs::rename(&current, self.directory.join(PREVIOUS))?;
            self.file = OpenOptions::new().create(true).append(true).open(&current)?;
            self.written_bytes = 0;
        }
        self.file.write_all(&line)?;
        self.written_bytes += line.len() as u64;
        Ok(())
    }
}

/// What the log in `directory` tells, oldest first, and how many of its lines are damaged. Nothing is written, so the stack
/// may be running; a log that does not exist is empty.
///
/// # Errors
/// When a file is there and cannot be read.
pub fn read(directory: &Path) -> io::Result<(Vec<Record>, usize)> {
    let mut records = Vec::new();
    let mut damaged = 0;
    for name in [PREVIOUS, CURRENT] {
        damaged += read_segment(&directory.join(name), |record| {
            let in_order = records.last().is_none_or(|last: &Record| last.id < record.id);
            if in_order {
                records.push(record);
            }
            in_order
        })?;
    }
    Ok((records, damaged))
}

const CURRENT: &str = "decisions.jsonl";
const PREVIOUS: &str = "decisions.previous.jsonl";

/// Hands the readable records of a segment to `take`, which answers whether it did; returns how many lines were of no use.
fn read_segment(path: &Path, mut take: impl FnMut(Record) -> bool) -> io::Result<usize> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut damaged = 0;
    for line in BufReader::new(file).split(b'\n') {
        let line = line?;
        if line.is_empty() {
            continue;
        }
        let taken = serde_json::from_slice::<Record>(&line).is_ok_and(&mut take);
        damaged += usize::from(!taken);
    }
    Ok(damaged)
}

fn ends_with_newline(path: &Path) -> io::Result<bool> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = File::open(path)?;
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Kind;

    fn draft(summary: &str) -> Draft {
        Draft::event(Kind::Scale, "worker", summary).replicas(1, 2)
    }

    #[test]
    fn ids_go_on_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = DecisionLog::open(directory.path()).unwrap();
        assert_eq!(log.append(draft("first"), 10).0.id, 1);
        drop(log);
        let mut log = DecisionLog::open(directory.path()).unwrap();
        assert_eq!(log.append(draft("second"), 20).0.id, 2);
        assert_eq!(log.get(1).unwrap().summary, "first");
    }

    #[test]
    fn a_line_cut_short_by_a_crash_is_left_out_and_does_not_swallow_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = DecisionLog::open(directory.path()).unwrap();
        let _ = log.append(draft("whole"), 10);
        drop(log);
        let path = directory.path().join(CURRENT);
        let mut text = std::fs::read(&path).unwrap();
        text.extend_from_slice(br#"{"id":2,"at_ms":1"#);
        std::fs::write(&path, text).unwrap();

        let mut log = DecisionLog::open(directory.path()).unwrap();
        assert_eq!(log.damaged_lines(), 1);
        let (record, written) = log.append(draft("after"), 20);
        written.unwrap();
        drop(log);
        let log = DecisionLog::open(directory.path()).unwrap();
        assert_eq!(log.get(record.id).unwrap().summary, "after");
    }

    #[test]
    fn size_on_disk_is_bounded_by_two_segments() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = DecisionLog::open_with(directory.path(), 2_000).unwrap();
        for _ in 0..200 {
            log.append(draft(&"x".repeat(100)), 10).1.unwrap();
        }
        let total: u64 = std::fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .sum();
        assert!(total <= 4_000, "{total}");
        drop(log);
        let log = DecisionLog::open_with(directory.path(), 2_000).unwrap();
        assert_eq!(log.newest_first().next().unwrap().id, 200);
    }
}
