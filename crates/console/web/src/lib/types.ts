// What the admin API sends; the words are explained in its OpenAPI document (/openapi.json).

export interface StackView {
  name: string;
  version: string;
  pid: number;
  uptime_s: number;
  at_ms: number;
  gateway: GatewayView | null;
  services: ServiceView[];
  queues: QueueView[];
  decisions: DecisionView[];
  warnings: string[];
}

export interface GatewayView {
  listen: string;
  requests_total: number;
  errors_total: number;
  in_flight: number;
  waiting: number;
}

export interface ServiceView {
  name: string;
  desired: number;
  ready: number;
  min: number;
  max: number;
  memory_enforcement: string;
  metrics: string[];
  instances: InstanceView[];
}

export interface InstanceView {
  id: string;
  state: string;
  address: string;
  pid: number | null;
  cpu_milli: number | null;
  memory_bytes: number | null;
  memory_limit_bytes: number | null;
  in_flight: number;
  restarts: number;
  age_s: number;
  last_exit: string | null;
  last_log: string[];
}

export interface QueueView {
  name: string;
  ready: number;
  scheduled: number;
  leased: number;
  dead: number;
  completed: number;
  oldest_age_s: number;
}

export interface DecisionView {
  id: number;
  at_ms: number;
  kind: string;
  service: string;
  from: number;
  to: number;
  summary: string;
}

export interface DecisionPage {
  decisions: DecisionView[];
  next_before?: number;
}
