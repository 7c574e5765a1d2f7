//! Files that are right, and what becomes of them.

use std::path::Path;
use std::time::Duration;

use plimsoll_balance::Policy;
use plimsoll_scale::spec::{MetricSpec, Target};
use plimsoll_stack::{Resources, Service, Stack, parse, parse_hpa};

fn read(source: &str) -> Stack {
    parse("stack.yaml", source.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

fn service<'s>(stack: &'s Stack, name: &str) -> &'s Service {
    stack.services.get(name).unwrap_or_else(|| panic!("no service {name}"))
}

#[test]
fn shipped_cv_evaluator_stack_is_right() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../stacks/cv-evaluator.yaml");
    let source = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let stack = parse("cv-evaluator.yaml", &source).unwrap_or_else(|error| panic!("{error}"));

    assert_eq!(stack.control.sync_period, Duration::from_secs(2));
    let api = service(&stack, "api");
    assert_eq!(api.env.get("RATE_LIMIT_PER_MIN").map(String::as_str), Some("10000"));
    assert_eq!(api.balance, Policy::LeastConn);
    assert_eq!(api.bounds(), (1, 4));
    let worker = service(&stack, "worker");
    assert_eq!(worker.drain, Duration::from_secs(30));
    let scaling = worker.scaling.as_ref().unwrap_or_else(|| panic!("worker is not scaled"));
    assert_eq!(scaling.hpa.metrics.first().and_then(MetricSpec::target), Some(Target::AverageValue(5000)));
}

#[test]
fn shipped_postgres_stack_differs_in_its_queue_only() {
    let shipped = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../stacks").join(name);
        let source = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        parse(name, &source).unwrap_or_else(|error| panic!("{error}"))
    };
    let (file, postgres) = (shipped("cv-evaluator.yaml"), shipped("cv-evaluator-postgres.yaml"));
    assert_eq!(file.queue.url_env, None);
    assert_eq!(postgres.queue.url_env.as_deref(), Some("DATABASE_URL"));
    assert_eq!(Stack { name: file.name.clone(), queue: file.queue.clone(), ..postgres }, file);
}

#[test]
fn smallest_stack_gets_every_default() {
    let stack = read("name: a\nservices: { b: { command: [c] } }\n");
    assert_eq!(stack.gateway, None);
    assert_eq!(stack.admin.listen.to_string(), "127.0.0.1:8081");
    assert_eq!(stack.control.sync_period, Duration::from_secs(15));
    assert_eq!(stack.state_dir(Path::new("/srv")), Path::new("/srv/.plimsoll/a"));
    let service = service(&stack, "b");
    assert_eq!(service.command, ["c"]);
    assert_eq!(service.bounds(), (1, 1));
    assert_eq!(service.working_dir(Path::new("/srv")), Path::new("/srv"));
    assert_eq!(service.resources, Resources::default());
    assert_eq!(service.drain, Duration::from_secs(30));
}

#[test]
fn every_key_is_read() {
    let stack = read(
        r#"
name: all
state: var/state
gateway:
  listen: 0.0.0.0:80
  trusted_proxies: [10.0.0.0/8, "::1"]
  max_connections: 7
  timeouts: { connect: 1s, response: 2s, idle: 3s, header_read: 4s }
  wait_for_upstream: 0s
  max_waiting: 0
  routes:
    - { path: /, service: api }
    - { path: /, host: API.example.org, service: api, timeout: 1m30s }
services:
  api:
    command: [run, --port, 8080, -v, true, ""]
    directory: app
    env: { TEXT: hello, NUMBER: 1.50, TRUTH: yes, FLAG: true, EMPTY: "" }
    health: { liveness: /live, readiness: /ready }
    start_timeout: 1m
    drain: 0s
    balance: { policy: round-robin }
    resources: { cpu: 1.5, memory: 1Gi }
    replicas: 3
control: { sync_period: 500ms }
admin: { listen: "0.0.0.0:8081", token_env: TOKEN }
"#,
    );
    let gateway = stack.gateway.as_ref().unwrap_or_else(|| panic!("no gateway"));
    assert!(gateway.trusted_proxies[0].contains([10, 1, 2, 3].into()));
    assert_eq!((gateway.max_connections, gateway.max_waiting), (7, 0));
    assert_eq!(gateway.timeouts.header_read, Duration::from_secs(4));
    assert_eq!(gateway.routes[1].host.as_deref(), Some("api.example.org"));
    assert_eq!(gateway.routes[1].timeout, Some(Duration::from_secs(90)));
    let api = service(&stack, "api");
    assert_eq!(api.command, ["run", "--port", "8080", "-v", "true", ""]);
    let env: Vec<&str> = api.env.values().map(String::as_str).collect();
    assert_eq!(env, ["", "true", "1.50", "hello", "yes"]);
    assert_eq!(api.resources, Resources { cpu_milli: Some(1500), memory_bytes: Some(1 << 30) });
    assert_eq!(api.working_dir(Path::new("/srv")), Path::new("/srv/app"));
    assert_eq!(stack.state_dir(Path::new("/srv")), Path::new("/srv/var/state"));
    assert_eq!(stack.admin.token_env.as_deref(), Some("TOKEN"));
}

#[test]
fn every_metric_type_and_behavior_is_read() {
    let stack = read(
        r#"
name: all
services:
  a:
    command: [a]
    resources: { cpu: 1, memory: 1Gi }
    scaling:
      scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: whatever }
      minReplicas: 0
      maxReplicas: 10
      metrics:
        - { type: Resource, resource: { name: cpu, target: { type: AverageValue, averageValue: 250m } } }
        - type: ContainerResource
          containerResource: { name: memory, container: app, target: { type: Utilization, averageUtilization: 60 } }
        - { type: Pods, pods: { metric: { name: rps }, target: { type: AverageValue, averageValue: 1k } } }
        - type: Object
          object:
            describedObject: { apiVersion: networking.k8s.io/v1, kind: Ingress, name: main }
            metric: { name: rps }
            target: { type: Value, value: 10 }
        - type: External
          external:
            metric:
              name: depth
              selector:
                matchLabels: { queue: q, empty: "" }
                matchExpressions: [{ key: k, operator: NotIn, values: ["1", b] }, { key: l, operator: Exists }]
            target: { type: AverageValue, averageValue: "0.5" }
      behavior:
        scaleUp:
          stabilizationWindowSeconds: 0
          selectPolicy: Min
          tolerance: 0.05
          policies: [{ type: Pods, value: 4, periodSeconds: 15 }, { type: Percent, value: 100, periodSeconds: 1800 }]
        scaleDown: { selectPolicy: Disabled }
"#,
    );
    let scaling = service(&stack, "a").scaling.as_ref().unwrap_or_else(|| panic!("not scaled"));
    let targets: Vec<_> = scaling.hpa.metrics.iter().filter_map(MetricSpec::target).collect();
    assert_eq!(
        targets,
        [
            Target::AverageValue(250),
            Target::Utilization(60),
            Target::AverageValue(1_000_000),
            Target::Value(10_000),
            Target::AverageValue(500),
        ]
    );
    let up = scaling.hpa.behavior.as_ref().and_then(|behavior| behavior.scale_up.as_ref());
    assert_eq!(up.and_then(|rules| rules.tolerance), Some(0.05));
    assert!(scaling.problems().is_empty());
}

#[test]
fn anchors_and_aliases_work() {
    let stack = read(
        "name: a\nservices:\n  x: &x\n    command: [c]\n    env: &env { A: 1 }\n  y: *x\n  z: { command: [z], env: *env }\n",
    );
    assert_eq!(service(&stack, "x"), service(&stack, "y"));
    assert_eq!(service(&stack, "z").env.get("A").map(String::as_str), Some("1"));
}

#[test]
fn byte_order_mark_and_windows_line_ends_do_not_matter() {
    let stack = read("\u{feff}name: a\r\nservices:\r\n  b:\r\n    command: [c]\r\n");
    assert_eq!(stack.name, "a");
}

#[test]
fn port_zero_never_clashes() {
    read(
        "name: a\ngateway: { listen: '127.0.0.1:0', routes: [{ path: /, service: b }] }\nadmin: { listen: '127.0.0.1:0' }\nservices: { b: { command: [c] } }\n",
    );
}

#[test]
fn scaling_spec_reads_on_its_own() {
    let spec = parse_hpa("hpa.yaml", b"maxReplicas: 3\n").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((spec.min(), spec.max_replicas), (1, 3));
    let mistakes =
        parse_hpa("hpa.yaml", b"minReplicas: 4\nmaxReplicas: 3\n").map_err(|error| error.to_string());
    let expected =
        "hpa.yaml:1:14: `minReplicas` 4 is above `maxReplicas` 3. hint: swap them, or raise `maxReplicas`";
    assert_eq!(mistakes, Err(expected.to_owned()));
}
