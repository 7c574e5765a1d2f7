// The page in a real browser against a running stack (or the demo): what the API says is what the page shows, a change
// appears by itself, nothing is written to the console, nothing sticks out at any width.
//
//   node e2e/page.mjs http://127.0.0.1:8081/ [--token TOKEN] [--shots DIR] [--scale SERVICE=N | --read-only]
//
// CHROMIUM names the browser (default /usr/bin/chromium). Exit status 1 when something does not hold.

import { mkdtemp, mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { chromium } from 'playwright-core';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    token: { type: 'string' },
    shots: { type: 'string' },
    scale: { type: 'string' },
    'read-only': { type: 'boolean', default: false },
  },
});
const url = positionals[0];
if (!url) {
  console.error('usage: node e2e/page.mjs URL [--token TOKEN] [--shots DIR] [--scale SERVICE=N | --read-only]');
  process.exit(2);
}

const PATIENCE_MS = 30_000;
const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];
const authorization = options.token ? { authorization: `Bearer ${options.token}` } : {};

async function api(path, body) {
  const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
  const response = await fetch(new URL(path, url), {
    ...init,
    headers: { ...authorization, 'content-type': 'application/json' },
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${answer.error?.message}`);
  return answer;
}

const failures = [];
const check = (holds, what) => {
  console.log(`${holds ? 'ok  ' : 'FAIL'} ${what}`);
  if (!holds) failures.push(what);
};

/** Asks again until the answer is true; a live page and a live API are never read at the same moment. */
async function eventually(what, ask) {
  const end = Date.now() + PATIENCE_MS;
  let holds = false;
  let reason = '';
  do {
    try {
      holds = await ask();
    } catch (error) {
      reason = `: ${error.message.split('\n')[0]}`;
    }
    if (!holds) await new Promise((resolve) => setTimeout(resolve, 200));
  } while (!holds && Date.now() < end);
  check(holds, holds ? what : what + reason);
}

const instancesOf = (stack) => stack.services.flatMap((service) => service.instances.map((instance) => instance.id));
const same = (a, b) => a.length === b.length && a.every((item) => b.includes(item));

const profile = await mkdtemp(join(tmpdir(), 'plimsoll-page-'));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  args: FLAGS,
  viewport: { width: 1360, height: 900 },
  colorScheme: 'light',
});

const complaints = [];
try {
  const page = context.pages()[0] ?? (await context.newPage());
  page.setDefaultTimeout(PATIENCE_MS);
  page.on('console', (message) => {
    // The browser itself reports the 401 that makes the page ask for its token.
    const expected = options.token && message.text().includes('401');
    if (['error', 'warning'].includes(message.type()) && !expected) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  const foreign = [];
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== new URL(url).origin) foreign.push(request.url());
  });
  const shot = async (name) => {
    if (!options.shots) return;
    await mkdir(options.shots, { recursive: true });
    await page.screenshot({ path: join(options.shots, `${name}.png`), fullPage: true });
  };
  const shownInstances = () =>
    page.$$eval('tr[data-instance]:not(.row-leave-active)', (rows) => rows.map((row) => row.dataset.instance));

  const response = await page.goto(url);
  check(response.status() === 200, 'the page is served');
  if (options.token) {
    await page.getByLabel('Token').fill('a wrong token');
    await page.getByRole('button', { name: 'Open' }).click();
    await page.getByRole('alert').waitFor();
    check(true, 'a wrong token is refused and said to be');
    await page.getByLabel('Token').fill(options.token);
    await page.getByRole('button', { name: 'Open' }).click();
  }
  await eventually('the page says it is live', async () => (await page.getByRole('status').innerText()) === 'Live');

  const stack = await api('/api/v1/stack');
  check((await page.locator('h1').innerText()) === stack.name, `the stack is named ${stack.name}`);
  for (const service of stack.services) {
    const section = page.locator(`[data-service="${service.name}"]`);
    await eventually(`service ${service.name} is shown with its size`, async () =>
      /\d+ (of \d+ )?ready/.test(await section.locator('.size').innerText()),
    );
  }
  await eventually('the instances on the page are those of the API', async () =>
    same(await shownInstances(), instancesOf(await api('/api/v1/stack'))),
  );
  for (const queue of stack.queues) {
    const text = await page.locator(`[data-queue="${queue.name}"]`).innerText();
    check(/ready/.test(text) && /oldest waits/.test(text), `queue ${queue.name} is shown with depth and age`);
  }
  if (stack.gateway) {
    const text = await page.locator('[data-part="gateway"]').innerText();
    check(text.includes(stack.gateway.listen), 'the gateway is shown');
  }
  await eventually('the charts are drawn', async () =>
    page.$$eval('[data-part="timeline"] canvas', (drawn) => drawn.length > 0 && drawn.every(({ width }) => width > 0)),
  );

  await page.getByLabel('with starts and stops').check();
  const decision = page.locator('[data-decision]').first();
  await decision.waitFor();
  const id = Number(await decision.getAttribute('data-decision'));
  const record = await api(`/api/v1/decisions/${id}`);
  const fixed = page.locator(`[data-decision="${id}"]`);
  check((await fixed.innerText()).includes(record.summary), 'a decision is shown with its reason');
  await fixed.locator('summary').first().press('Enter');
  await fixed.getByText('Whole record').waitFor();
  check(true, 'a decision opens by keyboard and tells why');

  if (!options['read-only']) {
    const [name, wanted] = options.scale?.split('=') ?? [];
    const before = await api('/api/v1/stack');
    const service = before.services.find((known) => (name ? known.name === name : known.min < known.max));
    if (!service) throw new Error('no service to scale: give --scale SERVICE=N or --read-only');
    const replicas = wanted ? Number(wanted) : service.desired < service.max ? service.desired + 1 : service.desired - 1;
    const known = instancesOf(before);
    const answer = await api(`/api/v1/services/${service.name}/scale`, { replicas });
    console.log(`     ${answer.message}`);
    await eventually(`a change of ${service.name} from ${service.desired} to ${replicas} appears by itself`, async () =>
      replicas > service.desired
        ? (await shownInstances()).some((instance) => !known.includes(instance))
        : (await page.locator(`[data-service="${service.name}"] tr.draining`).count()) > 0,
    );
    await eventually('the order is among the decisions', async () =>
      (await page.locator('[data-decision].operator').count()) > 0,
    );
    await api(`/api/v1/services/${service.name}/scale`, { replicas: service.desired });
  }

  const died = stack.queues.find((queue) => queue.dead > 0);
  if (died) {
    const letters = page.locator(`[data-queue="${died.name}"] [data-part="dead-letters"]`);
    await letters.locator('summary').first().press('Enter');
    const page0 = await api(`/api/v1/dead-letters?queue=${encodeURIComponent(died.name)}`);
    const letter = letters.locator(`[data-letter="${page0.letters[0].id}"]`);
    await letter.waitFor();
    check((await letter.innerText()).includes(page0.letters[0].reason), 'a dead letter is shown with its reason');
    await letter.getByRole('button', { name: 'Inspect' }).press('Enter');
    await letter.getByText('not shown').waitFor();
    check(true, 'a dead letter is inspected by keyboard, its payload stays inside');
    await shot('letters');
    if (!options['read-only']) {
      await letter.getByRole('button', { name: 'Requeue' }).press('Enter');
      await letter.waitFor({ state: 'detached' });
      await eventually('a dead letter that was requeued is dead no longer', async () => {
        const now = await api(`/api/v1/dead-letters?queue=${encodeURIComponent(died.name)}`);
        return !now.letters.some(({ id }) => id === page0.letters[0].id);
      });
      await eventually('who requeued it is among the decisions', async () =>
        (await page.locator('[data-decision].operator', { hasText: 'the page requeued 1 dead letter' }).count()) > 0,
      );
      const second = page0.letters[1];
      if (second) {
        const other = letters.locator(`[data-letter="${second.id}"]`);
        await other.getByRole('button', { name: 'Discard' }).click();
        const still = await api(`/api/v1/dead-letters?queue=${encodeURIComponent(died.name)}`);
        check(still.letters.some(({ id }) => id === second.id), 'one press discards nothing');
        await other.getByRole('button', { name: 'Discard: sure?' }).click();
        await other.waitFor({ state: 'detached' });
        check(true, 'the second press discards');
      }
    }
  }

  await shot('light');
  for (const width of [1360, 1024, 768, 390, 320]) {
    await page.setViewportSize({ width, height: 900 });
    await eventually(`nothing sticks out at ${width} px`, () =>
      page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth),
    );
    if (width === 390) await shot('narrow');
  }
  await page.setViewportSize({ width: 1360, height: 900 });
  await page.emulateMedia({ colorScheme: 'dark' });
  await shot('dark');

  check(foreign.length === 0, `nothing is fetched from elsewhere ${foreign.join(' ')}`);
} catch (error) {
  check(false, error.message);
} finally {
  check(complaints.length === 0, `the browser has nothing to complain about ${complaints.join(' | ')}`);
  await context.close();
  await rm(profile, { recursive: true, force: true });
}
console.log(failures.length === 0 ? 'the page holds' : `${failures.length} of the checks failed`);
process.exitCode = failures.length === 0 ? 0 : 1;
