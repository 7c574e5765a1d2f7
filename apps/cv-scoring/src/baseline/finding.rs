//! A scored parameter with what led to the score.

use std::collections::HashMap;

use super::retrieval::Index;
use crate::rubric::{Line, MAX_SCORE, MIN_SCORE};
use crate::scored::Parameter;
use crate::text::shorten;

/// A scored parameter before it becomes part of an answer.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) name: &'static str,
    pub(crate) score: f64,
    /// Sentences of the document, the most telling first.
    pub(crate) evidence: Vec<String>,
    /// One clause that says what was found.
    pub(crate) statement: String,
    /// What was looked for and not found.
    pub(crate) missing: Vec<String>,
}

/// Quotes kept of one parameter.
const MAX_QUOTES: usize = 5;
/// Longest quote, in characters.
pub(crate) const QUOTE_CHARS: usize = 240;

// === impl Finding ===

impl Finding {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, score: MIN_SCORE, evidence: Vec::new(), statement: String::new(), missing: Vec::new() }
    }

    /// Keeps the sentences that answer most questions.
    pub(crate) fn quote_most_common(&mut self, index: &Index<'_>, numbers: &[usize]) {
        let mut counts: HashMap<usize, usize> = HashMap::new();
        for number in numbers {
            *counts.entry(*number).or_default() += 1;
        }
        let mut ranked: Vec<(usize, usize)> = counts.into_iter().collect();
        ranked.sort_by_key(|(number, count)| {
            let proves = index.sentence(*number).credit >= 1.0;
            (std::cmp::Reverse((proves, *count)), *number)
        });
        self.evidence = index.quotes(ranked.into_iter().map(|(number, _)| number));
    }

    pub(crate) fn parameter(&self, line: &Line) -> Parameter {
        let mut evidence: Vec<String> =
            self.evidence.iter().take(MAX_QUOTES).map(|quote| shorten(quote, QUOTE_CHARS)).collect();
        if evidence.is_empty() || self.score <= MIN_SCORE {
            evidence.clear();
            evidence.push(self.statement.clone());
        }
        Parameter {
            section: line.section,
            name: line.name.to_owned(),
            weight: line.weight,
            score: self.score,
            evidence,
        }
    }
}

/// Within 1..=5, in half points: evidence by words carries no finer judgement.
pub(crate) fn halves(score: f64) -> f64 {
    ((score * 2.0).round() / 2.0).clamp(MIN_SCORE, MAX_SCORE)
}
