// The last minutes as this page saw them: nothing is made up for the time before it was opened.

import type { StackView } from './types';

/** Columns over one time axis; `null` where there was nothing to see. */
export interface Columns {
  /** Seconds since the Unix epoch, rising. */
  times: number[];
  values: Map<string, (number | null)[]>;
}

interface Sample {
  atS: number;
  requests: number | null;
  errors: number | null;
  values: Map<string, number>;
}

export interface Rates {
  /** Requests in a second. */
  requests: number | null;
  /** Share of them answered with 5xx. */
  errorShare: number | null;
}

const WINDOW_S = 600;
/** A longer silence is a gap in a chart, not a straight line. */
const GAP_S = 8;
const RATE_WINDOW_S = 10;

export const key = {
  depth: (queue: string): string => `queue/${queue}/depth`,
  age: (queue: string): string => `queue/${queue}/age`,
  instances: (service: string): string => `service/${service}/instances`,
};

/** Bounded: one sample a second for ten minutes. */
export class History {
  private samples: Sample[] = [];
  private pid: number | null = null;

  add(view: StackView): void {
    if (this.pid !== view.pid) {
      this.samples = []; // another process counts from zero
      this.pid = view.pid;
    }
    const sample = sampleOf(view);
    const last = this.samples.at(-1);
    if (last && sample.atS < last.atS - 1) this.samples = []; // the clock was set back
    else if (last && Math.floor(last.atS) === Math.floor(sample.atS)) this.samples.pop();
    this.samples.push(sample);
    const oldest = sample.atS - WINDOW_S;
    const keep = this.samples.findIndex((known) => known.atS >= oldest);
    if (keep > 0) this.samples.splice(0, keep);
  }

  columns(): Columns {
    const names = new Set(this.samples.flatMap((sample) => [...sample.values.keys()]));
    const columns: Columns = { times: [], values: new Map([...names].map((name) => [name, []])) };
    let previous: Sample | undefined;
    for (const sample of this.samples) {
      if (previous && sample.atS - previous.atS > GAP_S) {
        columns.times.push((previous.atS + sample.atS) / 2);
        for (const column of columns.values.values()) column.push(null);
      }
      columns.times.push(sample.atS);
      for (const [name, column] of columns.values) column.push(sample.values.get(name) ?? null);
      previous = sample;
    }
    return columns;
  }

  /** Over the last ten seconds; unknown until there are two samples a second apart. */
  rates(): Rates {
    const last = this.samples.at(-1);
    const first = this.samples.find((sample) => last && last.atS - sample.atS <= RATE_WINDOW_S);
    const unknown = { requests: null, errorShare: null };
    if (!last || !first || last.requests === null || first.requests === null) return unknown;
    const [seconds, requests] = [last.atS - first.atS, last.requests - first.requests];
    if (seconds < 1 || requests < 0) return unknown;
    const errors = Math.max(0, (last.errors ?? 0) - (first.errors ?? 0));
    return { requests: requests / seconds, errorShare: requests > 0 ? errors / requests : 0 };
  }
}

function sampleOf(view: StackView): Sample {
  const values = new Map<string, number>();
  for (const queue of view.queues) {
    values.set(key.depth(queue.name), queue.ready);
    values.set(key.age(queue.name), queue.oldest_age_s);
  }
  for (const service of view.services) values.set(key.instances(service.name), service.ready);
  return {
    atS: view.at_ms / 1000,
    requests: view.gateway?.requests_total ?? null,
    errors: view.gateway?.errors_total ?? null,
    values,
  };
}
