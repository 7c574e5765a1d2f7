//! Schedules: "every 30s", or five fields as in crontab(5), in UTC. Pure.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use crate::clock::{Millis, millis};
use crate::{JobsError, NewJob};

/// When a job recurs.
///
/// `every 10s` (also ms, m, h, d), counted from the epoch so that all instances agree; or `minute hour day month
/// weekday` with `*`, lists, ranges and steps as in crontab(5). As there, when both day and weekday are restricted,
/// either suffices; 0 and 7 are Sunday. Times are UTC: no run is skipped or doubled by a change of the clocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    text: String,
    rule: Rule,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    Every(Millis),
    Fields { minutes: u64, hours: u64, days: u64, months: u64, weekdays: u64, either_day: bool },
}

/// A schedule as the database holds it.
#[derive(Debug, Clone)]
pub(crate) struct StoredCron {
    pub(crate) name: String,
    pub(crate) schedule: String,
    /// The job to enqueue, as JSON.
    pub(crate) job: String,
    pub(crate) next_at_ms: Millis,
}

/// A recurring job.
#[derive(Debug, Clone)]
pub struct Cron {
    /// Its name, unique in the database.
    pub name: String,
    /// When it recurs.
    pub schedule: Schedule,
    /// The job that is enqueued each time.
    pub job: NewJob,
    /// When it is due next.
    pub next_at_ms: Millis,
}

/// How far ahead a match is looked for: 29 February falls on a given weekday once in at most 40 years.
const HORIZON_DAYS: i32 = 41 * 366;

// === impl Schedule ===

impl Schedule {
    /// The first time after `after_ms` that fits; none for a date that never comes (30 February).
    pub fn next_after(&self, after_ms: Millis) -> Option<Millis> {
        match self.rule {
            Rule::Every(period) => Some((after_ms.div_euclid(period) + 1).saturating_mul(period)),
            Rule::Fields { minutes, hours, .. } => {
                let now = Timestamp::from_millisecond(after_ms).ok()?.to_zoned(TimeZone::UTC).datetime();
                let mut date = now.date();
                for _ in 0..HORIZON_DAYS {
                    if self.fits(date) {
                        for hour in (0..24).filter(|h| hours & (1 << h) != 0) {
                            for minute in (0..60).filter(|m| minutes & (1 << m) != 0) {
                                let at: DateTime = date.at(hour, minute, 0, 0);
                                let at = at.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond();
                                if at > after_ms {
                                    return Some(at);
                                }
                            }
                        }
                    }
                    date = date.checked_add(1.day()).ok()?;
                }
                None
            }
        }
    }

    fn fits(&self, date: Date) -> bool {
        let Rule::Fields { days, months, weekdays, either_day, .. } = self.rule else { return false };
        let day = days & (1 << date.day()) != 0;
        let weekday = weekdays & (1 << date.weekday().to_sunday_zero_offset()) != 0;
        months & (1 << date.month()) != 0 && if either_day { day || weekday } else { day && weekday }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Schedule {
    type Err = JobsError;

    fn from_str(text: &str) -> Result<Self, JobsError> {
        let wrong = |why: String| JobsError::InvalidJob(format!("schedule {text:?}: {why}"));
        let rule = if let Some(period) = text.strip_prefix("every ") {
            let period = period_of(period.trim())
                .filter(|p| *p >= Duration::from_millis(1))
                .ok_or_else(|| wrong("expected a period such as 500ms, 10s, 5m, 2h or 1d".into()))?;
            Rule::Every(millis(period))
        } else {
            let fields: Vec<&str> = text.split_ascii_whitespace().collect();
            let [minute, hour, day, month, weekday] = fields[..] else {
                return Err(wrong(
                    "expected five fields, minute hour day month weekday, or 'every 10s'".into(),
                ));
            };
            let weekdays = field(weekday, 0, 7).map_err(wrong)?;
            Rule::Fields {
                minutes: field(minute, 0, 59).map_err(wrong)?,
                hours: field(hour, 0, 23).map_err(wrong)?,
                days: field(day, 1, 31).map_err(wrong)?,
                months: field(month, 1, 12).map_err(wrong)?,
                weekdays: weekdays | (weekdays >> 7), // 7 is Sunday as well
                either_day: !day.starts_with('*') && !weekday.starts_with('*'),
            }
        };
        Ok(Self { text: text.to_owned(), rule })
    }
}

fn period_of(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(unit_ms).map(Duration::from_millis)
}

/// A field as a set of bits.
fn field(text: &str, low: u32, high: u32) -> Result<u64, String> {
    let mut bits = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse().ok().filter(|s| (1..=high).contains(s))),
            None => (part, Some(1)),
        };
        let bounds = match range.split_once('-') {
            _ if range == "*" => Some((low, high)),
            Some((a, b)) => a.parse().ok().zip(b.parse().ok()),
            // "5/10" means from 5 on.
            None => range.parse().ok().map(|n| (n, if part.contains('/') { high } else { n })),
        };
        match (bounds, step) {
            (Some((a, b)), Some(step)) if low <= a && a <= b && b <= high => {
                for n in (a..=b).step_by(step as usize) {
                    bits |= 1 << n;
                }
            }
            _ => return Err(format!("{part:?} is not within {low} to {high}")),
        }
    }
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(schedule: &str, after: &str) -> String {
        let after: Timestamp = after.parse().unwrap();
        let at = schedule.parse::<Schedule>().unwrap().next_after(after.as_millisecond()).unwrap();
        Timestamp::from_millisecond(at).unwrap().to_string()
    }

    #[test]
    fn fields_are_those_of_crontab() {
        for (schedule, after, expected) in [
            ("* * * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"),
            ("*/15 9-17 * * 1-5", "2026-01-02T17:45:00Z", "2026-01-05T09:00:00Z"),
            ("0 0 1 * *", "2026-01-31T12:00:00Z", "2026-02-01T00:00:00Z"),
            ("30 4 1,15 * 5", "2026-01-01T04:30:00Z", "2026-01-02T04:30:00Z"),
            ("0 12 29 2 *", "2026-03-01T00:00:00Z", "2028-02-29T12:00:00Z"),
            ("0 0 * * 7", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z"),
            ("5/20 * * * *", "2026-01-01T00:05:00Z", "2026-01-01T00:25:00Z"),
            ("every 10s", "2026-01-01T00:00:03Z", "2026-01-01T00:00:10Z"),
            ("every 10s", "2026-01-01T00:00:10Z", "2026-01-01T00:00:20Z"),
        ] {
            assert_eq!(next(schedule, after), expected, "{schedule} after {after}");
        }
    }

    #[test]
    fn date_that_never_comes_has_no_next_time() {
        assert_eq!("0 0 30 2 *".parse::<Schedule>().unwrap().next_after(0), None);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "* * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "5-1 * * * *",
            "*/0 * * * *",
            "every",
            "every 0s",
            "every 5",
            "a * * * *",
        ] {
            assert!(text.parse::<Schedule>().is_err(), "{text}");
        }
    }
}
