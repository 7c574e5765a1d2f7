//! What a fleet remembers in its state directory: a lock, the instance counters, and whose processes may
//! have been left behind.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::logs::instances_with_logs;
use crate::{FleetError, InstanceId};

/// The open state directory. The lock is held until this is dropped or plimsoll ends, however it ends.
#[derive(Debug)]
pub(crate) struct Ledger {
    directory: PathBuf,
    record: Record,
    lock: File,
}

/// `fleet.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Record {
    /// Fleets whose processes may still live.
    #[serde(default)]
    fleets: Vec<String>,
    /// Tells this state directory from all others, for ever.
    #[serde(default)]
    home: String,
    /// The number that the next instance of each service gets.
    #[serde(default)]
    next: BTreeMap<String, u64>,
}

// === impl Ledger ===

impl Ledger {
    pub(crate) fn open(directory: &Path) -> Result<Self, FleetError> {
        let directory = std::path::absolute(directory).map_err(state_error(directory))?;
        let logs = directory.join("logs");
        fs::create_dir_all(&logs).map_err(state_error(&logs))?;

        let lock_path = directory.join("fleet.lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&lock_path);
        let lock = lock.map_err(state_error(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FleetError::Locked { path: lock_path }),
            Err(TryLockError::Error(error)) => return Err(state_error(&lock_path)(error)),
        }

        let path = directory.join("fleet.json");
        let mut record = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|error| {
                tracing::warn!(%error, file = %path.display(), "unreadable, instance numbers are recovered from the logs");
                Record::default()
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Record::default(),
            Err(error) => return Err(state_error(&path)(error)),
        };
        // The file is not forced to the disk at each launch; after a power cut the logs know better.
        for (id, _) in instances_with_logs(&logs) {
            let next = record.next.entry(id.service().to_owned()).or_insert(1);
            *next = (*next).max(id.number().saturating_add(1));
        }
        if record.home.is_empty() {
            record.home = uuid::Uuid::new_v4().simple().to_string();
        }
        Ok(Self { directory, record, lock })
    }

    /// Names this state directory, on whatever machine.
    pub(crate) fn home(&self) -> &str {
        &self.record.home
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.directory.join("logs")
    }

    /// Fleets that were running here before.
    pub(crate) fn earlier_fleets(&self) -> Vec<String> {
        self.record.fleets.clone()
    }

    /// Notes the fleet that begins now, and those whose processes could not be ended.
    pub(crate) fn begin(&mut self, fleet: &str, survivors: Vec<String>) -> Result<(), FleetError> {
        self.record.fleets = survivors;
        self.record.fleets.push(fleet.to_owned());
        self.save().map_err(state_error(&self.directory.join("fleet.json")))
    }

    /// The fleet has ended and left nothing behind.
    pub(crate) fn end(&mut self) {
        self.record.fleets.clear();
        if let Err(error) = self.save() {
            tracing::warn!(%error, "cannot write fleet.json");
        }
    }

    /// A name that was never used before.
    pub(crate) fn next_id(&mut self, service: &str) -> InstanceId {
        let next = self.record.next.entry(service.to_owned()).or_insert(1);
        let id = InstanceId::new(service, *next);
        *next = next.saturating_add(1);
        if let Err(error) = self.save() {
            tracing::error!(%error, "cannot write fleet.json: instance numbers may repeat after a restart");
        }
        id
    }

    /// Whether [`Ledger::next_id`] has given this name.
    pub(crate) fn was_given(&self, id: &InstanceId) -> bool {
        (1..self.record.next.get(id.service()).copied().unwrap_or(1)).contains(&id.number())
    }

    /// Replaces the file in one step, so that a reader or a crash never sees half of it.
    fn save(&self) -> io::Result<()> {
        let new = self.directory.join("fleet.json.new");
        fs::write(&new, serde_json::to_vec(&self.record)?)?;
        fs::rename(new, self.directory.join("fleet.json"))
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        // Closing would not be enough: a child between fork and exec still has a copy of the descriptor.
        let _ = self.lock.unlock();
    }
}

fn state_error(path: &Path) -> impl FnOnce(io::Error) -> FleetError {
    let path = path.to_owned();
    move |source| FleetError::State { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_after_a_restart() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut ledger = Ledger::open(directory.path()).expect("opened");
        assert_eq!(ledger.next_id("api").to_string(), "api-1");
        assert_eq!(ledger.next_id("api").to_string(), "api-2");
        assert_eq!(ledger.next_id("worker").to_string(), "worker-1");
        let home = ledger.home().to_owned();
        drop(ledger);
        let mut ledger = Ledger::open(directory.path()).expect("opened again");
        assert_eq!(ledger.home(), home);
        let given = |name: &str| InstanceId::parse(name).is_some_and(|id| ledger.was_given(&id));
        assert_eq!(
            ["api-0", "api-2", "api-3", "worker-1", "other-1"].map(given),
            [false, true, false, true, false]
        );
        assert_eq!(ledger.next_id("api").to_string(), "api-3");
    }

    #[test]
    fn numbers_are_recovered_from_the_logs_when_the_file_is_damaged() {
        let directory = tempfile::tempdir().expect("a directory");
        drop(Ledger::open(directory.path()).expect("opened"));
        fs::write(directory.path().join("fleet.json"), "\0\0\0").expect("written");
        fs::write(directory.path().join("logs/api-41.log"), "").expect("written");
        let mut ledger = Ledger::open(directory.path()).expect("opened again");
        assert_eq!(ledger.next_id("api").to_string(), "api-42");
    }

    #[test]
    fn second_fleet_in_the_same_directory_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let _first = Ledger::open(directory.path()).expect("opened");
        assert!(matches!(Ledger::open(directory.path()), Err(FleetError::Locked { .. })));
    }

    #[test]
    fn fleets_are_remembered_until_their_processes_are_gone() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut ledger = Ledger::open(directory.path()).expect("opened");
        ledger.begin("second", vec!["first".to_owned()]).expect("saved");
        drop(ledger);
        let ledger = Ledger::open(directory.path()).expect("opened again");
        assert_eq!(ledger.earlier_fleets(), ["first", "second"]);
    }
}
