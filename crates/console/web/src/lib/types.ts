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
  shadow?: ShadowView;
  sizing?: SizingView;
  instances: InstanceView[];
}

export interface ShadowView {
  wants: number;
  live: number;
  shadow_instance_hours: number;
  live_instance_hours: number;
}

export interface SizingView {
  mode: string;
  cpu: SizeView;
  memory: SizeView;
}

export interface SizeView {
  stated: number | null;
  target: number;
  lower: number;
  upper: number;
  verdict: string;
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
  arrivals_per_s: number;
  completions_per_s: number;
  time_to_drain_s: number;
  held_by: { worker: string; jobs: number }[];
}

export interface LetterView {
  id: number;
  queue: string;
  lane: string;
  attempts: number;
  enqueued_at_ms: number;
  died_at_ms: number;
  reason: string;
  error?: string;
  payload_bytes: number;
}

export interface LetterPage {
  letters: LetterView[];
  next?: string;
}

export interface JobView {
  id: number;
  queue: string;
  lane: string;
  owner?: string;
  state: string;
  attempts: number;
  enqueued_at_ms: number;
  at_ms: number;
  worker?: string;
  progress?: { permille: number; note: string };
  payload_bytes?: number;
  reason?: string;
  failures: { attempt: number; at_ms: number; worker: string; error?: string; message: string }[];
}

export type Act = 'requeue' | 'discard' | 'cancel';

/** Some jobs by number, or all dead letters of a queue. */
export type Order = { jobs: number[] } | { all: true; queue: string };

export interface OrderReport {
  message: string;
  done: number;
  refused: { job: number; why: string }[];
  more: boolean;
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
