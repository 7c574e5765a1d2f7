//! The two services, each with its page for probes and Prometheus.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use app_kit::health::{Check, Health, Identity};
use app_kit::server::{self, ServerOptions};
use plimsoll_jobs::Jobs;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::cli::{IngestArgs, OutboxArgs, PageArgs};
use crate::KafkaError;
use crate::ingest::Ingest;
use crate::metrics::{IngestMetrics, PublishMetrics};
use crate::publish::Publisher;

/// A page that is being served.
struct Page {
    server: tokio::task::JoinHandle<server::Drained>,
    done: CancellationToken,
}

pub(super) async fn ingest(arguments: IngestArgs) -> Result<(), KafkaError> {
    let shutdown = signal()?;
    let options = arguments.read()?;
    let mapping = arguments.mapping.read()?;
    let jobs = super::open(&arguments.queue.queue_url).await?;
    if arguments.serial_lanes {
        let mut tx = jobs.begin().await?;
        jobs.limit_lane(&mut tx, &mapping.queue, "*", Some(1)).await?;
        tx.commit().await?;
    }
    let mut registry = Registry::default();
    let metrics = IngestMetrics::register(&mut registry);
    let halted = metrics.clone();
    let check: Check = Arc::new(move || {
        let halted = halted.halted();
        Box::pin(async move {
            if halted == 0 {
                Ok(())
            } else {
                Err(format!("{halted} partitions wait for `plimsoll-kafka reset`"))
            }
        })
    });
    let checks = vec![database(&jobs), ("partitions", check)];
    let page = Page::open(&arguments.page, "ingest", checks, registry, &shutdown).await?;
    let report = Ingest::new(jobs, mapping, options).metrics(metrics).run(shutdown).await;
    page.close().await;
    let report = report?;
    tracing::info!(?report, "stopped");
    Ok(())
}

pub(super) async fn outbox(arguments: OutboxArgs) -> Result<(), KafkaError> {
    let shutdown = signal()?;
    let options = arguments.read()?;
    let jobs = super::open(&arguments.queue.queue_url).await?;
    let mut registry = Registry::default();
    let metrics = PublishMetrics::register(&mut registry);
    let page = Page::open(&arguments.page, "outbox", vec![database(&jobs)], registry, &shutdown).await?;
    let report = Publisher::new(jobs, options).metrics(metrics).run(shutdown).await;
    page.close().await;
    let report = report?;
    tracing::info!(?report, "stopped");
    Ok(())
}

fn signal() -> Result<CancellationToken, KafkaError> {
    server::shutdown_signal().map_err(|error| KafkaError::Thread(error.to_string()))
}

/// Ready means: the database answers. A broker that is away is waited for, and is no reason to send the probes away.
fn database(jobs: &Jobs) -> (&'static str, Check) {
    let jobs = jobs.clone();
    let check: Check = Arc::new(move || {
        let jobs = jobs.clone();
        Box::pin(async move {
            jobs.stats(None).await.map(drop).map_err(|error| {
                tracing::warn!(%error, "the database does not answer");
                "the database does not answer".to_owned()
            })
        })
    });
    ("database", check)
}

// === impl Page ===

impl Page {
    async fn open(
        arguments: &PageArgs,
        service: &str,
        checks: Vec<(&'static str, Check)>,
        registry: Registry,
        draining: &CancellationToken,
    ) -> Result<Self, KafkaError> {
        let identity = Identity::new(
            arguments.instance.clone(),
            arguments.service.clone(),
            service,
            env!("CARGO_PKG_VERSION"),
        );
        let address = SocketAddr::new(arguments.host, arguments.port);
        let wrong =
            |error: std::io::Error| KafkaError::Option { option: "port", why: format!("{address}: {error}") };
        let listener = TcpListener::bind(address).await.map_err(wrong)?;
        let address = listener.local_addr().map_err(wrong)?;
        let router = axum::Router::new()
            .merge(Health::new(identity, draining.clone(), checks).router())
            .merge(app_kit::metrics::router(Arc::new(registry)))
            .fallback(app_kit::error::not_found)
            .method_not_allowed_fallback(app_kit::error::method_not_allowed);
        let done = CancellationToken::new();
        let options =
            ServerOptions { drain: Duration::from_secs(1), max_connections: 100, ..ServerOptions::default() };
        let server = tokio::spawn(server::serve(listener, router, options, done.clone()));
        tracing::info!(%address, service, "started");
        Ok(Self { server, done })
    }

    /// The page is served until the work is done, so that the drain can be watched.
    async fn close(self) {
        self.done.cancel();
        if let Err(error) = self.server.await {
            tracing::error!(%error, "the page's task panicked");
        }
    }
}
