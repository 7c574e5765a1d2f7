//! Puts findings into words.

use super::finding::{Finding, QUOTE_CHARS};
use crate::text::shorten;

/// Longest feedback, in characters.
const MAX_CHARS: usize = 2_000;
/// Things named as missing from one parameter.
const MAX_MISSING: usize = 4;

/// Two to six sentences: what is strong with the words that show it, what else was found, what is weak, what is missing.
pub(crate) fn section(findings: &[Finding], ignored: usize, document: &str) -> String {
    let mut ranked: Vec<&Finding> = findings.iter().collect();
    ranked.sort_by(|left, right| right.score.total_cmp(&left.score));
    let mut text = String::new();
    if let Some(strongest) = ranked.first().filter(|finding| finding.score > 1.0) {
        text +=
            &format!("Strongest is {} ({} of 5): {}", label(strongest), strongest.score, strongest.statement);
        text += &quote(strongest);
    } else {
        text += &format!("The {document} shows nothing of what the rubric looks for.");
    }
    let weakest =
        ranked.last().filter(|weakest| ranked.first().is_some_and(|first| first.score > weakest.score));
    for finding in
        ranked.iter().skip(1).filter(|finding| weakest.is_none_or(|weakest| weakest.name != finding.name))
    {
        text += &format!(" {} ({} of 5): {}.", capital(&label(finding)), finding.score, finding.statement);
    }
    if let Some(weakest) = weakest {
        text += &format!(" Weakest is {} ({} of 5): {}", label(weakest), weakest.score, weakest.statement);
        text += &quote(weakest);
    }
    for finding in ranked.iter().rev() {
        let gaps: Vec<String> = finding
            .missing
            .iter()
            .take(MAX_MISSING)
            .map(|gap| shorten(gap.trim_end_matches('.'), 120))
            .collect();
        if !gaps.is_empty() && finding.score < 4.0 {
            text += &format!(" Not found for {}: {}.", label(finding), gaps.join("; "));
        }
    }
    if ignored > 0 {
        let passages = if ignored == 1 { "one passage".to_owned() } else { format!("{ignored} passages") };
        text +=
            &format!(" The {document} holds {passages} addressed to the evaluator, not taken as evidence.");
    }
    shorten(&text, MAX_CHARS)
}

/// Both documents in three sentences.
pub(crate) fn summary(cv_match_rate: f64, project_score: f64, cv: &[Finding], project: &[Finding]) -> String {
    let fit = match cv_match_rate {
        rate if rate >= 0.8 => "a strong match",
        rate if rate >= 0.6 => "a fair match",
        rate if rate >= 0.4 => "a partial match",
        _ => "hardly a match",
    };
    let work = match project_score {
        score if score >= 8.0 => "convincing",
        score if score >= 6.0 => "solid with gaps",
        score if score >= 4.0 => "a start",
        _ => "far from what the brief asks",
    };
    let carried = |findings: &[Finding]| {
        let best = findings
            .iter()
            .max_by(|left, right| left.score.total_cmp(&right.score).then(std::cmp::Ordering::Greater));
        best.filter(|best| best.score >= 3.0)
            .map(|best| format!(", carried by {}", label(best)))
            .unwrap_or_default()
    };
    let gap = cv.iter().chain(project).min_by(|left, right| left.score.total_cmp(&right.score));
    let gap = gap.filter(|gap| gap.score < 4.0);
    let gap = gap.map(|gap| format!(" The largest gap is {}.", label(gap))).unwrap_or_default();
    format!(
        "The CV is {fit} for the job ({cv_match_rate:.2} of 1){}. The project is {work} ({project_score:.2} of 10){}.{gap} These scores were computed from words found in the documents; a person should read them too.",
        carried(cv),
        carried(project)
    )
}

fn quote(finding: &Finding) -> String {
    match finding.evidence.first() {
        Some(sentence) => format!(", as in “{}”.", shorten(sentence.trim_end_matches('.'), QUOTE_CHARS)),
        None => ".".to_owned(),
    }
}

fn label(finding: &Finding) -> String {
    finding.name.replace('_', " ")
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}
