//! `cv-evaluator work`: extract, score, store.

use std::ffi::OsString;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use app_kit::health::{Health, Note};
use app_kit::metrics::HttpMetrics;
use app_kit::server::{self, ServerOptions};
use app_kit::{client, request_id, security};
use axum::middleware::{from_fn, from_fn_with_state};
use cv_scoring::{QdrantError, Scorer};
use futures::FutureExt as _;
use plimsoll_jobs::{Failure, JobContext, Outcome, Worker, WorkerOptions, WorkerReport};
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::metrics::{QueueMetrics, WorkMetrics};
use crate::pipeline::{AttemptError, Pipeline};
use crate::requests;
use crate::serve::{StartError, database_check, listen, open_store};
use crate::settings::WorkSettings;
use crate::store::{DeadReader, FailedAttempt, JobBody, Lease, QUEUE, Spent, Store, UploadReader, Work};

/// How often evaluations of dead jobs and uploads that never ended are looked for.
const HOUSEKEEPING_PERIOD: Duration = Duration::from_secs(5);
/// How often rows past their time are looked for, when the last look found none.
const EXPIRY_PERIOD: Duration = Duration::from_secs(3600);
/// Age at which the pieces of an upload that never ended are swept: far longer than an upload may take.
const STALE_UPLOAD: Duration = Duration::from_secs(3600);
/// Longest look at the vector store before the start.
const PREPARE_TIMEOUT: Duration = Duration::from_secs(10);
/// The hidden subcommand that reads one document in a process of its own.
pub const EXTRACT_COMMAND: &str = "extract-one";

/// What the handler of every job shares.
#[derive(Debug)]
struct Shared {
    store: Store,
    pipeline: Pipeline,
    metrics: WorkMetrics,
    job_timeout: Duration,
    lease: Duration,
}

/// Opens the database and the socket, then works until `shutdown`. `ready` gets the address of health and metrics.
/// `program` is this program's file; None finds it.
///
/// # Errors
/// When it cannot start.
pub async fn work(
    settings: WorkSettings,
    program: Option<OsString>,
    shutdown: CancellationToken,
    ready: impl FnOnce(std::net::SocketAddr),
) -> Result<WorkerReport, StartError> {
    let program = match program {
        Some(program) => program,
        None => std::env::current_exe().map_err(StartError::Program)?.into_os_string(),
    };
    let scorer = match settings.openai {
        Some(config) => Scorer::openai(config)?,
        None => Scorer::baseline(),
    };
    let scorer = Arc::new(scorer);
    prepare(&scorer).await?;
    let common = settings.common;
    let store = open_store(&common).await?;
    let (listener, address) = listen(&common).await?;
    let mut registry = Registry::default();
    let http = HttpMetrics::register(&mut registry);
    let metrics = WorkMetrics::register(&mut registry);
    let queue = QueueMetrics::register(&mut registry);
    let health = Health::new(common.identity.clone(), shutdown.clone(), vec![database_check(&store)])
        .notes(vector_store(&scorer));
    let router = axum::Router::new()
        .merge(health.router())
        .merge(app_kit::metrics::router(Arc::new(registry)))
        .fallback(app_kit::error::not_found)
        .method_not_allowed_fallback(app_kit::error::method_not_allowed)
        .layer(from_fn_with_state(common.proxies.clone(), client::layer))
        .layer(from_fn_with_state(http, app_kit::metrics::layer))
        .layer(from_fn(security::layer))
        .layer(from_fn(request_id::layer));

    // Health is served until the last job is settled, so that the drain can be watched.
    let done = CancellationToken::new();
    let options = ServerOptions { drain: Duration::from_secs(1), ..ServerOptions::default() };
    let server = tokio::spawn(server::serve(listener, router, options, done.clone()));
    let watch = tokio::spawn(queue.watch(store.jobs().clone(), done.clone()));
    let housekeeping = tokio::spawn(keep_house(store.clone(), settings.retention, done.clone()));
    tracing::info!(%address, instance = common.identity.instance, scorer = scorer.scored_by().as_str(), "working");
    ready(address);

    let worker = common.worker.clone();
    let shared = Arc::new(Shared {
        pipeline: Pipeline::new(
            store.clone(),
            scorer,
            program,
            settings.extract,
            metrics.clone(),
            worker.clone(),
        ),
        store: store.clone(),
        metrics,
        job_timeout: settings.job_timeout,
        lease: settings.lease,
    });
    let options = WorkerOptions {
        name: worker,
        concurrency: settings.concurrency,
        lease: settings.lease,
        recycle_after: settings.recycle_after,
        // Time left for giving unfinished jobs back before SIGKILL comes.
        drain: common.drain.mul_f64(0.8),
        ..WorkerOptions::default()
    };
    let terms =
        requests::Terms { max_attempts: settings.job_max_attempts, max_wait_ms: settings.job_max_wait_ms };
    // Fires too when this process has done as many evaluations as it may.
    let recycled = shutdown.child_token();
    let taking = settings.requests_queue.map(|queue| {
        let options = WorkerOptions { concurrency: 1, recycle_after: None, ..options.clone() };
        let worker = Worker::new(store.jobs().clone(), queue, options);
        let store = store.clone();
        let handler = move |context| requests::take(store.clone(), terms, context);
        tokio::spawn(worker.run(handler, recycled.clone()))
    });
    let handler = move |context| handle(Arc::clone(&shared), context);
    let report = Worker::new(store.jobs().clone(), QUEUE, options).run(handler, shutdown).await;
    recycled.cancel();
    if let Some(Err(error)) = futures::future::OptionFuture::from(taking).await {
        tracing::error!(%error, "taking requests panicked");
    }
    done.cancel();
    for task in [server.await.map(drop), housekeeping.await, watch.await] {
        if let Err(error) = task {
            tracing::error!(%error, "a task of the worker panicked");
        }
    }
    tracing::info!(?report, "stopped");
    Ok(report)
}

/// Looks after the vector store: one that cannot fit ends the start, one that does not answer is done without.
async fn prepare(scorer: &Scorer) -> Result<(), StartError> {
    match scorer.prepare(Instant::now() + PREPARE_TIMEOUT).await {
        Ok(None) => Ok(()),
        Ok(Some(points)) => {
            tracing::info!(points, "the vector store is ready");
            Ok(())
        }
        Err(error @ QdrantError::WrongDimension { .. }) => Err(error.into()),
        Err(error) => {
            tracing::warn!(%error, "the vector store cannot be used for now, vectors are compared in memory");
            Ok(())
        }
    }
}

/// What `/readyz` says about the vector store, if there is one.
fn vector_store(scorer: &Arc<Scorer>) -> Vec<(&'static str, Note)> {
    let scorer = Arc::clone(scorer);
    if scorer.vector_store().is_none() {
        return Vec::new();
    }
    vec![("qdrant", Arc::new(move || scorer.vector_store().unwrap_or_default()))]
}

/// One attempt at one job, from claim to settled.
async fn handle(shared: Arc<Shared>, context: JobContext) -> Result<(), Failure> {
    let body: JobBody = context.job().payload.parse().map_err(|error| Failure::never(error.to_string()))?;
    let span = tracing::info_span!(
        "job",
        evaluation = body.evaluation_id,
        job = %context.job().id,
        attempt = context.job().attempt,
        request_id = body.trace.request_id,
        traceparent = body.trace.traceparent,
    );
    attempt(&shared, &context, &body.evaluation_id).instrument(span).await
}

async fn attempt(shared: &Shared, context: &JobContext, id: &str) -> Result<(), Failure> {
    let started = Instant::now();
    let _processing = shared.metrics.processing();
    let lease = Lease::Handler(context);
    let job = context.job();
    let Some(work) = shared.store.read_work(id).await? else {
        tracing::info!("nothing to do: erased");
        return Ok(shared.store.discard(lease).await?);
    };
    let begun = shared.store.start(id, job).await? || shared.store.restart(id, job, shared.lease).await?;
    if !begun {
        tracing::info!(status = work.status.as_str(), "nothing to do: finished already");
        return Ok(shared.store.discard(lease).await?);
    }

    let deadline = started + shared.job_timeout;
    let run = unwinding(shared.pipeline.run(&work, deadline, context.stopped()));
    let outcome = tokio::time::timeout_at(deadline.into(), run).await;
    match outcome.unwrap_or(Err(AttemptError::timed_out(shared.job_timeout))) {
        Ok(finished) => {
            let receipt = finished.receipt(job.attempt);
            shared.store.complete(lease, &work, &finished.scored, &receipt).await?;
            shared.metrics.completed(started.elapsed().as_secs_f64(), &finished.scored);
            tracing::info!(elapsed_ms = started.elapsed().as_millis(), "completed");
            Ok(())
        }
        Err(error) => settle_failure(shared, context, &work, &error, started).await,
    }
}

/// A panic ends the attempt like any other failure: the queue and the evaluation are told in one transaction, where the
/// runtime alone would tell the queue and leave the evaluation `processing` until the next attempt.
async fn unwinding<T>(run: impl Future<Output = Result<T, AttemptError>>) -> Result<T, AttemptError> {
    match AssertUnwindSafe(run).catch_unwind().await {
        Ok(outcome) => outcome,
        Err(panic) => {
            let said = panic.downcast_ref::<&str>().copied();
            let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            tracing::error!(panic = said.unwrap_or("no message"), "the attempt panicked");
            Err(AttemptError::panicked())
        }
    }
}

/// Writes a failed attempt down, in the queue and in the evaluation at once.
async fn settle_failure(
    shared: &Shared,
    context: &JobContext,
    work: &Work,
    error: &AttemptError,
    started: Instant,
) -> Result<(), Failure> {
    let receipt = error.receipt.as_ref().map(|tried| tried.receipt(context.job().attempt));
    let failed = FailedAttempt {
        class: error.class,
        code: &error.code,
        message: &error.message,
        receipt: receipt.as_ref(),
        spent: error.receipt.as_ref().map(|tried| Spent::from(&tried.receipt)).unwrap_or_default(),
    };
    let outcome = shared.store.fail(Lease::Handler(context), &work.id, &failed).await?;
    let elapsed_s = started.elapsed().as_secs_f64();
    match outcome {
        Outcome::Retried { at_ms } => {
            tracing::warn!(
                code = error.code,
                message = error.message,
                at_ms,
                "attempt failed, will be repeated"
            );
            shared.metrics.retried(elapsed_s, &error.code);
        }
        Outcome::Dead => {
            tracing::warn!(code = error.code, message = error.message, "failed");
            shared.metrics.failed(elapsed_s, &error.code);
        }
    }
    Ok(())
}

/// Cleans up after what died half-way and deletes what is past its time, a little at a time, until stopped.
async fn keep_house(store: Store, retention: Option<Duration>, stop: CancellationToken) {
    let keep = retention.unwrap_or(Duration::MAX);
    let (mut dead, mut old) = (DeadReader::default(), UploadReader::default());
    let mut expire_at = Instant::now();
    loop {
        // Jitter: all workers of a stack start at the same time.
        let wait = HOUSEKEEPING_PERIOD.mul_f64(0.5 + rand::random::<f64>() / 2.0);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        let mut expired = Ok(0);
        if Instant::now() >= expire_at {
            let looked = store.expire(keep, &mut old).await;
            // On with the next batch when there is one.
            let done = matches!(looked, Ok((_, true)));
            expire_at = Instant::now() + if done { EXPIRY_PERIOD } else { Duration::ZERO };
            expired = looked.map(|(gone, _)| gone);
        }
        for (what, outcome) in [
            ("evaluations failed because their jobs died", store.fail_orphans(&mut dead).await),
            ("uploads that never ended were swept", store.sweep_uploads(STALE_UPLOAD).await),
            ("rows deleted that were past their time", expired),
        ] {
            match outcome {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "{what}"),
                Err(error) if error.is_transient() => tracing::debug!(%error, "housekeeping has to wait"),
                Err(error) => tracing::warn!(%error, "housekeeping failed"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_ends_the_attempt_like_any_other_failure_and_tells_nobody_what_it_said() {
        let ended = unwinding::<()>(async { panic!("Mira Okafor, born 1990") }).await.unwrap_err();
        assert_eq!((ended.class, ended.code.as_str()), (plimsoll_jobs::FailureClass::Panic, "INTERNAL"));
        assert!(!ended.message.contains("Mira"));
        assert_eq!(unwinding(async { Ok(7) }).await.unwrap(), 7);
    }
}
