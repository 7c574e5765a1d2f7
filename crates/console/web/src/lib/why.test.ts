import { expect, it } from 'vitest';

import { crash, reasoning } from './why';

const record = {
  id: 12,
  detail: {
    decision: {
      current: 1,
      desired: 3,
      explanation: {
        path: 'metrics',
        min_replicas: 1,
        max_replicas: 4,
        metrics: [
          {
            name: 'queue_age_seconds',
            type: 'External',
            target: { type: 'AverageValue', averageValue: '5' },
            proposal: { replicas: 6, current: { per_instance: { milli: 28400, total_milli: 28400 } }, ratio: 5.68 },
          },
          {
            name: 'cpu',
            type: 'Resource',
            target: { type: 'Utilization', averageUtilization: 70 },
            proposal: { replicas: 1, current: { utilization: { pct: 68, average_milli: 340 } }, ratio: 0.97, held: 'within_tolerance' },
          },
          { name: 'gone', type: 'External', target: { value: '3' }, failure: 'no_data' },
        ],
        winner: 0,
        wanted: 6,
        stabilized: { replicas: 6, reason: 'ReadyForNewScale' },
        limited: { replicas: 3, reason: 'ScaleUpLimit' },
      },
    },
  },
};

it('tells what each metric asked for and what bound', () => {
  expect(reasoning(record)).toEqual({
    metrics: [
      { name: 'queue_age_seconds', measured: '28.4 in total', target: '5 an instance', ratio: '5.68', asksFor: '6', winner: true },
      { name: 'cpu', measured: '68 %', target: '70 %', ratio: '0.97', asksFor: '1 (within tolerance)', winner: false },
      { name: 'gone', measured: 'no data', target: '3', ratio: '–', asksFor: '–', winner: false },
    ],
    steps: [
      { label: 'The metrics want', replicas: 6, reason: '' },
      { label: 'After stabilisation', replicas: 6, reason: '' },
      { label: 'After bounds and rate limits', replicas: 3, reason: 'scale up limit' },
    ],
    bounds: '1 to 4',
  });
});

it('tells how an instance crashed', () => {
  expect(crash({ detail: { last_exit: 'killed by signal 9', last_log: ['a', 'b'] } })).toEqual({
    lastExit: 'killed by signal 9',
    lastLog: ['a', 'b'],
  });
});

it('makes nothing of records it does not know', () => {
  for (const other of [null, 3, 'x', [], {}, { detail: null }, { detail: { decision: 4 } }]) {
    expect(reasoning(other)).toBeNull();
    expect(crash(other)).toBeNull();
  }
});
