//! Cron times: minute, hour, day of month, month, day of week.

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// Longest look ahead: 29 February is at most eight years away.
const MAX_DAYS: u32 = 8 * 366;

/// A set of times; bit i of a field stands for the value i.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    /// Sunday is 0.
    weekdays: u64,
    /// As in Vixie cron: when both day fields are restricted, either may match.
    either_day: bool,
}

/// Why a text is not a cron time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// Wrong number of fields.
    #[error("expected 5 fields (minute, hour, day of month, month, day of week), found {0}")]
    Fields(usize),
    /// A field cannot be read.
    #[error("`{text}` is not a {field}; expected values from {low} to {high}")]
    Value {
        /// The part as written.
        text: String,
        /// Which field.
        field: &'static str,
        /// Smallest value.
        low: u32,
        /// Largest value.
        high: u32,
    },
    /// No day of any year fits.
    #[error("never happens")]
    Never,
}

struct Field {
    name: &'static str,
    low: u32,
    high: u32,
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", low: 0, high: 59, names: &[] },
    Field { name: "hour", low: 0, high: 23, names: &[] },
    Field { name: "day of month", low: 1, high: 31, names: &[] },
    Field {
        name: "month",
        low: 1,
        high: 12,
        names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    },
    Field { name: "day of week", low: 0, high: 7, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] },
];

// === impl Cron ===

impl Cron {
    pub(super) fn parse(text: &str) -> Result<Self, CronError> {
        let parts: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = parts[..] else {
            return Err(CronError::Fields(parts.len()));
        };
        let mut week = FIELDS[4].parse(weekdays)?;
        // Sunday is 0 and 7.
        week |= week >> 7 & 1;
        let cron = Self {
            minutes: FIELDS[0].parse(minutes)?,
            hours: FIELDS[1].parse(hours)?,
            days: FIELDS[2].parse(days)?,
            months: FIELDS[3].parse(months)?,
            weekdays: week & 0x7f,
            either_day: !days.starts_with('*') && !weekdays.starts_with('*'),
        };
        let leap_year = Date::constant(2024, 1, 1);
        cron.next_day(leap_year).map(|_| cron).ok_or(CronError::Never)
    }

    /// The first time after `after`. A time that a clock change skips happens right after the gap; one that happens twice
    /// counts once, the first time.
    pub(super) fn next_after(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let mut from = after.to_zoned(zone.clone()).datetime();
        // Twice: going back may repeat the wall time that was just used.
        for _ in 0..4 {
            let next = self.next_civil(from)?;
            let time = zone.to_ambiguous_timestamp(next).compatible().ok()?;
            if time > after {
                return Some(time);
            }
            from = next;
        }
        None
    }

    /// The first wall time after `after`.
    fn next_civil(&self, after: DateTime) -> Option<DateTime> {
        let today = after.date();
        if self.day_matches(today) {
            let minute = i64::from(after.hour()) * 60 + i64::from(after.minute()) + 1;
            if let Some(time) = self.first_minute_of_day(minute) {
                return Some(today.at((time / 60) as i8, (time % 60) as i8, 0, 0));
            }
        }
        let day = self.next_day(today.checked_add(1.day()).ok()?)?;
        let time = self.first_minute_of_day(0)?;
        Some(day.at((time / 60) as i8, (time % 60) as i8, 0, 0))
    }

    fn first_minute_of_day(&self, from: i64) -> Option<i64> {
        (from..1440).find(|minute| {
            let (hour, minute) = (minute / 60, minute % 60);
            self.hours >> hour & 1 == 1 && self.minutes >> minute & 1 == 1
        })
    }

    fn next_day(&self, from: Date) -> Option<Date> {
        let mut day = from;
        for _ in 0..MAX_DAYS {
            if self.day_matches(day) {
                return Some(day);
            }
            day = day.checked_add(1.day()).ok()?;
        }
        None
    }

    fn day_matches(&self, day: Date) -> bool {
        let weekday = if day.weekday() == Weekday::Sunday { 0 } else { day.weekday().to_monday_one_offset() };
        let in_month = self.days >> day.day() & 1 == 1;
        let in_week = self.weekdays >> weekday & 1 == 1;
        let day_fits = if self.either_day { in_month || in_week } else { in_month && in_week };
        day_fits && self.months >> day.month() & 1 == 1
    }
}

// === impl Field ===

impl Field {
    /// A comma-separated list of `*`, `a`, `a-b`, each with an optional `/step`.
    fn parse(&self, text: &str) -> Result<u64, CronError> {
        let mut set = 0_u64;
        for part in text.split(',') {
            let wrong = || CronError::Value {
                text: part.to_owned(),
                field: self.name,
                low: self.low,
                high: self.high,
            };
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => (range, step.parse().ok().filter(|&step| step > 0).ok_or_else(wrong)?),
                None => (part, 1_usize),
            };
            let (first, last) = match range.split_once('-') {
                _ if range == "*" => (self.low, self.high),
                Some((first, last)) => {
                    (self.value(first).ok_or_else(wrong)?, self.value(last).ok_or_else(wrong)?)
                }
                // `5/10` counts from 5 to the end.
                None if part.contains('/') => (self.value(range).ok_or_else(wrong)?, self.high),
                None => {
                    let value = self.value(range).ok_or_else(wrong)?;
                    (value, value)
                }
            };
            if first > last {
                return Err(wrong());
            }
            set |= (first..=last).step_by(step).fold(0, |set, value| set | 1 << value);
        }
        Ok(set)
    }

    fn value(&self, text: &str) -> Option<u32> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let value = match named {
            Some(index) => index as u32 + u32::from(self.low == 1),
            None => text.parse().ok()?,
        };
        (self.low..=self.high).contains(&value).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZoneDatabase;

    use super::*;

    fn next(cron: &str, zone: &str, after: &str) -> String {
        let zone = TimeZoneDatabase::bundled().get(zone).unwrap();
        Cron::parse(cron).unwrap().next_after(after.parse().unwrap(), &zone).unwrap().to_string()
    }

    #[test]
    fn working_days_in_a_zone() {
        // Friday evening: the next is Monday, 08:00 in Berlin.
        assert_eq!(next("0 8 * * mon-fri", "Europe/Berlin", "2026-11-20T19:00:00Z"), "2026-11-23T07:00:00Z");
    }

    #[test]
    fn steps_lists_and_ranges() {
        assert_eq!(next("*/15 9-17 * * *", "UTC", "2026-11-20T09:16:00Z"), "2026-11-20T09:30:00Z");
        assert_eq!(next("5,35 * * * *", "UTC", "2026-11-20T09:35:00Z"), "2026-11-20T10:05:00Z");
    }

    #[test]
    fn skipped_hour_happens_after_the_gap() {
        // 29 March 2026, 02:30 does not exist in Berlin.
        assert_eq!(next("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z"), "2026-03-29T01:30:00Z");
    }

    #[test]
    fn repeated_hour_counts_once() {
        // 25 October 2026, 02:30 happens twice in Berlin: 00:30 and 01:30 UTC.
        assert_eq!(next("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z"), "2026-10-25T00:30:00Z");
        assert_eq!(next("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z"), "2026-10-26T01:30:00Z");
    }

    #[test]
    fn either_day_field_matches_when_both_are_given() {
        // The 13th, or any Friday.
        assert_eq!(next("0 0 13 * fri", "UTC", "2026-11-10T00:00:00Z"), "2026-11-13T00:00:00Z");
        assert_eq!(next("0 0 13 * fri", "UTC", "2026-11-13T00:00:00Z"), "2026-11-20T00:00:00Z");
    }

    #[test]
    fn leap_day_is_found_and_nonsense_is_refused() {
        assert_eq!(next("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z"), "2028-02-29T00:00:00Z");
        assert_eq!(Cron::parse("0 0 30 2 *"), Err(CronError::Never));
        assert_eq!(Cron::parse("0 0 * *"), Err(CronError::Fields(4)));
        for wrong in ["60 * * * *", "* 24 * * *", "*/0 * * * *", "5-1 * * * *", "x * * * *", "* * 0 * *"] {
            assert!(matches!(Cron::parse(wrong), Err(CronError::Value { .. })), "{wrong}");
        }
    }

    #[test]
    fn sunday_is_zero_and_seven() {
        assert_eq!(Cron::parse("0 0 * * 0"), Cron::parse("0 0 * * 7"));
        assert_eq!(Cron::parse("0 0 * * sun"), Cron::parse("0 0 * * 7"));
    }
}
