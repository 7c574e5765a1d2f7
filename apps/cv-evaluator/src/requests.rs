//! Requests for evaluations that arrive as jobs, from another system by way of Kafka: `plimsoll-kafka ingest` puts them
//! into a queue of their own, and here each becomes an evaluation, in the transaction that ends its job.

use plimsoll_jobs::{Failure, JobContext};
use serde_json::Value;

use crate::api;
use crate::store::{Accepted, Store, Trace};

/// What evaluations that are asked for here get.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) max_attempts: u32,
    pub(crate) max_wait_ms: Option<i64>,
}

/// Handles one. The payload is what `plimsoll-kafka` makes of a record, or the request alone: the body of
/// `POST /v1/evaluate`, with `owner` and `idempotency_key` beside it where they are known. Whoever may write to the
/// topic may name any owner.
pub(crate) async fn take(store: Store, terms: Terms, context: JobContext) -> Result<(), Failure> {
    let mut payload: Value = context.job().payload.parse().map_err(|e| Failure::never(e.to_string()))?;
    let header = |name: &str| Some(payload["kafka"]["headers"][name].as_str()?.to_owned());
    let trace = Trace { request_id: header("x-request-id"), traceparent: header("traceparent") };
    let request = match payload.get_mut("value") {
        Some(value) => value.take(),
        None => payload,
    };
    let new =
        api::from_job(request, context.job().owner.as_deref(), trace, terms.max_attempts, terms.max_wait_ms)
            .map_err(Failure::never)?;
    let mut tx = store.jobs().begin().await?;
    let accepted = store.accept_in(&mut tx, &[&new]).await?;
    match accepted.first() {
        Some(Accepted::New(id) | Accepted::Repeated(id, _)) => {
            tracing::info!(evaluation = id, owner = new.owner, "asked for by a job");
        }
        Some(Accepted::KeyReused) => {
            return Err(Failure::never("idempotency_key was used before with another body"));
        }
        Some(Accepted::UnknownUpload(field)) => {
            return Err(Failure::never(format!("{field}: no such upload of this owner")));
        }
        None => return Err(Failure::retry("nothing was accepted")),
    }
    context.complete(&mut tx).await?;
    Ok(tx.commit().await?)
}
