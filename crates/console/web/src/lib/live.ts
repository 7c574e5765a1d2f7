// Follows the stack: opens the stream, reads snapshots, and opens it again when it ends.

import { EventParser } from './sse';
import type { StackView } from './types';

/**
 * `connecting` before the first snapshot, `live` while they come, `waiting` between two attempts,
 * `locked` when the console wants a token (or another one).
 */
export type LiveState =
  | { kind: 'connecting' }
  | { kind: 'live' }
  | { kind: 'waiting'; untilMs: number; reason: string }
  | { kind: 'locked' };

export interface LiveOptions {
  token: () => string | null;
  onView: (view: StackView) => void;
  onState: (state: LiveState) => void;
  fetch?: typeof fetch;
  random?: () => number;
  now?: () => number;
}

export interface Live {
  /** Tries again at once. */
  retry: () => void;
  stop: () => void;
}

/** Nothing for so long means a dead connection: the console sends a snapshot at least every two seconds. */
export const SILENCE_MS = 10_000;
const BACKOFF_FIRST_MS = 500;
const BACKOFF_CAP_MS = 10_000;

/** Pause before attempt `failures + 1`: uniform between zero and a bound that doubles, so that pages do not march in step. */
export function backoff(failures: number, random: () => number): number {
  return Math.round(random() * Math.min(BACKOFF_CAP_MS, BACKOFF_FIRST_MS * 2 ** Math.min(failures, 10)));
}

class Locked extends Error {}

export function follow(options: LiveOptions): Live {
  const ask = options.fetch ?? ((input, init) => fetch(input, init));
  const { random = Math.random, now = Date.now } = options;
  let stopped = false;
  let failures = 0;
  let attempt: AbortController | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;

  async function run(): Promise<void> {
    const own = new AbortController();
    attempt = own;
    let reason = 'the stream ended';
    try {
      await read(own);
    } catch (error) {
      if (error instanceof Locked) {
        attempt = null;
        if (!stopped && !own.signal.aborted) options.onState({ kind: 'locked' });
        return;
      }
      // A fetch that reaches nobody is a TypeError, with words that differ from browser to browser.
      if (error instanceof TypeError) reason = 'nobody answers';
      else reason = error instanceof Error ? error.message : String(error);
    }
    if (stopped || attempt !== own) return;
    attempt = null;
    const pause = backoff(failures, random);
    failures += 1;
    options.onState({ kind: 'waiting', untilMs: now() + pause, reason });
    timer = setTimeout(() => void run(), pause);
  }

  async function read(own: AbortController): Promise<void> {
    let silence: ReturnType<typeof setTimeout> | undefined;
    const heard = (): void => {
      clearTimeout(silence);
      silence = setTimeout(() => own.abort(new Error('no word from the console')), SILENCE_MS);
    };
    heard();
    try {
      const token = options.token();
      const headers: HeadersInit = token === null ? {} : { authorization: `Bearer ${token}` };
      const response = await ask('/api/v1/stream', { headers, cache: 'no-store', signal: own.signal });
      if (response.status === 401) throw new Locked();
      if (!response.ok || !response.body) throw new Error(`the console answers ${response.status}`);
      const reader = response.body.getReader();
      own.signal.addEventListener('abort', () => void reader.cancel(own.signal.reason).catch(() => undefined));
      const parser = new EventParser();
      const text = new TextDecoder();
      for (;;) {
        const { done, value } = await reader.read();
        if (own.signal.aborted) throw own.signal.reason;
        if (done) return;
        heard();
        for (const { event, data } of parser.push(text.decode(value, { stream: true }))) {
          if (event !== 'stack') continue;
          const view = JSON.parse(data) as StackView;
          failures = 0;
          options.onState({ kind: 'live' });
          options.onView(view);
        }
      }
    } finally {
      clearTimeout(silence);
    }
  }

  function retry(): void {
    if (stopped) return;
    clearTimeout(timer);
    const running = attempt;
    attempt = null;
    running?.abort(new Error('started again'));
    void run();
  }

  options.onState({ kind: 'connecting' });
  void run();
  return {
    retry,
    stop: () => {
      stopped = true;
      clearTimeout(timer);
      attempt?.abort(new Error('stopped'));
    },
  };
}
