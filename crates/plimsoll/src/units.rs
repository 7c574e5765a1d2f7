//! Figures as people read them.

/// `3m12s`, `2h5m`, `45s`.
pub(crate) fn age(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, minutes) => format!("{minutes}m{}s", seconds % 60),
        (0, hours, minutes) => format!("{hours}h{minutes}m"),
        (days, hours, _) => format!("{days}d{hours}h"),
    }
}

/// Bytes in binary units, rounded to the nearest: `23Mi`.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)];
    for (unit, size) in UNITS {
        if bytes >= 10 * size {
            return format!("{}{unit}", (bytes + size / 2) / size);
        }
        if bytes >= size {
            let tenths = (bytes * 10 + size / 2) / size;
            let fraction =
                if tenths.is_multiple_of(10) { String::new() } else { format!(".{}", tenths % 10) };
            return format!("{}{fraction}{unit}", tenths / 10);
        }
    }
    format!("{bytes}B")
}

/// Local wall-clock time of a moment given in milliseconds since the Unix epoch.
pub(crate) fn clock(at_ms: u64) -> String {
    let moment = i64::try_from(at_ms).ok().and_then(|at_ms| jiff::Timestamp::from_millisecond(at_ms).ok());
    moment.map_or_else(
        || "?".into(),
        |moment| moment.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M:%S").to_string(),
    )
}

/// Local date and time of a moment given in milliseconds since the Unix epoch.
pub(crate) fn moment(at_ms: i64) -> String {
    let moment = jiff::Timestamp::from_millisecond(at_ms).ok();
    moment.map_or_else(
        || "?".into(),
        |moment| moment.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
    )
}

/// Milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0)
}

/// Text that somebody else wrote, safe to print: a terminal obeys control characters.
pub(crate) fn plain(text: &str) -> String {
    let text = text.trim_end();
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_as_people_write_them() {
        assert_eq!([age(5), age(192), age(7_500), age(90_000)], ["5s", "3m12s", "2h5m", "1d1h"]);
        assert_eq!(
            [bytes(512), bytes(1_536), bytes(256 << 20), bytes(1 << 30)],
            ["512B", "1.5Ki", "256Mi", "1Gi"]
        );
    }
}
