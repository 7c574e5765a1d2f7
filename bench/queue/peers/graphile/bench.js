// graphile-worker: `bench.js enqueue|work|latency URL [name=number]…`, as `queue_bench` of plimsoll-jobs.
// `batched=1` is what its documentation gives under "performance": a local queue of 500 and completions in batches.
import { Logger, makeWorkerUtils, run } from "graphile-worker";
import pg from "pg";

const [task, url, ...rest] = process.argv.slice(2);
const settings = Object.fromEntries(rest.map((a) => [a.split("=")[0], Number(a.split("=")[1])]));
const get = (name, otherwise) => settings[name] ?? otherwise;
const address = new URL(url);
const database = { host: address.searchParams.get("host"), user: address.searchParams.get("user"), database: address.pathname.slice(1) };
const pgPool = new pg.Pool({ ...database, max: 25 });
pgPool.on("error", console.error);
pgPool.on("connect", (client) => client.on("error", console.error));
const logger = new Logger(() => () => {});
const total = get("jobs", 10000);

if (task === "enqueue") await enqueue();
else if (task === "work") await work();
else await latency();
await pgPool.end();

function preset() {
  const worker = { logger, concurrentJobs: 24, maxPoolSize: 25, pollInterval: 2000, noHandleSignals: true };
  const batching = { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 };
  return { worker: get("batched", 1) ? { ...worker, ...batching } : worker };
}

function report(jobs, startedAt) {
  console.log(JSON.stringify({ jobs, seconds: (performance.now() - startedAt) / 1000 }));
}

async function add(utils, jobs, batch, runAt) {
  const specs = Array.from({ length: batch }, (_, n) => ({ identifier: "bench", payload: { n }, runAt }));
  for (let added = 0; added < jobs; added += batch) await utils.addJobs(specs.slice(0, jobs - added));
}

async function enqueue() {
  const utils = await makeWorkerUtils({ pgPool, logger });
  await utils.migrate();
  const clients = 4;
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: clients }, () => add(utils, total / clients, get("batch", 500))));
  report(total, startedAt);
  await utils.release();
}

async function work() {
  let left = total;
  let finish;
  const finished = new Promise((resolve) => (finish = resolve));
  const startedAt = performance.now();
  const bench = () => {
    if (--left === 0) finish();
  };
  const runner = await run({ pgPool, preset: preset(), taskList: { bench } });
  await finished;
  await runner.stop();
  report(total, startedAt);
}

async function latency() {
  const utils = await makeWorkerUtils({ pgPool, logger });
  await utils.migrate();
  if (get("waiting", 0)) await add(utils, get("waiting", 0), 5000, new Date(Date.now() + 3600_000));
  let started;
  const runner = await run({ pgPool, preset: preset(), taskList: { bench: () => started(performance.now()) } });
  const ms = [];
  for (let probe = 0; probe < total + 20; probe++) {
    await new Promise((resolve) => setTimeout(resolve, get("gap_ms", 20)));
    const start = new Promise((resolve) => (started = resolve));
    const askedAt = performance.now();
    await utils.addJob("bench", { n: probe });
    const at = await start;
    if (probe >= 20) ms.push(at - askedAt);
  }
  await runner.stop();
  await utils.release();
  ms.sort((a, b) => a - b);
  const at = (share) => ms[Math.min(ms.length - 1, Math.floor(ms.length * share))];
  console.log(JSON.stringify({ jobs: total, p50_ms: at(0.5), p99_ms: at(0.99) }));
}
