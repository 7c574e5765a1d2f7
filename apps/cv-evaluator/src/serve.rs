//! `cv-evaluator serve`: the HTTP API.

use std::sync::Arc;

use app_kit::health::{Check, Health};
use app_kit::metrics::HttpMetrics;
use app_kit::server::{self, Drained, ServerOptions};
use plimsoll_jobs::Jobs;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::api::{self, App};
use crate::metrics::{QueueMetrics, ServeMetrics};
use crate::settings::{Common, ServeSettings};
use crate::store::{Store, StoreError};

/// Why a role could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database.
    #[error("cannot open the database: {0}")]
    Store(#[from] StoreError),
    /// The socket.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The scorer.
    #[error(transparent)]
    Scorer(#[from] cv_scoring::ConfigError),
    /// The vector store.
    #[error(transparent)]
    Qdrant(#[from] cv_scoring::QdrantError),
    /// The program's own file, which extraction starts again.
    #[error("cannot find this program's own file: {0}")]
    Program(std::io::Error),
}

/// Opens the database and the socket, then serves until `shutdown`. `ready` gets the address.
///
/// # Errors
/// When it cannot start.
pub async fn serve(
    settings: ServeSettings,
    shutdown: CancellationToken,
    ready: impl FnOnce(std::net::SocketAddr),
) -> Result<Drained, StartError> {
    let common = settings.common.clone();
    let store = open_store(&common).await?;
    let (listener, address) = listen(&common).await?;
    let mut registry = Registry::default();
    let http = HttpMetrics::register(&mut registry);
    let metrics = ServeMetrics::register(&mut registry);
    let queue = QueueMetrics::register(&mut registry);
    let watch = tokio::spawn(queue.watch(store.jobs().clone(), shutdown.clone()));
    let health = Health::new(common.identity.clone(), shutdown.clone(), vec![database_check(&store)]);
    let app = Arc::new(App::new(settings, store, metrics));
    let router = api::router(app, health, http, Arc::new(registry));
    tracing::info!(%address, instance = common.identity.instance, "serving");
    ready(address);
    let options = ServerOptions {
        max_connections: common.max_connections,
        drain: common.drain.mul_f64(0.9),
        ..ServerOptions::default()
    };
    let drained = server::serve(listener, router, options, shutdown).await;
    if let Err(error) = watch.await {
        tracing::error!(%error, "the watch on the queue panicked");
    }
    tracing::info!(?drained, "stopped");
    Ok(drained)
}

/// Opens database and queue.
pub(crate) async fn open_store(common: &Common) -> Result<Store, StoreError> {
    let jobs = Jobs::open(&common.queue_url, common.jobs.clone()).await?;
    let store = Store::open(jobs).await?;
    match &common.results_topic {
        Some(topic) => store.tell_outcomes(topic.clone()).await,
        None => Ok(store),
    }
}

/// Binds the listener.
pub(crate) async fn listen(common: &Common) -> Result<(TcpListener, std::net::SocketAddr), StartError> {
    let failed = |source| StartError::Listen { address: common.listen, source };
    let listener = TcpListener::bind(common.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// Ready means: the database answers.
pub(crate) fn database_check(store: &Store) -> (&'static str, Check) {
    let store = store.clone();
    let check: Check = Arc::new(move || {
        let store = store.clone();
        Box::pin(async move {
            store.ping().await.map_err(|error| {
                // Paths and addresses stay in the log.
                tracing::warn!(%error, "the database does not answer");
                "the database does not answer".to_owned()
            })
        })
    });
    ("database", check)
}
