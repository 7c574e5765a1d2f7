//! Periods of work in the lines of a CV: `March 2021 – present`, `2016 - 2020`, `06/2017 to 07/2018`.

use super::words::split_words;

/// A period in months since year 0, the end excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Period {
    pub(crate) start: u32,
    pub(crate) end: End,
}

/// When a period ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The first month after it.
    Month(u32),
    /// It goes on.
    Open,
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const OPEN: [&str; 6] = ["present", "now", "today", "current", "ongoing", "date"];
/// Years that a CV can speak of.
const YEARS: std::ops::RangeInclusive<u32> = 1950..=2100;

enum Part {
    Year(u32),
    Month(u32),
    Open,
    Dash,
    Other,
}

/// The first period in a line.
pub(crate) fn period(line: &str) -> Option<Period> {
    let parts = parts(line);
    for (at, part) in parts.iter().enumerate() {
        let Part::Year(from) = part else { continue };
        let month = at.checked_sub(1).and_then(|before| parts.get(before)).and_then(Part::month);
        let start = from * 12 + month.unwrap_or(0);
        if !matches!(parts.get(at + 1), Some(Part::Dash)) {
            continue;
        }
        match (parts.get(at + 2), parts.get(at + 3)) {
            (Some(Part::Open), _) => return Some(Period { start, end: End::Open }),
            // A year alone means the whole year at its start and none of it at its end: 2016 - 2020 is four years.
            (Some(Part::Year(to)), _) => return closed(start, to * 12),
            (Some(Part::Month(month)), Some(Part::Year(to))) => return closed(start, to * 12 + month + 1),
            _ => {}
        }
    }
    None
}

fn closed(start: u32, end: u32) -> Option<Period> {
    (end >= start).then_some(Period { start, end: End::Month(end.max(start + 1)) })
}

/// The latest year that a text mentions.
pub(crate) fn latest_year(text: &str) -> Option<u32> {
    split_words(text).iter().filter_map(|word| year(word)).max()
}

/// Years of experience that a sentence states in words or digits: `seven years of experience`, `3+ yrs`,
/// `twenty-five years`. An age (`35 years old`) is none.
pub(crate) fn stated_years(sentence: &str) -> Option<u32> {
    let words = split_words(sentence);
    let speaks_of_work = words.iter().any(|word| {
        [
            "experience",
            "experienced",
            "engineering",
            "engineer",
            "development",
            "developer",
            "professional",
            "professionally",
            "working",
            "worked",
        ]
        .contains(&word.as_str())
    });
    if !speaks_of_work {
        return None;
    }
    let stated = words.iter().enumerate().filter_map(|(at, word)| {
        let unit = matches!(word.trim_end_matches(['\'', '’']), "year" | "years" | "yr" | "yrs");
        let of_age = words.get(at + 1).is_some_and(|next| next == "old")
            || words.get(at + 1..at + 3).is_some_and(|next| next == ["of", "age"]);
        let written = words.get(at.checked_sub(1)?)?;
        let tens = at.checked_sub(2).and_then(|before| words.get(before)).and_then(|word| tens(word));
        let years = named(written).map(|years| if years < 10 { years + tens.unwrap_or(0) } else { years });
        years.filter(|years| unit && !of_age && *years <= 50)
    });
    stated.max()
}

/// A number in words or digits, whole years only: `1.5` is 1.
fn named(word: &str) -> Option<u32> {
    const NUMBERS: [&str; 20] = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ];
    let word = word.trim_end_matches('+');
    let position = NUMBERS.iter().position(|number| *number == word);
    let digits = word.split_once('.').map_or(word, |(whole, _)| whole);
    position
        .and_then(|number| u32::try_from(number).ok())
        .or_else(|| tens(word))
        .or_else(|| digits.parse().ok())
}

fn tens(word: &str) -> Option<u32> {
    match word {
        "twenty" => Some(20),
        "thirty" => Some(30),
        "forty" => Some(40),
        _ => None,
    }
}

fn year(word: &str) -> Option<u32> {
    word.parse().ok().filter(|year| word.len() == 4 && YEARS.contains(year))
}

fn parts(line: &str) -> Vec<Part> {
    let spaced = line.replace(['–', '—', '-', '−'], " - ").replace(['(', ')', ',', '|', ':', ';'], " ");
    let mut parts = Vec::new();
    for word in spaced.split_whitespace() {
        let lower = word.to_lowercase();
        let lower = lower.trim_end_matches('.');
        // `06/2017` and `06.2017`
        if let Some((month, written)) = lower.split_once(['/', '.'])
            && let (Ok(month @ 1..=12), Some(year)) = (month.parse::<u32>(), year(written))
        {
            parts.push(Part::Month(month - 1));
            parts.push(Part::Year(year));
            continue;
        }
        let month = lower.get(..3).and_then(|head| MONTHS.iter().position(|month| *month == head));
        parts.push(match month.and_then(|month| u32::try_from(month).ok()) {
            _ if lower == "-" || lower == "to" || lower == "until" => Part::Dash,
            _ if OPEN.contains(&lower) => Part::Open,
            Some(month) if lower.len() == 3 || is_month(lower) => Part::Month(month),
            _ => year(lower).map_or(Part::Other, Part::Year),
        });
    }
    parts
}

fn is_month(word: &str) -> bool {
    const LONG: [&str; 13] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "sept",
        "october",
        "november",
        "december",
    ];
    LONG.contains(&word)
}

// === impl Part ===

impl Part {
    fn month(&self) -> Option<u32> {
        match self {
            Self::Month(month) => Some(*month),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn months(line: &str) -> Option<u32> {
        match period(line)? {
            Period { start, end: End::Month(end) } => Some(end - start),
            Period { .. } => None,
        }
    }

    #[test]
    fn usual_ways_of_writing_a_period_are_read() {
        assert_eq!(months("Engineer, Acme (2016 - 2020)"), Some(48));
        assert_eq!(months("June 2017 – July 2018"), Some(14));
        assert_eq!(months("06/2017 to 07/2018"), Some(14));
        assert_eq!(months("Sept. 2019—Dec 2019"), Some(4));
        assert_eq!(months("Jan 2020 - Jan 2020"), Some(1));
        assert_eq!(period("March 2021 – present"), Some(Period { start: 2021 * 12 + 2, end: End::Open }));
    }

    #[test]
    fn other_numbers_are_not_periods() {
        for line in
            ["2019", "40 000 transactions", "2020 - 2015", "from 2400 - 2500 users", "B.Tech, 2024", "", "-"]
        {
            assert_eq!(period(line), None, "{line}");
        }
    }

    #[test]
    fn years_are_taken_at_their_word_only_next_to_work() {
        assert_eq!(stated_years("Backend engineer with seven years of experience in Go"), Some(7));
        assert_eq!(stated_years("3+ years of professional work"), Some(3));
        assert_eq!(stated_years("Backend engineer, 6 years of experience."), Some(6));
        assert_eq!(stated_years("6 years' experience, 2 of them in Rust"), Some(6));
        assert_eq!(stated_years("over twenty-five years in software development"), Some(25));
        assert_eq!(stated_years("1.5 yrs as a developer"), Some(1));
        assert_eq!(stated_years("Developer, 35 years old"), None);
        assert_eq!(stated_years("We kept records for ten years"), None);
        assert_eq!(latest_year("2012, 2019 and 3050"), Some(2019));
    }
}
