//! From text to terms: words, their stems, and the concepts that several words share.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::LazyLock;

use rust_stemmers::{Algorithm, Stemmer};

/// What a concept is about; a section of `lexicon.txt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Topic {
    Tech,
    Achievement,
    Culture,
    Seniority,
    Quality,
    Resilience,
    Documentation,
    Extras,
}

/// A group of words that mean the same to an evaluator.
#[derive(Debug)]
pub(crate) struct Concept {
    /// How feedback calls it.
    pub(crate) name: &'static str,
    pub(crate) topic: Topic,
}

/// What a sentence is compared by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Term {
    /// Index into [`Lexicon::concepts`].
    Concept(usize),
    /// Stem of a word that is no stop word.
    Stem(String),
}

/// The words of one sentence.
#[derive(Debug, Default)]
pub(crate) struct Words {
    /// Each term once for every time it occurs.
    pub(crate) terms: Vec<Term>,
    /// All words, stop words included.
    pub(crate) total: usize,
    /// Words that hold a sentence together: what lists of keywords lack.
    pub(crate) function_words: usize,
    /// Words that are part of a concept.
    pub(crate) keywords: usize,
}

/// `lexicon.txt`, compiled.
pub(crate) struct Lexicon {
    pub(crate) concepts: Vec<Concept>,
    /// First stem of a phrase → the rest of the phrase and its concept.
    phrases: HashMap<String, Vec<(Vec<String>, usize)>>,
    stop_words: HashSet<&'static str>,
    stemmer: Stemmer,
}

static LEXICON: LazyLock<Lexicon> = LazyLock::new(Lexicon::compile);

/// Words before a concept, within [`NEGATION_REACH`], that say that it is absent.
const NEGATIONS: [&str; 8] = ["no", "not", "without", "lacks", "lack", "missing", "neither", "nor"];
/// How many words a negation reaches forward.
const NEGATION_REACH: usize = 2;

pub(crate) fn lexicon() -> &'static Lexicon {
    &LEXICON
}

// === impl Lexicon ===

impl Lexicon {
    fn compile() -> Self {
        let stemmer = Stemmer::create(Algorithm::English);
        let stop_words = include_str!("stopwords.txt").split_whitespace().collect();
        let mut lexicon = Self { concepts: Vec::new(), phrases: HashMap::new(), stop_words, stemmer };
        let mut topic = Topic::Tech;
        let lines = include_str!("lexicon.txt").lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(section) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                topic = Topic::named(section);
            } else if let Some((name, phrases)) = line.split_once(':') {
                lexicon.add(name, topic, phrases);
            }
        }
        // Longest first, so that `vector database` is one concept and not a database.
        for phrases in lexicon.phrases.values_mut() {
            phrases.sort_by_key(|(rest, concept)| (std::cmp::Reverse(rest.len()), *concept));
        }
        lexicon
    }

    fn add(&mut self, name: &'static str, topic: Topic, phrases: &str) {
        let concept = self.concepts.len();
        self.concepts.push(Concept { name, topic });
        for phrase in phrases.split(',') {
            let mut stems: VecDeque<String> =
                split_words(phrase).iter().map(|word| self.stem(word)).collect();
            if let Some(first) = stems.pop_front() {
                self.phrases.entry(first).or_default().push((stems.into(), concept));
            }
        }
    }

    fn stem(&self, word: &str) -> String {
        self.stemmer.stem(word).into_owned()
    }

    /// Cuts `text` into terms. Negated concepts ("no tests yet") are left out.
    pub(crate) fn read(&self, text: &str) -> Words {
        let words = split_words(text);
        let stems: Vec<String> = words.iter().map(|word| self.stem(word)).collect();
        let mut read = Words { total: words.len(), ..Words::default() };
        let mut in_concept = vec![false; words.len()];
        for start in 0..stems.len() {
            let negated = words[start.saturating_sub(NEGATION_REACH)..start]
                .iter()
                .any(|word| NEGATIONS.contains(&word.as_str()));
            let Some(phrases) = self.phrases.get(&stems[start]) else { continue };
            // One word may belong to several concepts of different topics, but to one of each topic.
            let mut topics: Vec<Topic> = Vec::new();
            for (rest, concept) in phrases {
                let end = start + 1 + rest.len();
                let topic = self.concepts[*concept].topic;
                if stems.get(start + 1..end).is_none_or(|found| found != rest.as_slice())
                    || topics.contains(&topic)
                {
                    continue;
                }
                topics.push(topic);
                in_concept[start..end].fill(true);
                if !negated {
                    read.terms.push(Term::Concept(*concept));
                }
            }
        }
        for ((word, stem), keyword) in words.iter().zip(stems).zip(in_concept) {
            let stop = self.stop_words.contains(word.as_str());
            read.function_words += usize::from(stop);
            read.keywords += usize::from(keyword);
            if !stop && !word.chars().all(|character| character.is_ascii_digit() || character == '.') {
                read.terms.push(Term::Stem(stem));
            }
        }
        read
    }

    /// The terms that a text asks for: its concepts of `topic`, and the stems of words outside any concept.
    pub(crate) fn demands(&self, text: &str, topic: Topic) -> Vec<Term> {
        let words = split_words(text);
        let mut terms = Vec::new();
        let all = self.read(text);
        for term in all.terms {
            let wanted = match &term {
                Term::Concept(concept) => self.concepts[*concept].topic == topic,
                Term::Stem(_) => true,
            };
            if wanted && !terms.contains(&term) {
                terms.push(term);
            }
        }
        // A stem that a concept already stands for would ask for one spelling among many.
        let covered: HashSet<String> = words
            .iter()
            .map(|word| self.stem(word))
            .filter(|stem| self.phrases.get(stem).is_some_and(|phrases| self.any_of(phrases, topic)))
            .collect();
        terms.retain(|term| !matches!(term, Term::Stem(stem) if covered.contains(stem)));
        terms
    }

    fn any_of(&self, phrases: &[(Vec<String>, usize)], topic: Topic) -> bool {
        phrases.iter().any(|(_, concept)| self.concepts[*concept].topic == topic)
    }

    /// The concepts of one topic, as terms.
    pub(crate) fn of(&self, topic: Topic) -> impl Iterator<Item = (Term, &'static str)> {
        let concepts = self.concepts.iter().enumerate();
        concepts
            .filter(move |(_, concept)| concept.topic == topic)
            .map(|(index, concept)| (Term::Concept(index), concept.name))
    }
}

// === impl Topic ===

impl Topic {
    fn named(section: &str) -> Self {
        match section {
            "achievement" => Self::Achievement,
            "culture" => Self::Culture,
            "seniority" => Self::Seniority,
            "quality" => Self::Quality,
            "resilience" => Self::Resilience,
            "documentation" => Self::Documentation,
            "extras" => Self::Extras,
            _ => Self::Tech,
        }
    }
}

/// Lower-case words. Marks inside a word belong to it when it is a name (`c++`, `node.js`, `p95`), hyphens and
/// slashes separate (`end-to-end` is three words, as in `end to end`).
pub(crate) fn split_words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    lower
        .split(|character: char| {
            !(character.is_alphanumeric() || matches!(character, '+' | '#' | '.' | '\'' | '’' | '_'))
        })
        .map(|word| word.trim_matches(['\'', '’', '_']).trim_end_matches('.'))
        .map(|word| word.strip_suffix("'s").or_else(|| word.strip_suffix("’s")).unwrap_or(word))
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<&'static str> {
        let lexicon = lexicon();
        let concepts = lexicon.read(text).terms.into_iter().filter_map(|term| match term {
            Term::Concept(concept) => Some(concept),
            Term::Stem(_) => None,
        });
        let tech =
            concepts.map(|concept| &lexicon.concepts[concept]).filter(|concept| concept.topic == Topic::Tech);
        tech.map(|concept| concept.name).collect()
    }

    #[test]
    fn spellings_of_one_thing_are_one_concept() {
        for text in ["PostgreSQL", "postgres", "MySQL", "relational databases"] {
            assert_eq!(names(text), ["relational database"], "{text}");
        }
        for text in ["retrieval-augmented generation", "RAG"] {
            assert!(names(text).contains(&"retrieval"), "{text}");
        }
        assert_eq!(names("a vector database"), ["vector database"]);
        assert_eq!(names("C++, C# and Node.js"), ["backend language"; 3]);
        assert_eq!(names("large language models"), ["llm", "llm"]);
    }

    #[test]
    fn what_is_negated_is_not_found() {
        assert_eq!(names("There are no tests yet"), Vec::<&str>::new());
        assert_eq!(names("shipped without any Docker"), Vec::<&str>::new());
        assert_eq!(names("tests run in Docker"), ["automated tests", "containers"]);
    }
}
