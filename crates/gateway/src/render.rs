//! The gateway's metrics as Prometheus text.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Registry;

use crate::durations::Durations;
use crate::metrics::{BUCKETS_S, RouteCounts};
use crate::service::{Service, UpstreamStats};
use crate::worker::Shared;

type Labels<'a> = [(&'static str, &'a str)];
type NoExemplar = Exemplar<[(&'static str, &'static str); 0], u64>;

/// A copy of all numbers at one moment.
#[derive(Debug)]
struct Scrape {
    /// Route label, service and counts.
    routes: Vec<(String, String, RouteCounts)>,
    services: Vec<Arc<Service>>,
    /// By id.
    upstreams: Vec<(String, UpstreamStats)>,
    served: Vec<(String, Durations)>,
    connections: u64,
    refused_connections: u64,
}

/// Appends all metrics, without `# EOF`.
pub(crate) fn metrics(shared: &Shared, out: &mut String) {
    let mut routes: Vec<_> = shared
        .routes()
        .iter()
        .map(|(key, metrics)| (key.label(), key.service.clone(), metrics.total()))
        .collect();
    routes.push((String::new(), String::new(), shared.unrouted.total()));
    let services: Vec<_> = shared.services().values().cloned().collect();
    let scrape = Scrape {
        routes,
        upstreams: services.iter().flat_map(|service| service.upstream_stats()).collect(),
        services,
        served: shared.service_stats().into_iter().map(|(name, stats)| (name, stats.served)).collect(),
        connections: shared.connections.load(Ordering::Relaxed) as u64,
        refused_connections: shared.refused_connections.load(Ordering::Relaxed),
    };
    let mut registry = Registry::default();
    registry.register_collector(Box::new(scrape));
    // Writing to a string cannot fail.
    let _ = text::encode_registry(out, &registry);
}

// === impl Scrape ===

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.encode_routes(&mut encoder)?;
        self.encode_services(&mut encoder)?;
        self.encode_upstreams(&mut encoder)?;
        encoder
            .encode_descriptor("gateway_connections", "Open client connections", None, MetricType::Gauge)?
            .encode_gauge(&(self.connections as i64))?;
        encoder
            .encode_descriptor(
                "gateway_connections_refused",
                "Client connections beyond the limit",
                None,
                MetricType::Counter,
            )?
            .encode_counter(&self.refused_connections, None::<&NoExemplar>)
    }
}

impl Scrape {
    fn encode_routes(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Requests that have ended; 499 means that the client left before the answer";
        let mut family = encoder.encode_descriptor("http_requests", help, None, MetricType::Counter)?;
        for (route, service, counts) in &self.routes {
            for ((method, code), count) in &counts.requests {
                let code = code.to_string();
                let labels: &Labels<'_> =
                    &[("route", route), ("service", service), ("method", method.label()), ("code", &code)];
                family.encode_family(&labels)?.encode_counter(count, None::<&NoExemplar>)?;
            }
        }
        let help = "From the head of a request to the end of its answer; tunnels are left out";
        let name = "http_request_duration_seconds";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (route, service, counts) in &self.routes {
            let labels: &Labels<'_> = &[("route", route), ("service", service)];
            let bounds = BUCKETS_S.iter().copied().chain([f64::INFINITY]);
            let buckets: Vec<_> = bounds.zip(counts.durations).collect();
            let (sum, count) = (counts.duration_sum.as_secs_f64(), counts.durations.iter().sum());
            family
                .encode_family(&labels)?
                .encode_histogram::<[(&str, &str); 0]>(sum, count, &buckets, None)?;
        }
        Ok(())
    }

    fn encode_services(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        type Read = fn(&Service) -> u64;
        let counters: [(&str, &str, Read); 4] = [
            ("upstream_connect_errors", "Connections that could not be made", |service| {
                service.counters.connect_errors.load(Ordering::Relaxed)
            }),
            ("upstream_retries", "Requests sent again out of the retry budget", |service| {
                service.counters.retries.load(Ordering::Relaxed)
            }),
            ("upstream_retries_refused", "Retries that the budget did not allow", |service| {
                service.counters.retries_refused.load(Ordering::Relaxed)
            }),
            ("upstream_ejections", "Upstreams taken out by passive health", |service| {
                service.counters.ejections.load(Ordering::Relaxed)
            }),
        ];
        for (name, help, read) in counters {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for service in &self.services {
                let labels: &Labels<'_> = &[("service", service.name())];
                family.encode_family(&labels)?.encode_counter(&read(service), None::<&NoExemplar>)?;
            }
        }
        let help = "Requests that wait for an upstream";
        let mut family = encoder.encode_descriptor("http_requests_waiting", help, None, MetricType::Gauge)?;
        for service in &self.services {
            let labels: &Labels<'_> = &[("service", service.name())];
            let waiting = service.counters.waiting.load(Ordering::Relaxed) as i64;
            family.encode_family(&labels)?.encode_gauge(&waiting)?;
        }
        let help = "Requests under way at upstreams";
        let mut family =
            encoder.encode_descriptor("http_requests_in_flight", help, None, MetricType::Gauge)?;
        for service in &self.services {
            let own = self.upstreams.iter().filter(|(_, stats)| stats.service == service.name());
            let in_flight: u64 = own.map(|(_, stats)| stats.in_flight).sum();
            let labels: &Labels<'_> = &[("service", service.name())];
            family.encode_family(&labels)?.encode_gauge(&(in_flight as i64))?;
        }
        let help = "How long upstreams took for requests that they answered well";
        let name = "upstream_request_duration_seconds";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (service, served) in &self.served {
            let labels: &Labels<'_> = &[("service", service)];
            family.encode_family(&labels)?.encode_histogram::<[(&str, &str); 0]>(
                served.sum_s(),
                served.count(),
                &served.doublings(),
                None,
            )?;
        }
        Ok(())
    }

    fn encode_upstreams(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        type Read = fn(&UpstreamStats) -> u64;
        let metrics: [(&str, &str, MetricType, Read); 4] = [
            ("upstream_requests", "Attempts made on an upstream", MetricType::Counter, |stats| {
                stats.requests_total
            }),
            ("upstream_failures", "Attempts that failed", MetricType::Counter, |stats| stats.failures_total),
            ("upstream_requests_in_flight", "Requests under way", MetricType::Gauge, |stats| stats.in_flight),
            ("upstream_ejected", "1 while passive health keeps it out", MetricType::Gauge, |stats| {
                u64::from(stats.ejected)
            }),
        ];
        for (name, help, metric_type, read) in metrics {
            let mut family = encoder.encode_descriptor(name, help, None, metric_type)?;
            for (id, stats) in &self.upstreams {
                let labels: &Labels<'_> = &[("service", &stats.service), ("upstream", id)];
                let mut metric = family.encode_family(&labels)?;
                match metric_type {
                    MetricType::Counter => metric.encode_counter(&read(stats), None::<&NoExemplar>)?,
                    _ => metric.encode_gauge(&(read(stats) as i64))?,
                }
            }
        }
        Ok(())
    }
}
