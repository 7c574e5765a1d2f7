import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { SILENCE_MS, backoff, follow, type LiveState } from './live';
import type { StackView } from './types';

/** A console that answers as the test says, and remembers what it was asked. */
class Server {
  asked: { token: string | null }[] = [];
  status = 200;
  private stream: ReadableStreamDefaultController<Uint8Array> | null = null;

  readonly fetch = (async (_: unknown, init: RequestInit) => {
    this.asked.push({ token: new Headers(init.headers).get('authorization') });
    if (this.status === 0) throw new TypeError('connection refused');
    if (this.status !== 200) return new Response('{}', { status: this.status });
    return new Response(new ReadableStream<Uint8Array>({ start: (stream) => void (this.stream = stream) }));
  }) as typeof fetch;

  async send(name: string): Promise<void> {
    this.stream?.enqueue(new TextEncoder().encode(`event: stack\ndata: ${JSON.stringify({ name })}\n\n`));
    await settle();
  }

  async end(): Promise<void> {
    this.stream?.close();
    await settle();
  }
}

const settle = () => vi.advanceTimersByTimeAsync(0);

function start(server: Server, token: string | null = null) {
  const seen = { views: [] as StackView[], states: [] as LiveState[], token };
  const live = follow({
    token: () => seen.token,
    onView: (view) => seen.views.push(view),
    onState: (state) => seen.states.push(state),
    fetch: server.fetch,
    random: () => 0.5,
    now: () => 0,
  });
  return { seen, live, kinds: () => seen.states.map((state) => state.kind) };
}

describe('follow', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('delivers snapshots and is live', async () => {
    const server = new Server();
    const { seen, live, kinds } = start(server);
    await settle();
    await server.send('a');
    await server.send('b');
    expect(seen.views.map((view) => view.name)).toEqual(['a', 'b']);
    expect(kinds()).toEqual(['connecting', 'live', 'live']);
    live.stop();
  });

  it('comes back after the stream ended, and waits longer each time', async () => {
    const server = new Server();
    const { seen, live } = start(server);
    await settle();
    await server.send('a');
    await server.end();
    expect(seen.states.at(-1)).toEqual({ kind: 'waiting', untilMs: 250, reason: 'the stream ended' });
    server.status = 0;
    await vi.advanceTimersByTimeAsync(250);
    expect(seen.states.at(-1)).toEqual({ kind: 'waiting', untilMs: 500, reason: 'nobody answers' });
    server.status = 503;
    await vi.advanceTimersByTimeAsync(500);
    expect(seen.states.at(-1)).toEqual({ kind: 'waiting', untilMs: 1000, reason: 'the console answers 503' });
    server.status = 200;
    await vi.advanceTimersByTimeAsync(1000);
    await server.send('b');
    expect(seen.states.at(-1)).toEqual({ kind: 'live' });
    await server.end();
    expect(seen.states.at(-1)).toMatchObject({ untilMs: 250 });
    live.stop();
  });

  it('takes silence for a dead connection', async () => {
    const server = new Server();
    const { seen, live } = start(server);
    await settle();
    await server.send('a');
    await vi.advanceTimersByTimeAsync(SILENCE_MS - 1);
    expect(seen.states.at(-1)?.kind).toBe('live');
    await vi.advanceTimersByTimeAsync(1);
    expect(seen.states.at(-1)).toMatchObject({ kind: 'waiting', reason: 'no word from the console' });
    await vi.advanceTimersByTimeAsync(250);
    expect(server.asked).toHaveLength(2);
    live.stop();
  });

  it('asks for a token instead of trying on, and sends it', async () => {
    const server = new Server();
    server.status = 401;
    const { seen, live, kinds } = start(server);
    await settle();
    expect(kinds()).toEqual(['connecting', 'locked']);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(server.asked).toHaveLength(1);
    server.status = 200;
    seen.token = 'abc';
    live.retry();
    await settle();
    await server.send('a');
    expect(server.asked.at(-1)).toEqual({ token: 'Bearer abc' });
    expect(seen.states.at(-1)?.kind).toBe('live');
    live.stop();
  });

  it('tries again at once when told to, without a second stream', async () => {
    const server = new Server();
    server.status = 0;
    const { live } = start(server);
    await settle();
    server.status = 200;
    live.retry();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(server.asked).toHaveLength(2);
    live.stop();
  });

  it('is quiet once stopped', async () => {
    const server = new Server();
    const { seen, live } = start(server);
    await settle();
    live.stop();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(server.asked).toHaveLength(1);
    expect(seen.states.map((state) => state.kind)).toEqual(['connecting']);
    expect(vi.getTimerCount()).toBe(0);
  });
});

it('backs off uniformly below a bound that doubles up to a cap', () => {
  expect([0, 1, 4, 5, 50].map((failures) => backoff(failures, () => 1))).toEqual([500, 1000, 8000, 10000, 10000]);
  expect(backoff(5, () => 0)).toBe(0);
});
