import { describe, expect, it } from 'vitest';

import { History, key } from './history';
import type { StackView } from './types';

const START_S = 1_000_000;

function view(second: number, over: { depth?: number; requests?: number; errors?: number; pid?: number } = {}): StackView {
  return {
    name: 's', version: '0', pid: over.pid ?? 1, uptime_s: 0, at_ms: (START_S + second) * 1000,
    gateway: { listen: '', requests_total: over.requests ?? 0, errors_total: over.errors ?? 0, in_flight: 0, waiting: 0 },
    services: [{ name: 'w', desired: 1, ready: 1, min: 1, max: 4, memory_enforcement: '', metrics: [], instances: [] }],
    queues: [
      {
        name: 'q', ready: over.depth ?? 0, scheduled: 0, leased: 0, dead: 0, completed: 0, oldest_age_s: 0,
        arrivals_per_s: 0, completions_per_s: 0, time_to_drain_s: 0, held_by: [],
      },
    ],
    decisions: [], warnings: [],
  };
}

describe('History', () => {
  it('keeps ten minutes, one sample a second', () => {
    const history = new History();
    for (let quarter = 0; quarter < 4 * 1200; quarter += 1) history.add(view(quarter / 4));
    const { times } = history.columns();
    expect(times.length).toBeGreaterThan(500);
    expect(times.length).toBeLessThanOrEqual(603);
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeLessThanOrEqual(600);
  });

  it('ends with the newest sample although it came early', () => {
    const history = new History();
    [0, 1, 1.25, 1.5].forEach((second, depth) => history.add(view(second, { depth })));
    expect(history.columns().values.get(key.depth('q'))?.at(-1)).toBe(3);
  });

  it('shows a silence as a gap', () => {
    const history = new History();
    [0, 2, 40].forEach((second) => history.add(view(second, { depth: 5 })));
    expect(history.columns().values.get(key.depth('q'))).toEqual([5, 5, null, 5]);
  });

  it('computes rates over the last ten seconds only', () => {
    const history = new History();
    history.add(view(0, { requests: 0 }));
    expect(history.rates()).toEqual({ requests: null, errorShare: null });
    history.add(view(20, { requests: 10_000 }));
    history.add(view(25, { requests: 10_050, errors: 5 }));
    expect(history.rates()).toEqual({ requests: 10, errorShare: 0.1 });
  });

  it('begins anew with another process', () => {
    const history = new History();
    history.add(view(0, { requests: 500 }));
    history.add(view(2, { requests: 3, pid: 2 }));
    expect(history.rates().requests).toBeNull();
    expect(history.columns().times).toHaveLength(1);
  });
});
