//! Vectors of texts: asked for by the hundred, kept for a while, and each asked for once however many cases want it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

use super::client::{Bounds, Client, Tally};
use super::config::EmbeddingsConfig;
use crate::ScoreError;

/// Texts in one request.
const BATCH: usize = 100;

type Key = [u8; 32];
type Vector = Arc<[f32]>;

/// The endpoint and what it has answered.
#[derive(Debug)]
pub(crate) struct Embeddings {
    client: Client,
    cache: Mutex<Cache>,
    /// The model's, learned from its first answer and demanded of all others.
    dimension: OnceLock<usize>,
}

#[derive(Debug)]
struct Cache {
    kept: HashMap<Key, Kept>,
    /// Asked for at this moment; whoever else wants the same waits here.
    in_flight: HashMap<Key, watch::Receiver<()>>,
    entries: usize,
    ttl: Duration,
    clock: u64,
}

#[derive(Debug)]
struct Kept {
    vector: Vector,
    since: Instant,
    used: u64,
}

/// Keys this call asks for; others stop waiting when it is dropped, whether it succeeded or not.
struct Flight<'a> {
    cache: &'a Mutex<Cache>,
    keys: Vec<Key>,
    _landing: watch::Sender<()>,
}

/// What is missing, by who asks for it.
struct Boarding<'a, 't> {
    flight: Flight<'a>,
    mine: Vec<(Key, &'t str)>,
    others: Vec<watch::Receiver<()>>,
}

// === impl Embeddings ===

impl Embeddings {
    pub(crate) fn new(client: Client, config: &EmbeddingsConfig) -> Self {
        let cache = Cache {
            kept: HashMap::new(),
            in_flight: HashMap::new(),
            entries: config.cache_entries,
            ttl: config.cache_ttl,
            clock: 0,
        };
        Self { client, cache: Mutex::new(cache), dimension: OnceLock::new() }
    }

    /// The model that makes them.
    pub(crate) fn model(&self) -> &str {
        &self.client.config().model
    }

    /// The vectors of these texts, in their order.
    pub(crate) async fn of(
        &self,
        texts: &[&str],
        bounds: Bounds<'_>,
        tally: &mut Tally,
    ) -> Result<Vec<Vector>, ScoreError> {
        let keys: Vec<Key> = texts.iter().map(|text| Sha256::digest(text.as_bytes()).into()).collect();
        let mut found: HashMap<Key, Vector> = HashMap::new();
        loop {
            let Boarding { flight, mine, others } = self.board(&keys, texts, &mut found);
            for batch in mine.chunks(BATCH) {
                let wanted: Vec<&str> = batch.iter().map(|(_, text)| *text).collect();
                let vectors = self.client.embed(&wanted, bounds, tally).await?;
                for ((key, _), vector) in batch.iter().zip(vectors) {
                    self.check(&vector)?;
                    let vector: Vector = vector.into();
                    self.lock().keep(*key, Arc::clone(&vector));
                    found.insert(*key, vector);
                }
            }
            drop(flight);
            for mut other in others {
                tokio::select! {
                    // An error: the other call has ended. Its vectors are kept now, or it failed and we ask ourselves.
                    _ended = other.changed() => {}
                    () = bounds.cancel.cancelled() => return Err(ScoreError::Cancelled),
                    () = tokio::time::sleep_until(bounds.deadline.into()) => return Err(ScoreError::DeadlineExceeded),
                }
            }
            let vectors: Option<Vec<Vector>> = keys.iter().map(|key| found.get(key).cloned()).collect();
            if let Some(vectors) = vectors {
                return Ok(vectors);
            }
        }
    }

    /// Takes what is kept, and divides the rest into what this call asks for and what others are asking for.
    fn board<'t>(
        &self,
        keys: &[Key],
        texts: &[&'t str],
        found: &mut HashMap<Key, Vector>,
    ) -> Boarding<'_, 't> {
        let (landing, landed) = watch::channel(());
        let (mut mine, mut others) = (Vec::new(), Vec::new());
        let mut cache = self.lock();
        for (key, text) in keys.iter().zip(texts) {
            if found.contains_key(key) || mine.iter().any(|(taken, _)| taken == key) {
                continue;
            }
            if let Some(vector) = cache.find(key) {
                found.insert(*key, vector);
                continue;
            }
            match cache.in_flight.entry(*key) {
                Entry::Occupied(other) => others.push(other.get().clone()),
                Entry::Vacant(place) => {
                    place.insert(landed.clone());
                    mine.push((*key, *text));
                }
            }
        }
        drop(cache);
        let keys = mine.iter().map(|(key, _)| *key).collect();
        Boarding { flight: Flight { cache: &self.cache, keys, _landing: landing }, mine, others }
    }

    fn check(&self, vector: &[f32]) -> Result<(), ScoreError> {
        let dimension = *self.dimension.get_or_init(|| vector.len());
        if vector.len() == dimension {
            return Ok(());
        }
        let why = format!("an embedding has {} dimensions where others have {dimension}", vector.len());
        Err(ScoreError::UpstreamUnavailable { why, retry_after: None })
    }

    fn lock(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Cache ===

impl Cache {
    fn find(&mut self, key: &Key) -> Option<Vector> {
        let kept = self.kept.get_mut(key)?;
        if kept.since.elapsed() >= self.ttl {
            self.kept.remove(key);
            return None;
        }
        self.clock += 1;
        kept.used = self.clock;
        Some(Arc::clone(&kept.vector))
    }

    /// Keeps a vector in place of the one that was not used for longest.
    fn keep(&mut self, key: Key, vector: Vector) {
        if self.kept.len() >= self.entries && !self.kept.contains_key(&key) {
            let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.used).map(|(key, _)| *key);
            if let Some(oldest) = oldest {
                self.kept.remove(&oldest);
            }
        }
        self.clock += 1;
        self.kept.insert(key, Kept { vector, since: Instant::now(), used: self.clock });
    }
}

// === impl Flight ===

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        for key in &self.keys {
            cache.in_flight.remove(key);
        }
    }
}

/// Between -1 and 1; 0 when either has no length or the dimensions differ.
pub(crate) fn cosine(left: &[f32], right: &[f32]) -> f64 {
    if left.len() != right.len() {
        return 0.0;
    }
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let lengths = (dot(left, left) * dot(right, right)).sqrt();
    if lengths > 0.0 { dot(left, right) / lengths } else { 0.0 }
}
