//! Passages in Qdrant, over its REST interface: their vectors outlive the process and are shared by all workers, and the
//! search among them is Qdrant's.
//!
//! A point is one passage under one model: its id is a UUIDv5 of both, so that storing it twice stores it once. Its payload
//! is the passage's digest; no words are stored.

use std::collections::HashMap;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::config::QdrantConfig;
use crate::text::shorten;
use crate::{ConfigError, QdrantError};

/// Points in one request.
const BATCH: usize = 100;
/// Largest answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 16 << 20;
/// Longest part of an answer that is passed on, in characters.
const MAX_MESSAGE_CHARS: usize = 200;
/// Namespace of the points' ids: an arbitrary number of ours.
const NAMESPACE: Uuid = Uuid::from_u128(0x1f6b_5a3e_6c0d_5d1b_9a44_7c0e_2f9d_8b17);

/// The vector store.
#[derive(Debug)]
pub(crate) struct Qdrant {
    http: reqwest::Client,
    base: reqwest::Url,
    config: QdrantConfig,
    /// The dimension that the collection was found or made with.
    ready: Mutex<Option<usize>>,
    points: AtomicU64,
    /// What the last request failed with, if it did.
    failing: std::sync::Mutex<Option<QdrantError>>,
}

// === impl Qdrant ===

impl Qdrant {
    pub(crate) fn new(config: QdrantConfig) -> Result<Self, ConfigError> {
        let wrong = |setting, why: &str| ConfigError { setting, why: why.to_owned() };
        let base = format!("{}/", config.url.trim_end_matches('/'));
        let base = reqwest::Url::parse(&base).map_err(|_| wrong("qdrant_url", "is no address"))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(wrong("qdrant_url", "must begin with http:// or https:// and name a host"));
        }
        let sane = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        if config.collection.is_empty() || !config.collection.bytes().all(sane) {
            return Err(wrong("qdrant_collection", "must be letters, digits, _ and -"));
        }
        let mut builder = reqwest::Client::builder()
            .timeout(config.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never());
        if matches!(base.host_str(), Some("127.0.0.1" | "localhost" | "[::1]")) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| wrong("tls", &error.to_string()))?;
        Ok(Self {
            http,
            base,
            config,
            ready: Mutex::new(None),
            points: AtomicU64::new(0),
            failing: std::sync::Mutex::default(),
        })
    }

    /// Points in the collection when last counted.
    pub(crate) fn points(&self) -> u64 {
        self.points.load(Ordering::Relaxed)
    }

    /// Finds the collection, or makes it, for vectors of this dimension.
    ///
    /// # Errors
    /// [`QdrantError::WrongDimension`] when it was made for others; [`QdrantError::Unavailable`] when Qdrant does not answer.
    pub(crate) async fn prepare(&self, dimension: usize) -> Result<(), QdrantError> {
        let mut ready = self.ready.lock().await;
        if *ready == Some(dimension) {
            return Ok(());
        }
        let found = match self.call(Method::GET, "", None).await? {
            Some(found) => found,
            None => {
                let vectors = json!({ "vectors": { "size": dimension, "distance": "Cosine" } });
                match self.call(Method::PUT, "", Some(vectors)).await {
                    // Another worker was faster, or it was made by this call: either way it is looked at below.
                    Ok(_) | Err(QdrantError::Refused { status: 409 | 400, .. }) => {}
                    Err(error) => return Err(error),
                }
                self.call(Method::GET, "", None)
                    .await?
                    .ok_or_else(|| unavailable("the collection is gone"))?
            }
        };
        let size = found["config"]["params"]["vectors"]["size"].as_u64().unwrap_or_default();
        if size != dimension as u64 {
            let collection = self.config.collection.clone();
            return Err(QdrantError::WrongDimension { collection, found: size, wanted: dimension as u64 });
        }
        self.points.store(found["points_count"].as_u64().unwrap_or_default(), Ordering::Relaxed);
        *ready = Some(dimension);
        Ok(())
    }

    /// Counts the points.
    ///
    /// # Errors
    /// When Qdrant does not answer.
    pub(crate) async fn count(&self) -> Result<u64, QdrantError> {
        let counted = self.call(Method::POST, "/points/count", Some(json!({ "exact": true }))).await?;
        let points = counted.unwrap_or_default()["count"].as_u64().unwrap_or_default();
        self.points.store(points, Ordering::Relaxed);
        Ok(points)
    }

    /// Which of the passages are not there yet.
    pub(crate) async fn missing<'t>(
        &self,
        model: &str,
        passages: &[&'t str],
    ) -> Result<Vec<&'t str>, QdrantError> {
        let mut missing: Vec<&str> = Vec::new();
        for batch in passages.chunks(BATCH) {
            let ids: Vec<Uuid> = batch.iter().map(|passage| id(model, passage)).collect();
            let asked = json!({ "ids": ids, "with_payload": false, "with_vector": false });
            let found = self.call(Method::POST, "/points", Some(asked)).await?.unwrap_or_default();
            let found: Vec<&str> = list(&found).iter().filter_map(|point| point["id"].as_str()).collect();
            for (passage, id) in batch.iter().zip(ids) {
                if !found.contains(&id.to_string().as_str()) && !missing.contains(passage) {
                    missing.push(passage);
                }
            }
        }
        Ok(missing)
    }

    /// Stores passages with their vectors.
    pub(crate) async fn store<V: AsRef<[f32]>>(
        &self,
        model: &str,
        passages: &[&str],
        vectors: &[V],
    ) -> Result<(), QdrantError> {
        let all: Vec<(&&str, &V)> = passages.iter().zip(vectors).collect();
        for batch in all.chunks(BATCH) {
            let points: Vec<Value> = batch
                .iter()
                .map(|(passage, vector)| {
                    json!({ "id": id(model, passage), "vector": vector.as_ref(), "payload": { "sha256": digest(passage) } })
                })
                .collect();
            self.call(Method::PUT, "/points?wait=true", Some(json!({ "points": points }))).await?;
        }
        if !all.is_empty() {
            self.count().await?;
        }
        Ok(())
    }

    /// The greatest similarity of each passage with any of the vectors, in the order of the passages.
    pub(crate) async fn nearest<V: AsRef<[f32]>>(
        &self,
        model: &str,
        passages: &[&str],
        vectors: &[V],
    ) -> Result<Vec<f64>, QdrantError> {
        let places: HashMap<String, Vec<usize>> =
            passages.iter().enumerate().fold(HashMap::new(), |mut places, (place, passage)| {
                places.entry(id(model, passage).to_string()).or_default().push(place);
                places
            });
        let ids: Vec<&String> = places.keys().collect();
        let searches: Vec<Value> = vectors
            .iter()
            .map(|vector| {
                json!({ "query": vector.as_ref(), "limit": places.len(), "with_payload": false,
                        "filter": { "must": [{ "has_id": ids }] }, "params": { "exact": true } })
            })
            .collect();
        let mut nearest = vec![-1.0_f64; passages.len()];
        for batch in searches.chunks(BATCH) {
            let answers =
                self.call(Method::POST, "/points/query/batch", Some(json!({ "searches": batch }))).await?;
            for answer in list(&answers.unwrap_or_default()) {
                for point in list(&answer["points"]) {
                    let (id, score) = (point["id"].as_str().unwrap_or_default(), point["score"].as_f64());
                    for place in places.get(id).into_iter().flatten() {
                        nearest[*place] = nearest[*place].max(score.unwrap_or(-1.0));
                    }
                }
            }
        }
        // A point that somebody deleted meanwhile: better no answer than half of one.
        match nearest.iter().all(|score| *score > -1.0) {
            true => Ok(nearest),
            false => Err(unavailable("some passages are not in the collection any more")),
        }
    }

    /// How it stands, for operators.
    pub(crate) fn status(&self) -> String {
        let collection = &self.config.collection;
        match &*self.failing.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => format!("{error}; vectors are compared in memory"),
            None => format!("{} points in {collection}", self.points()),
        }
    }

    /// The `result` of an answer; none when there is no such thing.
    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Option<Value>, QdrantError> {
        let outcome = self.request(method, path, body).await;
        *self.failing.lock().unwrap_or_else(PoisonError::into_inner) = outcome.as_ref().err().cloned();
        outcome
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Option<Value>, QdrantError> {
        let url = self.base.join(&format!("collections/{}{path}", self.config.collection));
        let mut request =
            self.http.request(method, url.map_err(|_| unavailable("its address is not usable"))?);
        if let Some(key) = &self.config.api_key {
            request = request.header("api-key", key.expose());
        }
        if let Some(body) = &body {
            request = request.json(body);
        }
        let failed = |error: reqwest::Error| {
            unavailable(if error.is_timeout() { "no answer in time" } else { "no connection" })
        };
        let mut response = request.send().await.map_err(failed)?;
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if bytes.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(unavailable("its answer is too long"));
            }
            bytes.extend_from_slice(&chunk);
        }
        if status == StatusCode::NOT_FOUND {
            // Emptied or deleted behind our back: look again before the next use.
            if let Ok(mut ready) = self.ready.try_lock() {
                *ready = None;
            }
            return Ok(None);
        }
        if !status.is_success() {
            let why = shorten(&String::from_utf8_lossy(&bytes), MAX_MESSAGE_CHARS);
            return Err(QdrantError::Refused { status: status.as_u16(), why });
        }
        let mut answer: Value =
            serde_json::from_slice(&bytes).map_err(|_| unavailable("its answer is no JSON"))?;
        Ok(Some(answer["result"].take()))
    }
}

/// The same passage under the same model is the same point, whoever stores it.
fn id(model: &str, passage: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("{model}\0{passage}").as_bytes())
}

fn digest(passage: &str) -> String {
    hex::encode(Sha256::digest(passage.as_bytes()))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn unavailable(why: &'static str) -> QdrantError {
    QdrantError::Unavailable { why }
}

impl QdrantConfig {
    /// Settings for the server at `url`, with collection `plimsoll_passages` and 5 s for each request.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            api_key: None,
            collection: "plimsoll_passages".to_owned(),
            timeout: Duration::from_secs(5),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w18_ids_are_uuids_of_model_and_passage() {
        let one = id("m", "a passage");
        assert_eq!((one.get_version_num(), one), (5, id("m", "a passage")));
        assert!(one != id("n", "a passage") && one != id("m", "another"));
    }
}
