// Questions to the admin API other than the stream.

import type { Act, DecisionPage, JobView, LetterPage, Order, OrderReport } from './types';

export class ApiError extends Error {}

export async function decisionsBefore(before: number, token: string | null): Promise<DecisionPage> {
  return (await get(`/api/v1/decisions?limit=50&before=${before}`, token)) as DecisionPage;
}

/** The record of a decision: its shape depends on what kind of decision it was. */
export async function decisionRecord(id: number, token: string | null): Promise<unknown> {
  return get(`/api/v1/decisions/${id}`, token);
}

/** Dead letters of a queue, oldest first. */
export async function deadLetters(queue: string, after: string | null, token: string | null): Promise<LetterPage> {
  const page = after === null ? '' : `&after=${encodeURIComponent(after)}`;
  return (await get(`/api/v1/dead-letters?limit=20&queue=${encodeURIComponent(queue)}${page}`, token)) as LetterPage;
}

export async function job(id: number, token: string | null): Promise<JobView> {
  return (await get(`/api/v1/jobs/${id}`, token)) as JobView;
}

/** Does something with jobs; it is written down as done by the page. */
export async function order(act: Act, jobs: Order, token: string | null): Promise<OrderReport> {
  const body = JSON.stringify({ ...jobs, by: 'the page' });
  return (await ask(`/api/v1/jobs/${act}`, token, { method: 'POST', body })) as OrderReport;
}

async function get(path: string, token: string | null): Promise<unknown> {
  return ask(path, token, {});
}

async function ask(path: string, token: string | null, init: RequestInit): Promise<unknown> {
  const headers: Record<string, string> = token === null ? {} : { authorization: `Bearer ${token}` };
  if (init.body !== undefined) headers['content-type'] = 'application/json';
  const response = await fetch(path, { ...init, headers, cache: 'no-store' });
  const body: unknown = await response.json().catch(() => null);
  if (!response.ok) throw new ApiError(message(body) ?? `the console answers ${response.status}`);
  return body;
}

function message(body: unknown): string | null {
  const error = (body as { error?: { message?: unknown } } | null)?.error;
  return typeof error?.message === 'string' ? error.message : null;
}
