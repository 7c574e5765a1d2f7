//! The four CV parameters, each a formula over evidence. All formulas end on 1 (nothing found) to 5.

use std::collections::BTreeMap;

use super::dates::{self, End};
use super::document::{Document, Part};
use super::finding::{Finding, halves};
use super::retrieval::Index;
use super::words::{Term, Topic, lexicon};

/// What a job asks for, line by line.
pub(crate) struct Job {
    demands: Vec<Demand>,
}

struct Demand {
    text: String,
    terms: Vec<Term>,
    weight: f64,
}

/// What a line under "good to have" weighs next to one that is required.
const OPTIONAL_WEIGHT: f64 = 0.4;
/// Weighted coverage of the job's lines that is worth a 5: no CV repeats a whole advertisement.
const FULL_COVERAGE: f64 = 0.8;
/// Coverage that any English text reaches, by words that mean nothing here.
const NOISE: f64 = 0.06;
/// A line counts as missing below this coverage.
const MISSING_BELOW: f64 = 0.2;
/// A job entry that shows this many of the job's concepts is fully relevant.
const FULLY_RELEVANT: f64 = 4.0;
/// Years that are stated count at most this many beyond those that are dated.
const STATED_BEYOND_DATED: f64 = 2.0;
/// Years that are stated in a CV without any dated work count at most this many: a claim is cheap.
const STATED_ALONE: f64 = 4.0;
/// Sum of achievements at which the score has gone 63 % of the way to 5.
const ACHIEVEMENTS_SCALE: f64 = 3.0;

// === impl Job ===

impl Job {
    pub(crate) fn read(description: &str) -> Self {
        let lexicon = lexicon();
        let document = Document::read(description);
        let mut demands: Vec<Demand> = document
            .sentences
            .iter()
            .filter(|sentence| !sentence.heading)
            .map(|sentence| Demand {
                text: sentence.text.clone(),
                terms: lexicon.demands(&sentence.text, Topic::Tech),
                weight: if sentence.part == Part::Optional { OPTIONAL_WEIGHT } else { 1.0 },
            })
            .filter(|demand| demand.terms.len() >= 2)
            .collect();
        // An advertisement for engineers has lines about character too, which other parameters judge. One without a
        // single technical word is for another trade: then every line counts.
        if demands.iter().any(Demand::is_technical) {
            demands.retain(Demand::is_technical);
        }
        Self { demands }
    }

    /// All concepts the job names.
    fn concepts(&self) -> Vec<&Term> {
        let mut concepts: Vec<&Term> = self.demands.iter().flat_map(|demand| &demand.terms).collect();
        if concepts.iter().any(|term| matches!(term, Term::Concept(_))) {
            concepts.retain(|term| matches!(term, Term::Concept(_)));
        }
        concepts.sort();
        concepts.dedup();
        concepts
    }
}

impl Demand {
    fn is_technical(&self) -> bool {
        self.terms.iter().any(|term| matches!(term, Term::Concept(_)))
    }
}

/// `1 + 4 · (coverage − 0.06) / 0.74`, where coverage is the weighted mean over the job's technical lines of the share of their
/// terms found in the CV; a term in a sentence counts 1, in a bare list of keywords 0.45.
pub(crate) fn technical_skills(index: &Index<'_>, job: &Job) -> Finding {
    let mut finding = Finding::new("technical_skills");
    let (mut covered, mut total) = (0.0, 0.0);
    let mut ranked = Vec::new();
    for demand in &job.demands {
        let coverage = index.coverage(&demand.terms);
        covered += coverage.share * demand.weight;
        total += demand.weight;
        if coverage.share < MISSING_BELOW && demand.weight >= 1.0 {
            finding.missing.push(demand.text.clone());
        }
        let concepts = coverage
            .found
            .iter()
            .filter(|(term, _)| matches!(term, Term::Concept(_)) || !demand.is_technical());
        ranked.extend(concepts.map(|(_, number)| *number));
    }
    let share = if total > 0.0 { covered / total } else { 0.0 };
    finding.score = halves(1.0 + 4.0 * (share - NOISE) / (FULL_COVERAGE - NOISE));
    finding.quote_most_common(index, &ranked);
    finding.statement = format!(
        "the CV covers {:.0} % of what the job's {} technical lines ask for",
        share * 100.0,
        job.demands.len()
    );
    finding
}

/// From relevant years: 0 → 1, ¼ → 1.5, 1 → 2.25, 2 → 3, 4 → 4, 7 → 4.5, straight lines between; half a point more for
/// a senior title. Each month of a dated job entry counts by the share of the job's concepts the entry shows (4 are
/// full relevance). An entry without an end runs to the latest year the CV mentions, since there is no clock here.
/// Years stated in words (`six years of experience`) add at most 2 to those that are dated; without any dates they
/// count by how much of the job the CV shows, and at most 4.
pub(crate) fn experience(index: &Index<'_>, job: &Job) -> Finding {
    let mut finding = Finding::new("experience");
    let sentences = &index.document.sentences;
    let latest =
        sentences.iter().filter_map(|sentence| dates::latest_year(&sentence.text)).max().unwrap_or(0);
    let concepts = job.concepts();
    let mut months: BTreeMap<u32, f64> = BTreeMap::new();
    let mut dated = Vec::new();
    for entry in entries(index.document) {
        let shown = concepts.iter().filter(|concept| {
            sentences[entry.first..entry.end]
                .iter()
                .any(|sentence| sentence.credit > 0.0 && sentence.words.terms.contains(concept))
        });
        let relevance = (shown.count() as f64 / FULLY_RELEVANT).min(1.0);
        let end = match entry.period.end {
            End::Month(end) => end,
            End::Open => (latest * 12 + 12).max(entry.period.start + 12),
        };
        for month in entry.period.start..end.min(entry.period.start + 50 * 12) {
            let best = months.entry(month).or_default();
            *best = best.max(relevance);
        }
        if relevance > 0.0 {
            // A date on a line of its own says little without the line above it.
            let bare = sentences[entry.dated_at].words.total < 6;
            dated.push(if bare { entry.first } else { entry.dated_at });
        }
    }
    // Not `sum`, whose nothing is -0.0.
    let dated_years = months.values().fold(0.0, |sum, month| sum + month) / 12.0;
    let stated = sentences
        .iter()
        .filter(|sentence| sentence.credit > 0.0)
        .filter_map(|sentence| dates::stated_years(&sentence.text).map(f64::from))
        .fold(0.0, f64::max);
    let years = if months.is_empty() {
        (stated * shown_relevance(index, &concepts)).min(STATED_ALONE)
    } else {
        let relevance = dated_years * 12.0 / months.len() as f64;
        dated_years.max((stated * relevance).min(dated_years + STATED_BEYOND_DATED))
    };
    let senior = lexicon().of(Topic::Seniority).find_map(|(term, _)| index.strongest(&term));
    let bonus = if senior.is_some() && years >= 2.0 { 0.5 } else { 0.0 };
    finding.score = halves(score_of_years(years) + bonus);
    let first = senior.filter(|_| bonus > 0.0).map(|(number, _)| number);
    let claim = sentences.iter().position(|sentence| {
        sentence.credit > 0.0 && dates::stated_years(&sentence.text).is_some_and(|years| years > 0)
    });
    let claim = claim.filter(|_| months.is_empty() && years > 0.0);
    finding.evidence = index.quotes(first.into_iter().chain(claim).chain(dated));
    finding.statement = experience_statement(years, dated_years, stated, months.is_empty());
    finding
}

/// How much of the job a CV without dates shows: the four best shown of the job's concepts, by their credit.
fn shown_relevance(index: &Index<'_>, concepts: &[&Term]) -> f64 {
    let mut credits: Vec<f64> =
        concepts.iter().filter_map(|concept| index.strongest(concept)).map(|(_, credit)| credit).collect();
    credits.sort_by(|left, right| right.total_cmp(left));
    credits.iter().take(4).fold(0.0, |sum, credit| sum + credit) / FULLY_RELEVANT
}

fn experience_statement(years: f64, dated: f64, stated: f64, undated: bool) -> String {
    let unit = if stated > 1.0 { "years" } else { "year" };
    let claim = format!("{stated} {unit} of experience stated, none with dates");
    if undated && years > 0.0 {
        let count =
            if years < stated { format!("about {years:.1} of them count") } else { "counted in full".into() };
        format!("{claim}; {count}")
    } else if undated && stated > 0.0 {
        format!("{claim}, but nothing of what the job asks for")
    } else if years > dated {
        format!(
            "about {years:.1} years of relevant work count: {dated:.1} are dated, and the CV states {stated} in all"
        )
    } else if years > 0.0 {
        format!("about {years:.1} years of relevant work are dated")
    } else {
        "no relevant work with dates was found in the CV".to_owned()
    }
}

fn score_of_years(years: f64) -> f64 {
    const POINTS: [(f64, f64); 6] =
        [(0.0, 1.0), (0.25, 1.5), (1.0, 2.25), (2.0, 3.0), (4.0, 4.0), (7.0, 4.5)];
    for pair in POINTS.windows(2) {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        if years <= x1 {
            return y0 + (y1 - y0) * (years - x0) / (x1 - x0);
        }
    }
    4.5
}

struct Entry {
    period: dates::Period,
    dated_at: usize,
    first: usize,
    end: usize,
}

/// Dated entries outside of education: each from the line above its date to the line above the next one.
fn entries(document: &Document) -> Vec<Entry> {
    let sentences = &document.sentences;
    let mut entries: Vec<Entry> = Vec::new();
    for (number, sentence) in sentences.iter().enumerate() {
        if sentence.part == Part::Education || sentence.credit <= 0.0 {
            // A new section ends the entry before it.
            if let Some(last) = entries.last_mut().filter(|last| last.end > number) {
                last.end = number;
            }
            continue;
        }
        let Some(period) = dates::period(&sentence.text) else { continue };
        let first = number.saturating_sub(1);
        if let Some(last) = entries.last_mut() {
            last.end = last.end.min(first.max(last.dated_at + 1));
        }
        entries.push(Entry { period, dated_at: number, first, end: sentences.len() });
    }
    entries
}

/// `1 + 4 · (1 − e^(−sum / 3))` over sentences that name an effect: 1 for an effect with a measure (a percentage, an
/// amount, from-to), 0.6 for one with a plain number, 0.2 without any. Work that shows none of the job's concepts
/// counts half.
pub(crate) fn achievements(index: &Index<'_>, job: &Job) -> Finding {
    let mut finding = Finding::new("achievements");
    let impact: Vec<Term> = lexicon().of(Topic::Achievement).map(|(term, _)| term).collect();
    let concepts = job.concepts();
    let shows_job = |from: usize, to: usize| {
        let range = &index.document.sentences[from..to.min(index.document.sentences.len())];
        range.iter().any(|sentence| concepts.iter().any(|concept| sentence.words.terms.contains(concept)))
    };
    let mut ranked: Vec<(f64, usize)> = Vec::new();
    for (number, sentence) in index.document.sentences.iter().enumerate() {
        let names_effect = sentence.words.terms.iter().any(|term| impact.contains(term));
        let measure = measure(&sentence.text);
        let strength = match (names_effect, measure) {
            (true, Measure::Amount) => 1.0,
            (false, Measure::Amount) | (true, Measure::Number) => 0.6,
            (false, Measure::Number) => 0.0,
            (true, Measure::None) => 0.2,
            (false, Measure::None) => 0.0,
        };
        if strength <= 0.0
            || sentence.credit < 1.0
            || sentence.part == Part::Education
            || dates::period(&sentence.text).is_some()
        {
            continue;
        }
        let relevance = if shows_job(number.saturating_sub(2), number + 3) { 1.0 } else { 0.5 };
        ranked.push((strength * relevance, number));
    }
    let sum: f64 = ranked.iter().map(|(strength, _)| strength).sum();
    finding.score = halves(1.0 + 4.0 * (1.0 - (-sum / ACHIEVEMENTS_SCALE).exp()));
    ranked.sort_by(|left, right| right.0.total_cmp(&left.0).then(left.1.cmp(&right.1)));
    let measured = ranked.iter().filter(|(strength, _)| *strength >= 0.5).count();
    finding.evidence = index.quotes(ranked.into_iter().map(|(_, number)| number));
    finding.statement = match measured {
        0 if !finding.evidence.is_empty() => "results are named, but none with a measure".to_owned(),
        0 => "no achievement with a measured result was found in the CV".to_owned(),
        1 => "one achievement is measured".to_owned(),
        count => format!("{count} achievements are measured"),
    };
    finding
}

enum Measure {
    None,
    Number,
    Amount,
}

/// Whether a sentence measures something: a year is no measure, a number with a unit or a from-to is.
fn measure(sentence: &str) -> Measure {
    const UNITS: [&str; 24] = [
        "%",
        "percent",
        "ms",
        "s",
        "seconds",
        "minutes",
        "hours",
        "days",
        "eur",
        "usd",
        "dollars",
        "million",
        "billion",
        "x",
        "times",
        "requests",
        "users",
        "customers",
        "transactions",
        "documents",
        "k",
        "gb",
        "rps",
        "services",
    ];
    let mut found = Measure::None;
    let spaced = sentence.to_lowercase().replace('%', " % ").replace(['€', '$', '£'], " eur ");
    let tokens: Vec<&str> =
        spaced.split_whitespace().map(|token| token.trim_matches([',', ';', '(', ')', ':'])).collect();
    for (at, token) in tokens.iter().enumerate() {
        let digits = token.trim_end_matches('.');
        let number = digits.starts_with(|c: char| c.is_ascii_digit());
        let is_year =
            digits.len() == 4 && digits.parse::<u32>().is_ok_and(|year| (1950..=2100).contains(&year));
        if !number || is_year || digits.starts_with("p9") {
            continue;
        }
        let near = tokens[at + 1..].iter().take(3).chain(at.checked_sub(1).map(|before| &tokens[before]));
        let has_unit = near.map(|token| token.trim_end_matches('.')).any(|token| UNITS.contains(&token));
        let glued = UNITS
            .iter()
            .any(|unit| digits.strip_suffix(unit).is_some_and(|rest| rest.parse::<f64>().is_ok()));
        if has_unit || glued || (tokens.contains(&"from") && tokens.contains(&"to")) {
            return Measure::Amount;
        }
        found = Measure::Number;
    }
    found
}

/// `1 + 4 · sum / 5`, with one point for each of communication, learning, team work, leadership and openness: a whole
/// point when a sentence shows it, 0.45 when it only stands in a list or a heading. Lines that date a job do not count
/// (`2021 – present` presents nothing).
pub(crate) fn culture(index: &Index<'_>) -> Finding {
    let mut finding = Finding::new("culture");
    let mut sum = 0.0;
    let mut shown = Vec::new();
    let mut numbers = Vec::new();
    for (term, name) in lexicon().of(Topic::Culture) {
        let undated = |number: usize| dates::period(&index.sentence(number).text).is_none();
        match index.strongest_where(&term, &undated) {
            Some((number, credit)) => {
                sum += credit;
                shown.push(name);
                numbers.push(number);
            }
            None => finding.missing.push(name.to_owned()),
        }
    }
    finding.score = halves(1.0 + 4.0 * sum / 5.0);
    finding.evidence = index.quotes(numbers);
    finding.statement = if shown.is_empty() {
        "nothing about communication, learning, team work or leadership was found in the CV".to_owned()
    } else {
        format!("the CV shows {}", shown.join(", "))
    };
    finding
}
