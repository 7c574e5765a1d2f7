//! `schedule`: at least so many replicas from one cron time to another.
//!
//! Wanted properties:
//! * a floor holds from its start until its end in the wall time of its zone, across clock changes;
//! * it begins one start-up time early, so that the instances are ready at the start;
//! * it is a floor: it never lowers a count.

mod cron;

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};

use crate::Time;
use crate::spec::policy::ScheduleFloor;
use cron::Cron;

pub use cron::CronError;

/// A [`ScheduleFloor`] ready to be asked.
#[derive(Debug, Clone)]
pub struct Schedule {
    name: String,
    start: Cron,
    end: Cron,
    zone: TimeZone,
    replicas: u32,
}

/// A floor that is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Which one.
    pub name: String,
    /// The floor.
    pub asks: u32,
    /// True while it is only in force because instances need time to start.
    pub early: bool,
}

/// Why a schedule cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// A time cannot be read.
    #[error("`{field}` of schedule `{name}`: {error}")]
    Cron {
        /// Name of the schedule.
        name: String,
        /// `start` or `end`.
        field: &'static str,
        /// What is wrong.
        error: CronError,
    },
    /// The time zone is unknown.
    #[error("schedule `{name}`: unknown time zone `{timezone}`; use an IANA name such as `Europe/Berlin`")]
    Zone {
        /// Name of the schedule.
        name: String,
        /// The zone as written.
        timezone: String,
    },
}

// === impl Schedule ===

impl Schedule {
    /// Reads the cron times and looks the zone up in the time zone data that is compiled in.
    pub fn compile(floor: &ScheduleFloor) -> Result<Self, ScheduleError> {
        let name = || floor.name.clone();
        let cron = |field: &'static str, text: &str| {
            Cron::parse(text).map_err(|error| ScheduleError::Cron { name: name(), field, error })
        };
        let zone = TimeZoneDatabase::bundled()
            .get(&floor.timezone)
            .map_err(|_| ScheduleError::Zone { name: name(), timezone: floor.timezone.clone() })?;
        let (start, end) = (cron("start", &floor.start)?, cron("end", &floor.end)?);
        Ok(Self { name: name(), start, end, zone, replicas: floor.replicas })
    }

    /// The floor, if it is in force now or will be within the start-up time.
    pub fn evaluate(&self, startup_ms: u64, now: Time) -> Option<Report> {
        let active = self.is_active(now);
        let soon = Time(now.0.saturating_add(i64::try_from(startup_ms).unwrap_or(i64::MAX)));
        let early = !active && startup_ms > 0 && self.is_active(soon);
        (active || early).then(|| Report { name: self.name.clone(), asks: self.replicas, early })
    }

    /// Inside when the next end comes before the next start.
    fn is_active(&self, now: Time) -> bool {
        let Ok(now) = Timestamp::from_millisecond(now.0) else { return false };
        let next = |cron: &Cron| cron.next_after(now, &self.zone);
        match (next(&self.start), next(&self.end)) {
            (Some(start), Some(end)) => end < start,
            (None, Some(_)) => true,
            _ => false,
        }
    }
}
