//! Passages in Qdrant. The ignored tests need its search: `scripts/qdrant` runs them.

use std::time::{Duration, Instant};

use cv_scoring::{EmbeddingsConfig, QdrantConfig, QdrantError, Scored, Scorer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::provider::Provider;
use crate::retrieval::{TELLING, job_in_prompt, long_job, sent};
use crate::{case, config, soon};

fn scorer(provider: &Provider, model: &str, qdrant: Option<QdrantConfig>) -> Scorer {
    let mut config = config(provider);
    config.max_reference_chars = 2000;
    let mut embeddings = EmbeddingsConfig::new(&provider.base_url, None, model);
    embeddings.qdrant = qdrant;
    config.embeddings = Some(embeddings);
    Scorer::openai(config).expect("scorer")
}

async fn score(scorer: &Scorer) -> Scored {
    let mut case = case();
    case.job_description = Some(long_job());
    case.study_case_brief = Some("Build it.".to_owned());
    case.scoring_rubric = Some("Judge well.".to_owned());
    scorer.score(&case, soon(), &CancellationToken::new()).await.expect("a score")
}

/// The job's passages in the prompt, without the marks around them, which differ each time.
fn passages_sent(provider: &Provider) -> String {
    let text = job_in_prompt(provider);
    text.lines().filter(|line| line.starts_with("Flowerbed") || line.starts_with(TELLING)).collect()
}

/// A server that reads each request and gives this answer, or none at all.
async fn server(answer: Option<&'static str>) -> QdrantConfig {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let mut config = QdrantConfig::new(format!("http://{}", listener.local_addr().expect("address")));
    config.timeout = Duration::from_millis(300);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 65_536];
                while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                    match answer {
                        None => std::future::pending::<()>().await,
                        Some(body) => {
                            let head =
                                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ";
                            let text = format!("{head}{}\r\n\r\n{body}", body.len());
                            drop(stream.write_all(text.as_bytes()).await);
                        }
                    }
                }
            });
        }
    });
    config
}

const THREE: &str =
    r#"{"result":{"points_count":7,"config":{"params":{"vectors":{"size":3,"distance":"Cosine"}}}}}"#;

#[tokio::test]
async fn w18_a_store_that_fails_is_done_without_and_the_receipt_says_so() {
    let provider = Provider::start(Vec::new()).await;
    let expected = {
        score(&scorer(&provider, "vectors", None)).await;
        passages_sent(&provider)
    };
    assert!(expected.contains(TELLING));
    let nobody = QdrantConfig::new("http://127.0.0.1:1");
    for (qdrant, why) in [
        (nobody, "no connection"),
        (server(None).await, "no answer in time"),
        (server(Some("<html>")).await, "no JSON"),
        (server(Some(THREE)).await, "holds vectors of 3 dimensions"),
    ] {
        let provider = Provider::start(Vec::new()).await;
        let scorer = scorer(&provider, "vectors", Some(qdrant));
        let started = Instant::now();
        let notes = score(&scorer).await.receipt.notes.join("\n");
        assert!(notes.contains(why) && notes.contains("compared in memory"), "{why}: {notes}");
        assert!(notes.contains("chosen by meaning"), "{notes}");
        assert_eq!(passages_sent(&provider), expected, "{why}");
        assert!(
            scorer.vector_store().expect("configured").contains("compared in memory")
                || why.contains("dimensions")
        );
        assert!(started.elapsed() < Duration::from_secs(20), "{why}");
    }
}

#[tokio::test]
async fn w19_a_collection_of_another_dimension_is_refused_before_the_start() {
    let provider = Provider::start(Vec::new()).await;
    let scorer = scorer(&provider, "vectors", Some(server(Some(THREE)).await));
    let refused = scorer.prepare(soon()).await.expect_err("refused");
    assert_eq!(
        refused,
        QdrantError::WrongDimension { collection: "plimsoll_passages".into(), found: 3, wanted: 64 }
    );
    assert!(refused.to_string().contains("QDRANT_COLLECTION"));
}

/// The store of `scripts/qdrant`, and a collection of the test's own.
fn real(collection: &str) -> QdrantConfig {
    let url = std::env::var("QDRANT_TEST_URL").expect("run scripts/qdrant");
    let mut config = QdrantConfig::new(url);
    config.collection = format!("{collection}-{}", std::process::id());
    config
}

#[tokio::test]
#[ignore = "needs Qdrant: scripts/qdrant"]
async fn w18_qdrant_finds_what_memory_finds_and_keeps_it_for_the_next_process() {
    let provider = Provider::start(Vec::new()).await;
    score(&scorer(&provider, "vectors", None)).await;
    let expected = passages_sent(&provider);

    let provider = Provider::start(Vec::new()).await;
    let first = scorer(&provider, "vectors", Some(real("kept")));
    assert_eq!(first.prepare(soon()).await.expect("made"), Some(0));
    let notes = score(&first).await.receipt.notes.join("\n");
    assert!(notes.contains("chosen by meaning") && !notes.contains("in memory"), "{notes}");
    assert_eq!(passages_sent(&provider), expected);
    // Every passage of the job once; the brief and the rubric are sent whole.
    assert_eq!(first.points(), Some(150));
    assert!(first.vector_store().expect("configured").starts_with("150 points in kept"));

    // Another process: nothing in memory, and only the document's own parts are asked for.
    let provider = Provider::start(Vec::new()).await;
    let second = scorer(&provider, "vectors", Some(real("kept")));
    assert_eq!(second.prepare(soon()).await.expect("found"), Some(150));
    score(&second).await;
    assert_eq!(passages_sent(&provider), expected);
    let texts: usize = sent(&provider, "/v1/embeddings")
        .iter()
        .map(|body| body["input"].as_array().expect("texts").len())
        .sum();
    assert!(texts < 10, "{texts}");
    assert_eq!(second.points(), Some(150));
}

#[tokio::test]
#[ignore = "needs Qdrant: scripts/qdrant"]
async fn w19_qdrant_with_vectors_of_another_model_is_refused() {
    let provider = Provider::start(Vec::new()).await;
    let store = real("other");
    scorer(&provider, "vectors", Some(store.clone())).prepare(soon()).await.expect("made");
    let refused = scorer(&provider, "short", Some(store)).prepare(soon()).await.expect_err("refused");
    assert!(matches!(refused, QdrantError::WrongDimension { found: 64, wanted: 32, .. }), "{refused}");
}

#[tokio::test]
#[ignore = "needs Qdrant: scripts/qdrant"]
async fn w18_many_at_once_make_one_collection_and_each_passage_once_in_qdrant() {
    let provider = Provider::start(Vec::new()).await;
    let store = real("together");
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let scorer = scorer(&provider, "vectors", Some(store.clone()));
            tokio::spawn(async move { score(&scorer).await.receipt.notes.join("\n") })
        })
        .collect();
    for task in tasks {
        let notes = task.await.expect("a score");
        assert!(!notes.contains("in memory"), "{notes}");
    }
    assert_eq!(scorer(&provider, "vectors", Some(store)).prepare(soon()).await.expect("there"), Some(150));
}
