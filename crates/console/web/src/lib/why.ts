// Reads the record of a scaling decision as far as this page knows its shape; the whole record is shown in any case.

import { milli } from './format';

/** One metric and what it alone would have done. */
export interface MetricLine {
  name: string;
  measured: string;
  target: string;
  ratio: string;
  asksFor: string;
  /** Asked for most, so it counted. */
  winner: boolean;
}

/** One step from what was wanted to what was done. */
export interface Step {
  label: string;
  replicas: number;
  reason: string;
}

export interface Reasoning {
  metrics: MetricLine[];
  steps: Step[];
  bounds: string;
}

export interface CrashStory {
  lastExit: string;
  lastLog: string[];
}

type Json = Record<string, unknown>;

/** How the scaling policy came to its answer; `null` for a record of another kind. */
export function reasoning(record: unknown): Reasoning | null {
  const explanation = object(at(record, 'detail', 'decision', 'explanation'));
  if (!explanation) return null;
  const winner = number(explanation.winner);
  const metrics = list(explanation.metrics).map((metric, index) => metricLine(metric, index === winner));
  const steps: Step[] = [];
  const wanted = number(explanation.wanted);
  if (wanted !== null) steps.push({ label: 'The metrics want', replicas: wanted, reason: '' });
  for (const [label, value] of [
    ['After stabilisation', explanation.stabilized],
    ['After bounds and rate limits', explanation.limited],
  ] as const) {
    const step = object(value);
    const replicas = number(step?.replicas);
    const changed = replicas !== null && replicas !== (steps.at(-1)?.replicas ?? replicas);
    if (step && replicas !== null) steps.push({ label, replicas, reason: changed ? words(step.reason) : '' });
  }
  return { metrics, steps, bounds: `${text(explanation.min_replicas)} to ${text(explanation.max_replicas)}` };
}

/** What is known about a crash; `null` for a record of another kind. */
export function crash(record: unknown): CrashStory | null {
  const detail = object(at(record, 'detail'));
  if (!detail || !('last_exit' in detail)) return null;
  return { lastExit: text(detail.last_exit) || 'unknown', lastLog: list(detail.last_log).map(text) };
}

function metricLine(value: unknown, winner: boolean): MetricLine {
  const metric = object(value) ?? {};
  const proposal = object(metric.proposal);
  const name = text(metric.name);
  const target = quantity(metric.target);
  if (!proposal) return { name, measured: failure(metric.failure), target, ratio: '–', asksFor: '–', winner };
  const ratio = number(proposal.ratio);
  return {
    name,
    measured: measured(proposal.current),
    target,
    ratio: ratio === null ? '–' : ratio.toFixed(2),
    asksFor: text(proposal.replicas) + (proposal.held ? ` (${words(proposal.held)})` : ''),
    winner,
  };
}

function measured(value: unknown): string {
  const [kind, inner] = Object.entries(object(value) ?? {})[0] ?? [];
  const current = object(inner) ?? {};
  if (kind === 'utilization') return `${text(current.pct)} %`;
  const total = number(current.total_milli);
  if (total !== null) return `${milli(total)} in total`;
  const amount = number(current.milli);
  return amount === null ? '–' : milli(amount);
}

/** An autoscaling/v2 target. */
function quantity(value: unknown): string {
  const target = object(value) ?? {};
  if (target.averageUtilization !== undefined) return `${text(target.averageUtilization)} %`;
  if (target.averageValue !== undefined) return `${text(target.averageValue)} an instance`;
  return text(target.value) || '–';
}

function failure(value: unknown): string {
  if (typeof value === 'string') return words(value);
  const [kind] = Object.keys(object(value) ?? {});
  return kind ? words(kind) : 'unknown';
}

/** `ScaleUpLimit` and `within_tolerance` as words. */
function words(value: unknown): string {
  return text(value).replace(/([a-z])([A-Z])/g, '$1 $2').replaceAll('_', ' ').toLowerCase();
}

function at(value: unknown, ...path: string[]): unknown {
  return path.reduce<unknown>((inner, name) => object(inner)?.[name], value);
}

function object(value: unknown): Json | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : null;
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function number(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}

function text(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}
