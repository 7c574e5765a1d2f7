//! A document as sentences, each with what it weighs as evidence.

use std::collections::HashSet;

use super::words::{Words, lexicon};
use crate::injection;
use crate::text::pieces;

/// Sentences of one document that are read; a CV has some fifty, a long report a thousand.
pub(crate) const MAX_SENTENCES: usize = 4_000;

/// Longest sentence, in bytes: longer ones are texts without a full stop, and are cut.
const MAX_SENTENCE_BYTES: usize = 1_200;

/// A document, cut into sentences.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) sentences: Vec<Sentence>,
    /// Whether there was more than [`MAX_SENTENCES`].
    pub(crate) cut: bool,
}

/// One sentence, bullet or line.
#[derive(Debug)]
pub(crate) struct Sentence {
    pub(crate) text: String,
    pub(crate) words: Words,
    pub(crate) part: Part,
    pub(crate) heading: bool,
    /// How much finding something here proves, 0..=1: see [`Sentence::credit`].
    pub(crate) credit: f64,
}

/// Under what kind of heading a sentence stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Education,
    /// What is not there: missing, planned, given more time.
    Planned,
    Optional,
    Other,
}

/// A list of keywords says that somebody knows the words; a sentence says what was done with them.
const LIST_CREDIT: f64 = 0.45;
/// What is announced is not there yet.
const PLANNED_CREDIT: f64 = 0.0;

// === impl Document ===

impl Document {
    pub(crate) fn read(text: &str) -> Self {
        let mut document = Self { sentences: Vec::new(), cut: false };
        let mut part = Part::Other;
        let mut seen = HashSet::new();
        for block in blocks(text) {
            let announced = heading(&block);
            part = announced.unwrap_or(part);
            for sentence in split_sentences(&block) {
                // The same words again prove nothing new.
                if !seen.insert(sentence.to_lowercase()) {
                    continue;
                }
                if document.sentences.len() >= MAX_SENTENCES {
                    document.cut = true;
                    return document;
                }
                document.sentences.push(Sentence::new(sentence, part, announced.is_some()));
            }
        }
        document
    }
}

// === impl Sentence ===

impl Sentence {
    fn new(text: String, part: Part, heading: bool) -> Self {
        let words = lexicon().read(&text);
        let credit = match Self::credit(&text, &words, part) {
            credit if heading => credit.min(LIST_CREDIT),
            credit => credit,
        };
        Self { text, words, part, heading, credit }
    }

    /// 1 for prose, less for lists of keywords, nothing for plans and for attempts to steer the evaluation.
    fn credit(text: &str, words: &Words, part: Part) -> f64 {
        if injection::is_suspicious(text) {
            return 0.0;
        }
        if part == Part::Planned || is_plan(text) {
            return PLANNED_CREDIT;
        }
        if is_list(text, words) { LIST_CREDIT } else { 1.0 }
    }
}

/// Mostly keywords, or many commas, and hardly a word that holds a sentence together.
fn is_list(text: &str, words: &Words) -> bool {
    let separators = text.matches([',', ';', '|', '·', '•']).count();
    let glue = words.function_words * 100 / words.total.max(1);
    let keywords = words.keywords * 100 / words.total.max(1);
    words.total >= 3
        && ((glue < 12 && (keywords > 40 || separators >= 3)) || words.keywords > 25 && glue < 20)
}

fn is_plan(text: &str) -> bool {
    const PLANS: [&str; 9] = [
        "not done",
        "not yet",
        "is missing",
        "are missing",
        "would add",
        "plan to",
        "todo",
        "to do next",
        "want to learn",
    ];
    let lower = text.to_lowercase();
    PLANS.iter().any(|plan| lower.contains(plan))
}

/// What a short line without a full stop announces, if it is a heading.
fn heading(block: &str) -> Option<Part> {
    const KNOWN: [(&str, Part); 15] = [
        ("education", Part::Education),
        ("academic", Part::Education),
        ("training", Part::Education),
        ("studies", Part::Education),
        ("missing", Part::Planned),
        ("more time", Part::Planned),
        ("future", Part::Planned),
        ("next steps", Part::Planned),
        ("todo", Part::Planned),
        ("not done", Part::Planned),
        ("roadmap", Part::Planned),
        ("good to have", Part::Optional),
        ("nice to have", Part::Optional),
        ("bonus", Part::Optional),
        ("preferred", Part::Optional),
    ];
    let marked = block.starts_with('#');
    let numbered = block.split_once(['.', ')']).is_some_and(|(number, _)| {
        !number.is_empty() && number.len() <= 2 && number.chars().all(|digit| digit.is_ascii_digit())
    });
    let title =
        block.trim_start_matches(|character: char| !character.is_alphabetic()).trim_end_matches([':', ' ']);
    let words = title.split_whitespace().count();
    let plain = words <= 6 && title.len() <= 60 && !title.ends_with(['.', '!', '?', ',', ';']);
    let bulleted = block.starts_with(['•', '-', '*', '–', '·']);
    if !plain || bulleted || words == 0 {
        return None;
    }
    let lower = title.to_lowercase();
    if let Some((_, part)) = KNOWN.iter().find(|(word, _)| lower.contains(word)) {
        return Some(*part);
    }
    let looks_like_one = marked
        || numbered
        || (words <= 4
            && !title.contains([',', '@', '(', '|'])
            && title.chars().all(|c| !c.is_ascii_digit()))
        || title.chars().filter(|c| c.is_alphabetic()).all(char::is_uppercase);
    looks_like_one.then_some(Part::Other)
}

/// Paragraphs, bullets and lines: lines that a page's width broke are joined again.
fn blocks(text: &str) -> Vec<String> {
    let mut blocks: Vec<String> = Vec::new();
    let mut open = false;
    let mut last_length = 0;
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() {
            open = false;
            continue;
        }
        let starts_item = trimmed.starts_with(['•', '-', '*', '–', '·', '#'])
            || trimmed
                .split_once(['.', ')'])
                .is_some_and(|(number, _)| number.len() <= 2 && number.parse::<u8>().is_ok());
        let previous = blocks.last_mut().filter(|_| open && !starts_item);
        let broken_off = previous.as_ref().is_some_and(|previous| {
            last_length >= 50
                && !previous.ends_with(['.', '!', '?', ':', ';'])
                && (trimmed.starts_with(|c: char| c.is_lowercase() || c.is_ascii_digit() || c == '(')
                    || last_length >= 75)
        });
        match previous {
            Some(previous) if broken_off => {
                previous.push(' ');
                previous.push_str(trimmed);
            }
            _ => blocks.push(trimmed.to_owned()),
        }
        last_length = trimmed.chars().count();
        open = true;
    }
    blocks
}

fn split_sentences(block: &str) -> Vec<String> {
    const ABBREVIATIONS: [&str; 9] = ["e.g", "i.e", "etc", "approx", "no", "dr", "mr", "mrs", "vs"];
    let block = block.trim_start_matches(['•', '-', '*', '–', '·', '#', ' ', '\t']);
    let mut sentences = Vec::new();
    let mut start = 0;
    let mut characters = block.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let Some((next_at, next)) = characters.peek().copied() else { break };
        if !matches!(character, '.' | '!' | '?') || !next.is_whitespace() {
            continue;
        }
        let last_word = block[start..at].rsplit(char::is_whitespace).next().unwrap_or_default();
        let starts_anew = block[next_at..].trim_start().starts_with(|c: char| !c.is_lowercase());
        let shortened =
            last_word.chars().count() <= 1 || ABBREVIATIONS.contains(&last_word.to_lowercase().as_str());
        // `1.` at the start numbers what follows.
        let number = last_word.parse::<u32>().is_ok() && start == 0 && at <= 3;
        if starts_anew && !shortened && !number {
            push_sentence(&block[start..next_at], &mut sentences);
            start = next_at;
        }
    }
    push_sentence(&block[start..], &mut sentences);
    sentences
}

fn push_sentence(text: &str, sentences: &mut Vec<String>) {
    let folded = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let pieces = pieces(&folded, MAX_SENTENCE_BYTES).map(str::trim);
    sentences.extend(pieces.filter(|piece| piece.chars().any(char::is_alphanumeric)).map(str::to_owned));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        Document::read(text).sentences.into_iter().map(|sentence| sentence.text).collect()
    }

    #[test]
    fn broken_lines_are_joined_and_sentences_split() {
        let text = "1. Intro\nThe service answers at once with a job id and lets its clients\npoll for the result. It uses e.g. queues.\n\
                    • Reduced cost by 3.5 %\n• Second item";
        assert_eq!(
            texts(text),
            [
                "1. Intro",
                "The service answers at once with a job id and lets its clients poll for the result.",
                "It uses e.g. queues.",
                "Reduced cost by 3.5 %",
                "Second item"
            ]
        );
    }

    #[test]
    fn lists_plans_and_repetitions_weigh_less_than_prose() {
        let text = "Go, Rust, Kafka, Docker, Kubernetes, AWS\nGo, Rust, Kafka, Docker, Kubernetes, AWS\n\
                    I built a queue in Rust that holds for years.\nWhat is missing\nTests run against a real database.";
        let document = Document::read(text);
        let credits: Vec<(usize, bool)> = document
            .sentences
            .iter()
            .map(|sentence| (sentence.words.total, sentence.credit >= 1.0))
            .collect();
        assert_eq!(credits.len(), 4, "{:?}", document.sentences);
        assert!(document.sentences[0].credit < 0.5);
        assert!(document.sentences[1].credit >= 1.0);
        assert!(document.sentences[3].credit <= 0.0);
    }
}
