//! Finds the sentences of a document that speak about something (BM25), and how much of it they cover.

use std::collections::{HashMap, HashSet};

use super::document::{Document, Sentence};
use super::words::Term;

/// Saturation of repeated terms, and how strongly long sentences are discounted: the usual values.
const K1: f64 = 1.2;
const B: f64 = 0.75;
/// Sentences looked at for one question.
const TOP: usize = 6;
/// What a concept weighs in a question, where a plain word weighs 1.
const CONCEPT_WEIGHT: f64 = 4.0;

/// An index over the sentences of one document.
pub(crate) struct Index<'a> {
    pub(crate) document: &'a Document,
    postings: HashMap<&'a Term, Vec<(usize, f64)>>,
    average_length: f64,
}

/// How well a document covers what was asked.
#[derive(Debug, Default)]
pub(crate) struct Coverage {
    /// Weighted share of the terms that were found, each counted by the credit of the best sentence it is in: 0..=1.
    pub(crate) share: f64,
    /// Terms that were found, and in which sentence.
    pub(crate) found: Vec<(Term, usize)>,
}

// === impl Index ===

impl<'a> Index<'a> {
    pub(crate) fn new(document: &'a Document) -> Self {
        let mut postings: HashMap<&Term, Vec<(usize, f64)>> = HashMap::new();
        let mut total = 0;
        for (number, sentence) in document.sentences.iter().enumerate() {
            let mut counts: HashMap<&Term, f64> = HashMap::new();
            for term in &sentence.words.terms {
                *counts.entry(term).or_default() += 1.0;
            }
            total += sentence.words.terms.len();
            for (term, count) in counts {
                postings.entry(term).or_default().push((number, count));
            }
        }
        let average_length = total as f64 / document.sentences.len().max(1) as f64;
        Self { document, postings, average_length }
    }

    /// The best sentences for `terms`, best first; sentences that prove nothing are not among them.
    pub(crate) fn search(&self, terms: &[Term]) -> Vec<usize> {
        let count = self.document.sentences.len() as f64;
        let mut scores: HashMap<usize, f64> = HashMap::new();
        for term in terms {
            let Some(postings) = self.postings.get(term) else { continue };
            let frequency = postings.len() as f64;
            let rarity = (1.0 + (count - frequency + 0.5) / (frequency + 0.5)).ln();
            for (number, times) in postings {
                let length = self.sentence(*number).words.terms.len() as f64 / self.average_length.max(1.0);
                let saturated = times * (K1 + 1.0) / (times + K1 * (1.0 - B + B * length));
                *scores.entry(*number).or_default() += rarity * saturated * weight(term);
            }
        }
        let mut ranked: Vec<(usize, f64)> = scores
            .into_iter()
            .map(|(number, score)| (number, score * self.sentence(number).credit))
            .filter(|(_, score)| *score > 0.0)
            .collect();
        ranked.sort_by(|left, right| right.1.total_cmp(&left.1).then(left.0.cmp(&right.0)));
        ranked.into_iter().take(TOP).map(|(number, _)| number).collect()
    }

    /// How much of `terms` the best sentences cover.
    pub(crate) fn coverage(&self, terms: &[Term]) -> Coverage {
        let best = self.search(terms);
        let mut coverage = Coverage::default();
        let mut total = 0.0;
        let mut covered = 0.0;
        for term in terms {
            total += weight(term);
            let places =
                best.iter().copied().filter(|number| self.sentence(*number).words.terms.contains(term));
            let strongest = places.max_by(|left, right| {
                self.sentence(*left).credit.total_cmp(&self.sentence(*right).credit).then(right.cmp(left))
            });
            if let Some(number) = strongest {
                covered += weight(term) * self.sentence(number).credit;
                coverage.found.push((term.clone(), number));
            }
        }
        coverage.share = if total > 0.0 { covered / total } else { 0.0 };
        coverage
    }

    /// Credit of the best sentence that holds `term`, and that sentence.
    pub(crate) fn strongest(&self, term: &Term) -> Option<(usize, f64)> {
        self.strongest_where(term, &|_| true)
    }

    /// Like [`Index::strongest`], among the sentences that `admit` lets through.
    pub(crate) fn strongest_where(&self, term: &Term, admit: &dyn Fn(usize) -> bool) -> Option<(usize, f64)> {
        let postings = self.postings.get(term)?;
        let credits = postings.iter().map(|(number, _)| (*number, self.sentence(*number).credit));
        credits
            .filter(|(number, credit)| *credit > 0.0 && admit(*number))
            .max_by(|left, right| left.1.total_cmp(&right.1).then(right.0.cmp(&left.0)))
    }

    pub(crate) fn sentence(&self, number: usize) -> &'a Sentence {
        &self.document.sentences[number]
    }

    /// The texts of these sentences, each once, in the given order.
    pub(crate) fn quotes(&self, numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
        let mut seen = HashSet::new();
        numbers
            .into_iter()
            .filter(|number| seen.insert(*number))
            .map(|number| self.sentence(number).text.clone())
            .collect()
    }
}

fn weight(term: &Term) -> f64 {
    match term {
        Term::Concept(_) => CONCEPT_WEIGHT,
        Term::Stem(_) => 1.0,
    }
}
