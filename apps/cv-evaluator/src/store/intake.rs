//! Group commit: requests that arrive while one transaction is being written share the next, so that the disk's few
//! hundred syncs a second do not bound the number of requests.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::{Accepted, NewEvaluation, Store, StoreError};

/// Requests that wait for the database at most; further ones wait for a place, up to their own deadline.
const MAX_WAITING: usize = 1024;
/// Requests in one transaction at most.
const MAX_GROUP: usize = 64;

/// Takes evaluations on, many at a time. Cheap to clone; the task behind it ends with the last clone.
#[derive(Debug, Clone)]
pub struct Intake(mpsc::Sender<Waiting>);

/// A request and who waits for its answer.
#[derive(Debug)]
struct Waiting {
    new: NewEvaluation,
    answer: oneshot::Sender<Result<Accepted, StoreError>>,
}

// === impl Intake ===

impl Intake {
    /// Starts the task.
    #[must_use]
    pub fn start(store: Store) -> Self {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        tokio::spawn(run(store, receiver));
        Self(sender)
    }

    /// Takes a request on, as [`Store::accept`] does.
    ///
    /// # Errors
    /// When the database fails; then the request was not taken on.
    pub async fn accept(&self, new: NewEvaluation) -> Result<Accepted, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.0.send(Waiting { new, answer }).await.map_err(|_| StoreError::Stopped)?;
        answered.await.map_err(|_| StoreError::Stopped)?
    }
}

async fn run(store: Store, mut waiting: mpsc::Receiver<Waiting>) {
    let mut group = Vec::with_capacity(MAX_GROUP);
    while waiting.recv_many(&mut group, MAX_GROUP).await > 0 {
        // Whoever went away meanwhile gets nothing done.
        group.retain(|one| !one.answer.is_closed());
        let requests: Vec<&NewEvaluation> = group.iter().map(|one| &one.new).collect();
        match store.accept_many(&requests).await {
            Ok(accepted) => {
                for (one, accepted) in group.drain(..).zip(accepted) {
                    drop(one.answer.send(Ok(accepted)));
                }
            }
            // The database as such: it would fail for each alone too, after as long a wait each.
            Err(error) if error.is_transient() => {
                let error = Arc::new(error);
                for one in group.drain(..) {
                    drop(one.answer.send(Err(StoreError::Group(Arc::clone(&error)))));
                }
            }
            // One of them spoilt it: each for itself.
            Err(_) => {
                for one in group.drain(..) {
                    drop(one.answer.send(store.accept(&one.new).await));
                }
            }
        }
    }
}
