//! What of a long reference text is sent.

use std::sync::Arc;
use std::time::Duration;

use cv_scoring::{ApiKey, EmbeddingsConfig, Scored, Scorer};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::provider::Provider;
use crate::{KEY, case, config, soon};

pub(crate) const TELLING: &str = "Whoever builds queues in Go for years will like it here";

/// A job of 150 lines about gardens, one of which is about queues.
pub(crate) fn long_job() -> String {
    let line = |number: usize| match number {
        75 => TELLING.to_owned(),
        _ => format!("Flowerbed number {number} wants watering by somebody with patience and a straw hat"),
    };
    (0..150).map(|number| line(number) + "\n").collect()
}

fn scorer(provider: &Provider, model: Option<&str>) -> Scorer {
    let mut config = config(provider);
    config.max_reference_chars = 2000;
    config.embeddings =
        model.map(|model| EmbeddingsConfig::new(&provider.base_url, Some(ApiKey::new(KEY)), model));
    Scorer::openai(config).expect("scorer")
}

async fn score(scorer: &Scorer) -> Scored {
    let mut case = case();
    case.job_description = Some(long_job());
    case.scoring_rubric = Some("Judge well.".to_owned());
    scorer.score(&case, soon(), &CancellationToken::new()).await.expect("a score")
}

/// Bodies of the requests to this path.
pub(crate) fn sent(provider: &Provider, path: &str) -> Vec<Value> {
    provider.with_seen(|seen| {
        seen.iter().filter(|request| request.path == path).map(|request| request.body.clone()).collect()
    })
}

pub(crate) fn job_in_prompt(provider: &Provider) -> String {
    let asked = sent(provider, "/v1/chat/completions");
    let text = asked[0]["messages"][1]["content"].as_str().expect("text").to_owned();
    text.split("<<<RUBRIC").next().expect("a part").to_owned()
}

#[tokio::test]
async fn without_embeddings_words_choose() {
    let provider = Provider::start(Vec::new()).await;
    let scored = score(&scorer(&provider, None)).await;
    let job = job_in_prompt(&provider);
    assert!(job.contains(TELLING) && job.contains("[…]"), "{job}");
    assert!(job.chars().count() < 2200, "{}", job.chars().count());
    assert!(sent(&provider, "/v1/embeddings").is_empty());
    let note = scored.receipt.notes.iter().find(|note| note.contains("job description")).expect("a note");
    assert!(note.contains("of 150 passages") && note.contains("chosen by words"), "{note}");
}

#[tokio::test]
async fn short_references_are_sent_whole_and_nothing_is_embedded() {
    let provider = Provider::start(Vec::new()).await;
    let scored =
        scorer(&provider, Some("vectors")).score(&case_short(), soon(), &CancellationToken::new()).await;
    assert!(scored.expect("a score").receipt.notes.is_empty());
    assert!(job_in_prompt(&provider).contains("Short and sweet."));
    assert!(sent(&provider, "/v1/embeddings").is_empty());
}

fn case_short() -> cv_scoring::Case {
    let mut case = case();
    for text in [&mut case.job_description, &mut case.study_case_brief, &mut case.scoring_rubric] {
        *text = Some("Short and sweet.".to_owned());
    }
    case
}

#[tokio::test]
async fn w20_embeddings_go_by_the_hundred_and_are_asked_for_once() {
    let provider = Provider::start(Vec::new()).await;
    let scorer = scorer(&provider, Some("vectors"));
    let scored = score(&scorer).await;
    assert!(job_in_prompt(&provider).contains(TELLING));
    let asked = sent(&provider, "/v1/embeddings");
    let sizes: Vec<usize> = asked.iter().map(|body| body["input"].as_array().expect("texts").len()).collect();
    // 150 passages and one part of the CV, then the second section's short brief needs none.
    assert_eq!(sizes.first(), Some(&100), "{sizes:?}");
    assert!(sizes.iter().all(|size| *size <= 100), "{sizes:?}");
    assert_eq!(asked[0]["model"], "vectors");
    assert!(scored.receipt.notes.iter().any(|note| note.contains("chosen by meaning")));
    score(&scorer).await;
    assert_eq!(sent(&provider, "/v1/embeddings").len(), asked.len(), "kept");
}

#[tokio::test]
async fn w20_many_cases_at_once_ask_for_the_same_vectors_once() {
    let provider = Provider::start(Vec::new()).await;
    let alone = scorer(&provider, Some("vectors"));
    score(&alone).await;
    let expected = sent(&provider, "/v1/embeddings").len();

    let provider = Provider::start(Vec::new()).await;
    let together = Arc::new(scorer(&provider, Some("vectors")));
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let scorer = Arc::clone(&together);
            tokio::spawn(async move { score(&scorer).await })
        })
        .collect();
    for task in tasks {
        task.await.expect("a score");
    }
    assert_eq!(sent(&provider, "/v1/embeddings").len(), expected);
}

#[tokio::test]
async fn vectors_that_are_too_old_or_too_many_are_asked_for_again() {
    let provider = Provider::start(Vec::new()).await;
    for (entries, ttl) in [(1, Duration::from_secs(60)), (2048, Duration::ZERO)] {
        let mut config = config(&provider);
        config.max_reference_chars = 2000;
        let mut embeddings = EmbeddingsConfig::new(&provider.base_url, None, "vectors");
        (embeddings.cache_entries, embeddings.cache_ttl) = (entries, ttl);
        config.embeddings = Some(embeddings);
        let scorer = Scorer::openai(config).expect("scorer");
        score(&scorer).await;
        let first = sent(&provider, "/v1/embeddings").len();
        score(&scorer).await;
        assert!(sent(&provider, "/v1/embeddings").len() > first, "{entries} {ttl:?}");
    }
}

#[tokio::test]
async fn w19_embeddings_that_fail_or_change_dimension_are_not_used_and_said_so() {
    for model in ["broken", "uneven"] {
        let provider = Provider::start(Vec::new()).await;
        let scored = score(&scorer(&provider, Some(model))).await;
        let notes = scored.receipt.notes.join("\n");
        assert!(notes.contains("could not be had") && notes.contains("chosen by words"), "{model}: {notes}");
        assert!(job_in_prompt(&provider).contains(TELLING));
    }
}
