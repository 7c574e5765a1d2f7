//! The five project parameters, each a formula over evidence. All formulas end on 1 (nothing found) to 5.

use super::document::{Document, Part};
use super::finding::{Finding, halves};
use super::retrieval::Index;
use super::words::{Term, Topic, lexicon};

/// Weighted coverage of the brief's lines that is worth a 5.
const FULL_COVERAGE: f64 = 0.8;
/// Coverage that any English text reaches, by words that mean nothing here.
const NOISE: f64 = 0.06;
/// Coverage of the brief below which a text is about something else: the other parameters shrink with it.
const ON_TOPIC: f64 = 0.2;
/// A line of the brief counts as missing below this coverage.
const MISSING_BELOW: f64 = 0.2;
/// Share of the aspects of a parameter that the rubric's own words make up.
const RUBRIC_SHARE: f64 = 0.15;

/// How a parameter other than correctness is computed.
struct Aspects {
    name: &'static str,
    topic: Topic,
    /// How many aspects are worth a 5.
    full: f64,
    subject: &'static str,
}

const ASPECTS: [Aspects; 4] = [
    Aspects { name: "code_quality", topic: Topic::Quality, full: 6.0, subject: "modules, tests and checks" },
    Aspects {
        name: "resilience",
        topic: Topic::Resilience,
        full: 8.0,
        subject: "failures and their handling",
    },
    Aspects {
        name: "documentation",
        topic: Topic::Documentation,
        full: 5.5,
        subject: "set-up, design and decisions",
    },
    Aspects { name: "creativity", topic: Topic::Extras, full: 5.0, subject: "work beyond the brief" },
];

/// Scores a project report against the brief and the rubric.
pub(crate) fn score(index: &Index<'_>, brief: &str, rubric: &str) -> Vec<Finding> {
    let (correctness, coverage) = correctness(index, brief);
    let on_topic = (coverage / ON_TOPIC).min(1.0);
    let rubric = Document::read(rubric);
    let mut findings = vec![correctness];
    findings.extend(ASPECTS.iter().map(|aspects| aspects.score(index, &rubric, on_topic)));
    findings
}

/// `1 + 4 · (coverage − 0.06) / 0.74`, where coverage is the mean over the brief's technical lines of the share of their terms
/// found in the report.
fn correctness(index: &Index<'_>, brief: &str) -> (Finding, f64) {
    let mut finding = Finding::new("correctness");
    let lexicon = lexicon();
    let brief = Document::read(brief);
    let lines =
        brief.sentences.iter().filter(|sentence| sentence.part != Part::Optional && !sentence.heading);
    let mut demands: Vec<(&str, Vec<Term>)> = lines
        .map(|sentence| (sentence.text.as_str(), lexicon.demands(&sentence.text, Topic::Tech)))
        .collect();
    demands.retain(|(_, terms)| terms.len() >= 3);
    let mut ranked = Vec::new();
    let mut sum = 0.0;
    for (text, terms) in &demands {
        let coverage = index.coverage(terms);
        sum += coverage.share;
        if coverage.share < MISSING_BELOW {
            finding.missing.push((*text).to_owned());
        } else {
            ranked.extend(index.search(terms).into_iter().take(2));
        }
    }
    let share = if demands.is_empty() { 0.0 } else { sum / demands.len() as f64 };
    finding.score = halves(1.0 + 4.0 * (share - NOISE) / (FULL_COVERAGE - NOISE));
    finding.quote_most_common(index, &ranked);
    finding.statement = format!(
        "the report covers {:.0} % of the words of the brief's {} lines",
        share * 100.0,
        demands.len()
    );
    (finding, share)
}

// === impl Aspects ===

impl Aspects {
    /// `1 + 4 · min(1, (0.85 · found / full + 0.15 · rubric)) · on_topic`: found is the number of aspects, each counted by
    /// the credit of its best sentence; rubric is the coverage of the rubric's line on this parameter; on_topic shrinks
    /// the score of a text that has nothing to do with the brief.
    fn score(&self, index: &Index<'_>, rubric: &Document, on_topic: f64) -> Finding {
        let mut finding = Finding::new(self.name);
        let mut found = 0.0;
        let mut names = Vec::new();
        let mut numbers: Vec<(usize, f64)> = Vec::new();
        for (term, name) in lexicon().of(self.topic) {
            match index.strongest(&term) {
                Some((number, credit)) => {
                    found += credit;
                    names.push(name);
                    numbers.push((number, credit));
                }
                None => finding.missing.push(name.to_owned()),
            }
        }
        let line = Index::new(rubric);
        let question = lexicon().read(&self.name.replace('_', " ")).terms;
        let terms = line
            .search(&question)
            .first()
            .map(|number| lexicon().demands(&line.sentence(*number).text, self.topic));
        let rubric_coverage = terms.map_or(0.0, |terms| index.coverage(&terms).share);
        let share = (1.0 - RUBRIC_SHARE) * (found / self.full).min(1.0)
            + RUBRIC_SHARE * (rubric_coverage / 0.6).min(1.0);
        finding.score = halves(1.0 + 4.0 * share.min(1.0) * on_topic);
        numbers.sort_by(|left, right| right.1.total_cmp(&left.1).then(left.0.cmp(&right.0)));
        finding.evidence = index.quotes(numbers.into_iter().map(|(number, _)| number));
        finding.statement = if names.is_empty() {
            format!("the report says nothing on {}", self.subject)
        } else {
            format!("the report speaks of {}", names.join(", "))
        };
        if on_topic < 1.0 && !names.is_empty() {
            finding.statement += ", but has little to do with the brief";
        }
        finding
    }
}
