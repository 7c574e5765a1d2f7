// Questions to the admin API other than the stream.

import type { DecisionPage } from './types';

export class ApiError extends Error {}

export async function decisionsBefore(before: number, token: string | null): Promise<DecisionPage> {
  return (await get(`/api/v1/decisions?limit=50&before=${before}`, token)) as DecisionPage;
}

/** The record of a decision: its shape depends on what kind of decision it was. */
export async function decisionRecord(id: number, token: string | null): Promise<unknown> {
  return get(`/api/v1/decisions/${id}`, token);
}

async function get(path: string, token: string | null): Promise<unknown> {
  const headers: HeadersInit = token === null ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(path, { headers, cache: 'no-store' });
  const body: unknown = await response.json().catch(() => null);
  if (!response.ok) throw new ApiError(message(body) ?? `the console answers ${response.status}`);
  return body;
}

function message(body: unknown): string | null {
  const error = (body as { error?: { message?: unknown } } | null)?.error;
  return typeof error?.message === 'string' ? error.message : null;
}
