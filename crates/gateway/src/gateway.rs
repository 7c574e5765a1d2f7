//! The handle on a running gateway.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use plimsoll_balance::Policy;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::bell::Changes;
use crate::limits::Limits;
use crate::listener::{self, Handover};
use crate::metrics::{Answered, RouteKey, RouteMetrics};
use crate::render;
use crate::route::{Route, Router};
use crate::service::{Service, ServiceStats, UpstreamStats};
use crate::worker::{Shared, Snapshot, Worker};

/// A running gateway. It owns its threads; dropping it without [`Gateway::shutdown`] cuts all connections.
pub struct Gateway {
    shared: Arc<Shared>,
    workers: Vec<Arc<Worker>>,
    /// The runtime of the first worker, which also accepts.
    acceptor: tokio::runtime::Handle,
    listening: Mutex<Option<Listening>>,
    options: Options,
    shutdown: CancellationToken,
    deadline: watch::Sender<Option<Instant>>,
    ended: Mutex<Vec<oneshot::Receiver<()>>>,
}

/// The listening socket in use.
struct Listening {
    configured: SocketAddr,
    local: SocketAddr,
    workers: Vec<Handover>,
    /// Dropping it stops the accepting task.
    _stop: oneshot::Sender<()>,
}

/// What is not in a stack file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Worker threads; one for each core by default.
    pub workers: Option<usize>,
    /// Limits on what a client may send.
    pub limits: Limits,
}

/// An instance that can take requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Unique among all services, such as `api-3`.
    pub id: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// Share of the traffic relative to the others; 0 counts as 1.
    pub weight: u32,
}

/// Numbers for `status` and for scaling decisions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GatewayStats {
    /// Requests that have ended.
    pub requests_total: u64,
    /// Those answered with a status from 500 to 599, by an upstream or by the gateway itself.
    pub errors_total: u64,
    /// Requests under way, waiting ones included.
    pub in_flight: u64,
    /// Requests that wait for an upstream.
    pub waiting: u64,
    /// Open client connections.
    pub connections: u64,
    /// By name.
    pub services: BTreeMap<String, ServiceStats>,
    /// By id.
    pub upstreams: BTreeMap<String, UpstreamStats>,
}

/// Why a gateway could not start or change.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is in use, not ours, or not allowed.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
    /// No thread or no event queue could be made.
    #[error("cannot start a gateway worker: {0}")]
    Worker(io::Error),
    /// It has been shut down.
    #[error("the gateway has been shut down")]
    Stopped,
}

// === impl Gateway ===

impl Gateway {
    /// Binds and serves. Services have no upstreams at first: requests wait for [`Gateway::set_upstreams`].
    pub async fn start(
        config: &plimsoll_stack::Gateway,
        policies: &BTreeMap<String, Policy>,
        options: Options,
    ) -> Result<Self, Error> {
        let socket = bind(config.listen)?;
        let count = options.workers.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
        let count = count.max(1);
        let shared = Arc::new(Shared {
            snapshot: ArcSwap::from_pointee(Snapshot::empty(config, options.limits)),
            services: RwLock::default(),
            routes: Mutex::default(),
            unrouted: RouteMetrics::new(count),
            waiting: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            refused_connections: AtomicU64::new(0),
            bell: Arc::default(),
        });
        let shutdown = CancellationToken::new();
        let deadline = watch::Sender::new(None);
        let mut workers = Vec::new();
        let mut handovers = Vec::new();
        let mut ended = Vec::new();
        let mut acceptor = None;
        for index in 0..count {
            let worker = Arc::new(Worker::new(index, shared.clone(), shutdown.child_token()));
            let (handover, receiver) = listener::handover(worker.clone());
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_io()
                .enable_time()
                .build()
                .map_err(Error::Worker)?;
            acceptor.get_or_insert_with(|| runtime.handle().clone());
            let (end, has_ended) = oneshot::channel();
            let main = listener::run_worker(worker.clone(), receiver, deadline.subscribe());
            let body = move || {
                runtime.block_on(main);
                // Ends the connections that are left, before anybody is told.
                drop(runtime);
                let _ = end.send(());
            };
            thread::Builder::new().name(format!("gateway-{index}")).spawn(body).map_err(Error::Worker)?;
            workers.push(worker);
            handovers.push(handover);
            ended.push(has_ended);
        }
        let Some(acceptor) = acceptor else { return Err(Error::Stopped) };
        let gateway = Self {
            shared,
            workers,
            acceptor,
            listening: Mutex::new(None),
            options,
            shutdown,
            deadline,
            ended: Mutex::new(ended),
        };
        gateway.replace_snapshot(config, policies);
        let listening = gateway.listen(config.listen, socket, handovers)?;
        *gateway.listening() = Some(listening);
        Ok(gateway)
    }

    /// The address that clients connect to; None after a shutdown.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.listening().as_ref().map(|listening| listening.local)
    }

    /// Replaces the upstreams of a service. Those that stay (same id and address) keep their counters, health and
    /// draining; those that leave get no new requests and finish what they have.
    pub fn set_upstreams(&self, service: &str, upstreams: Vec<Upstream>) {
        self.service(service, None).set_upstreams(upstreams);
    }

    /// Sends no new requests to the upstream. The future resolves when it has none in flight, at once when there is no
    /// such upstream; the caller applies the deadline. Draining begins with the call, not with the first poll.
    pub fn drain(&self, id: &str) -> impl Future<Output = ()> + Send + 'static {
        let services: Vec<_> = self.shared.services().values().cloned().collect();
        let service = services.into_iter().find(|service| service.start_drain(id));
        let id = id.to_owned();
        async move {
            if let Some(service) = service {
                service.until_idle(&id).await;
            }
        }
    }

    /// Swaps routes, policies, timeouts and limits; requests under way keep theirs and no connection is touched. When
    /// the listen address has changed the new one is bound first, and nothing changes if that fails.
    pub async fn apply(
        &self,
        config: &plimsoll_stack::Gateway,
        policies: &BTreeMap<String, Policy>,
    ) -> Result<(), Error> {
        let mut listening = self.listening();
        let current = listening.as_ref().ok_or(Error::Stopped)?;
        if current.configured == config.listen {
            self.replace_snapshot(config, policies);
        } else {
            let socket = bind(config.listen)?;
            let workers = current.workers.clone();
            self.replace_snapshot(config, policies);
            *listening = Some(self.listen(config.listen, socket, workers)?);
        }
        Ok(())
    }

    /// The numbers as of now.
    pub fn stats(&self) -> GatewayStats {
        let mut services = self.shared.service_stats();
        let unrouted = self.shared.unrouted.total();
        let (mut requests_total, mut errors_total) = (unrouted.requests_total(), unrouted.errors_total());
        let mut upstreams = BTreeMap::new();
        for service in self.shared.services().values() {
            let own = services.entry(service.name().to_owned()).or_default();
            for (id, upstream) in service.upstream_stats() {
                own.in_flight += upstream.in_flight;
                upstreams.insert(id, upstream);
            }
            own.waiting = service.counters.waiting.load(Ordering::Relaxed) as u64;
        }
        for service in services.values() {
            requests_total += service.requests_total;
            errors_total += service.errors_total;
        }
        GatewayStats {
            requests_total,
            errors_total,
            in_flight: self
                .workers
                .iter()
                .map(|worker| worker.in_flight.load(Ordering::Relaxed) as u64)
                .sum(),
            waiting: self.shared.waiting.load(Ordering::Relaxed) as u64,
            connections: self.shared.connections.load(Ordering::Relaxed) as u64,
            services,
            upstreams,
        }
    }

    /// A bell that rings when requests come, begin to wait or end. One listener at a time.
    pub fn changes(&self) -> Changes {
        Changes(Arc::clone(&self.shared.bell))
    }

    /// What was counted since the start, by service; all its routes together.
    pub fn answered(&self) -> BTreeMap<String, Answered> {
        let mut answered: BTreeMap<String, Answered> = BTreeMap::new();
        for (key, metrics) in self.shared.routes().iter() {
            answered.entry(key.service.clone()).or_default().add(&metrics.total());
        }
        answered
    }

    /// Appends all metrics as OpenMetrics text, without the closing `# EOF`, so that other sources can follow.
    pub fn render_metrics(&self, out: &mut String) {
        render::metrics(&self.shared, out);
    }

    /// Stops accepting, lets requests and tunnels finish for at most `deadline`, cuts what is left, and returns when
    /// the worker threads have ended. Idle connections are closed at once.
    pub async fn shutdown(&self, deadline: Duration) {
        drop(self.listening().take());
        let _ = self.deadline.send_replace(Some(Instant::now() + deadline));
        self.shutdown.cancel();
        let ended = std::mem::take(&mut *self.ended.lock().unwrap_or_else(PoisonError::into_inner));
        for has_ended in ended {
            let _ = has_ended.await;
        }
    }

    fn listen(
        &self,
        configured: SocketAddr,
        socket: TcpListener,
        workers: Vec<Handover>,
    ) -> Result<Listening, Error> {
        let failed = |source| Error::Listen { address: configured, source };
        let local = socket.local_addr().map_err(failed)?;
        let (stop, stopped) = oneshot::channel();
        let listener = {
            let _runtime = self.acceptor.enter();
            tokio::net::TcpListener::from_std(socket).map_err(failed)?
        };
        self.acceptor.spawn(listener::accept(listener, workers.clone(), stopped));
        Ok(Listening { configured, local, workers, _stop: stop })
    }

    fn replace_snapshot(&self, config: &plimsoll_stack::Gateway, policies: &BTreeMap<String, Policy>) {
        let mut snapshot = Snapshot::empty(config, self.options.limits);
        let routes = config.routes.iter().map(|route| {
            let policy = policies.get(&route.service).copied().unwrap_or_default();
            let service = self.service(&route.service, Some(policy));
            let key = RouteKey {
                host: route.host.clone().unwrap_or_default(),
                path: route.path.clone(),
                service: route.service.clone(),
            };
            let metrics = self.shared.routes().entry(key).or_insert_with(|| self.new_metrics()).clone();
            let timeout = route.timeout.unwrap_or(config.timeouts.response);
            Arc::new(Route::new(route.host.clone(), &route.path, service, timeout, metrics))
        });
        snapshot.router = Router::new(routes.collect());
        self.shared.snapshot.store(Arc::new(snapshot));
    }

    fn new_metrics(&self) -> Arc<RouteMetrics> {
        Arc::new(RouteMetrics::new(self.workers.len()))
    }

    /// The service of this name, made if need be, with the policy set if given.
    fn service(&self, name: &str, policy: Option<Policy>) -> Arc<Service> {
        let mut services = self.shared.services.write().unwrap_or_else(PoisonError::into_inner);
        let make = || Arc::new(Service::new(name.to_owned(), Policy::default(), self.workers.len()));
        let service = services.entry(name.to_owned()).or_insert_with(make);
        if let Some(policy) = policy {
            service.set_policy(policy);
        }
        service.clone()
    }

    fn listening(&self) -> MutexGuard<'_, Option<Listening>> {
        self.listening.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    let failed = |source| Error::Listen { address, source };
    let socket = TcpListener::bind(address).map_err(failed)?;
    socket.set_nonblocking(true).map_err(failed)?;
    Ok(socket)
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}
