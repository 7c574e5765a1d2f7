//! What of the job description, the brief and the rubric goes into a prompt: all of it when it is short, else the
//! passages that have most to do with the document, in their own order.
//!
//! By meaning when there is a model for embeddings: a passage counts by its greatest cosine with any part of the
//! document. Otherwise by words: the sum over the document's distinct terms in it, rare ones counting more.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::client::{Bounds, Tally};
use super::embeddings::{Embeddings, cosine};
use super::qdrant::Qdrant;
use crate::baseline::words::{Term, lexicon};
use crate::rubric::lines;
use crate::scored::Section;
use crate::text::pieces;
use crate::{Case, QdrantError, ScoreError};

/// Chooses passages.
#[derive(Debug)]
pub(crate) struct Retrieval {
    max_chars: usize,
    embeddings: Option<Embeddings>,
    qdrant: Option<Qdrant>,
}

/// What a document is measured with, as it will stand in the prompt.
#[derive(Debug)]
pub(crate) struct References {
    /// Job description or brief.
    pub(crate) measure: String,
    pub(crate) rubric: String,
}

/// Longest passage, in bytes.
const PASSAGE_BYTES: usize = 500;
/// Passages of a text that are looked at.
const MAX_PASSAGES: usize = 400;
/// Parts of a document that are compared with passages.
const MAX_QUERY_PARTS: usize = 40;
/// Stands between passages that were not neighbours.
const GAP: &str = "[…]";

// === impl Retrieval ===

impl Retrieval {
    pub(crate) fn new(max_chars: usize, embeddings: Option<Embeddings>, qdrant: Option<Qdrant>) -> Self {
        Self { max_chars, embeddings, qdrant }
    }

    /// Learns the dimension of the model and makes the vector store ready for it.
    pub(crate) async fn prepare(&self, deadline: Instant) -> Result<Option<u64>, QdrantError> {
        let (Some(embeddings), Some(qdrant)) = (&self.embeddings, &self.qdrant) else { return Ok(None) };
        let cancel = CancellationToken::new();
        let bounds = Bounds { deadline, cancel: &cancel };
        let probe = embeddings.of(&["dimension"], bounds, &mut Tally::default()).await;
        let probe =
            probe.map_err(|_| QdrantError::Unavailable { why: "the embedding model does not answer" })?;
        qdrant.prepare(probe[0].len()).await?;
        Ok(Some(qdrant.points()))
    }

    pub(crate) fn vector_store(&self) -> Option<String> {
        self.qdrant.as_ref().map(Qdrant::status)
    }

    pub(crate) fn points(&self) -> Option<u64> {
        self.qdrant.as_ref().map(Qdrant::points)
    }

    /// The texts for one section, reduced where they are long; a note says by how much and how.
    ///
    /// An endpoint for embeddings that fails does not fail the case: words decide, and the note says that.
    pub(crate) async fn references(
        &self,
        case: &Case,
        section: Section,
        document: &str,
        bounds: Bounds<'_>,
        tally: &mut Tally,
        notes: &mut Vec<String>,
    ) -> Result<References, ScoreError> {
        let (name, measure) = match section {
            Section::Cv => ("job description", case.job_description()),
            Section::Project => ("study case brief", case.study_case_brief()),
        };
        // The rubric is asked for what it says about this section's parameters.
        let questions: String = lines(section)
            .map(|line| format!("{}: {}?\n", line.name.replace('_', " "), line.question))
            .collect();
        let measure = self.reduce(name, measure, document, bounds, tally, notes).await?;
        let rubric =
            self.reduce("scoring rubric", case.scoring_rubric(), &questions, bounds, tally, notes).await?;
        Ok(References { measure, rubric })
    }

    async fn reduce(
        &self,
        name: &str,
        text: &str,
        query: &str,
        bounds: Bounds<'_>,
        tally: &mut Tally,
        notes: &mut Vec<String>,
    ) -> Result<String, ScoreError> {
        if text.chars().count() <= self.max_chars {
            return Ok(text.to_owned());
        }
        let all = passages(text);
        let parts: Vec<&str> = passages(query).into_iter().take(MAX_QUERY_PARTS).collect();
        let by_meaning = match &self.embeddings {
            None => None,
            Some(embeddings) => {
                match self.by_meaning(embeddings, (name, &all), &parts, bounds, tally, notes).await {
                    Ok(scores) => Some(scores),
                    Err(error @ (ScoreError::Cancelled | ScoreError::DeadlineExceeded)) => return Err(error),
                    Err(error) => {
                        tracing::warn!(%error, "no embeddings, passages are chosen by their words");
                        notes.push(format!("the embeddings of the {name} could not be had: {error}"));
                        None
                    }
                }
            }
        };
        let how = if by_meaning.is_some() { "meaning" } else { "words" };
        let scores = by_meaning.unwrap_or_else(|| by_words(&all, query));
        let (reduced, kept) = best(&all, &scores, self.max_chars);
        notes.push(format!("{kept} of {} passages of the {name} were sent, chosen by {how}", all.len()));
        Ok(reduced)
    }

    /// How much each passage has to do with the document. A vector store that fails costs a note and no more: the vectors are
    /// compared in memory then.
    async fn by_meaning(
        &self,
        embeddings: &Embeddings,
        (name, passages): (&str, &[&str]),
        parts: &[&str],
        bounds: Bounds<'_>,
        tally: &mut Tally,
        notes: &mut Vec<String>,
    ) -> Result<Vec<f64>, ScoreError> {
        if let Some(qdrant) = &self.qdrant {
            match in_qdrant(qdrant, embeddings, passages, parts, bounds, tally).await? {
                Ok(scores) => return Ok(scores),
                Err(error) => {
                    tracing::warn!(%error, "the vector store fails, vectors are compared in memory");
                    notes.push(format!("{error}; passages of the {name} were compared in memory"));
                }
            }
        }
        in_memory(embeddings, passages, parts, bounds, tally).await
    }
}

/// With the passages' vectors in the store: only those it does not have yet are asked for.
async fn in_qdrant(
    qdrant: &Qdrant,
    embeddings: &Embeddings,
    passages: &[&str],
    parts: &[&str],
    bounds: Bounds<'_>,
    tally: &mut Tally,
) -> Result<Result<Vec<f64>, QdrantError>, ScoreError> {
    let asked = embeddings.of(parts, bounds, tally).await?;
    let Some(dimension) = asked.first().map(|vector| vector.len()) else {
        return Ok(Ok(vec![0.0; passages.len()]));
    };
    let (model, ready) = (embeddings.model(), qdrant.prepare(dimension).await);
    let missing = match ready {
        Ok(()) => qdrant.missing(model, passages).await,
        Err(error) => Err(error),
    };
    let missing = match missing {
        Ok(missing) => missing,
        Err(error) => return Ok(Err(error)),
    };
    let vectors = embeddings.of(&missing, bounds, tally).await?;
    if let Err(error) = qdrant.store(model, &missing, &vectors).await {
        return Ok(Err(error));
    }
    Ok(qdrant.nearest(model, passages, &asked).await)
}

/// With all vectors in memory.
async fn in_memory(
    embeddings: &Embeddings,
    passages: &[&str],
    parts: &[&str],
    bounds: Bounds<'_>,
    tally: &mut Tally,
) -> Result<Vec<f64>, ScoreError> {
    let texts: Vec<&str> = passages.iter().chain(parts).copied().collect();
    let vectors = embeddings.of(&texts, bounds, tally).await?;
    let (passages, parts) = vectors.split_at(passages.len());
    let nearest = |passage| parts.iter().map(|part| cosine(passage, part)).fold(-1.0, f64::max);
    Ok(passages.iter().map(|passage| nearest(passage)).collect())
}

fn by_words(passages: &[&str], query: &str) -> Vec<f64> {
    let lexicon = lexicon();
    let asked: HashSet<Term> = lexicon.read(query).terms.into_iter().collect();
    let terms: Vec<HashSet<Term>> =
        passages.iter().map(|passage| lexicon.read(passage).terms.into_iter().collect()).collect();
    let mut frequency: HashMap<&Term, f64> = HashMap::new();
    for term in terms.iter().flatten() {
        *frequency.entry(term).or_default() += 1.0;
    }
    let count = passages.len() as f64;
    let rarity = |term: &Term| (1.0 + count / frequency.get(term).copied().unwrap_or(1.0)).ln();
    let score = |terms: &HashSet<Term>| {
        // Sorted, so that the sum is the same to the last bit whatever the set's order is.
        let mut shares: Vec<f64> = terms.intersection(&asked).map(rarity).collect();
        shares.sort_by(f64::total_cmp);
        shares.into_iter().fold(0.0, |sum, share| sum + share) / (4.0 + terms.len() as f64).sqrt()
    };
    terms.iter().map(score).collect()
}

/// The best passages that fit, in the order of the text, and how many they are.
fn best(passages: &[&str], scores: &[f64], max_chars: usize) -> (String, usize) {
    let mut ranked: Vec<usize> = (0..passages.len()).collect();
    ranked.sort_by(|left, right| scores[*right].total_cmp(&scores[*left]).then(left.cmp(right)));
    let mut left = max_chars;
    let mut kept = Vec::new();
    for number in ranked {
        let chars = passages[number].chars().count() + GAP.len() + 2;
        if chars > left {
            break;
        }
        left -= chars;
        kept.push(number);
    }
    kept.sort_unstable();
    let mut text = String::new();
    let mut next = 0;
    for number in &kept {
        if *number != next {
            text += GAP;
            text.push('\n');
        }
        text += passages[*number].trim();
        text.push('\n');
        next = number + 1;
    }
    (text, kept.len())
}

/// Lines, and pieces of long ones; bounded.
fn passages(text: &str) -> Vec<&str> {
    let lines = text.lines().map(str::trim).filter(|line| line.chars().any(char::is_alphanumeric));
    lines.flat_map(|line| pieces(line, PASSAGE_BYTES)).take(MAX_PASSAGES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_choose_the_passages_that_the_document_speaks_of() {
        let text = "Pastry and sugar work\nQueues in Rust with PostgreSQL\nA garden with roses\nRust services on Kafka";
        let all = passages(text);
        let scores = by_words(&all, "I built queues in Rust on Kafka and PostgreSQL.");
        let (reduced, kept) = best(&all, &scores, 75);
        assert_eq!(kept, 2);
        assert_eq!(reduced, "[…]\nQueues in Rust with PostgreSQL\n[…]\nRust services on Kafka\n");
    }
}
