// What the chat page costs at real sizes: CPU time of the browser's main thread, requests, bytes and waiting times,
// beside what they may be. Ends with 1 when one of them is above.

import { Stage, until } from '../e2e/stage.mjs';
import { People, together } from './people.mjs';

const CONVERSATIONS = 500;
const BURST = 600;
const LOADED = 5_000;
const WRITERS = Array.from({ length: 10 }, (_, i) => `writer-${i}`);

const rows = [];
const row = (what, value, most, unit) => {
  const isOver = value > most;
  rows.push({ what, value, most, unit, isOver });
  console.log(
    `${isOver ? 'OVER' : 'ok  '}  ${what}: ${value.toFixed(unit === 'requests' ? 0 : 1)} ${unit} (at most ${most})`,
  );
};

/** Main-thread CPU time of a page in milliseconds. */
async function cpuOf(page) {
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  return async () => {
    const { metrics } = await session.send('Performance.getMetrics');
    return metrics.find(({ name }) => name === 'TaskDuration').value * 1_000;
  };
}

const stage = new Stage();
await stage.begin();
const people = new People(stage.address);

try {
  // 500 conversations, most of them with one person each.
  await together(
    8,
    Array.from({ length: CONVERSATIONS }, (_, i) => async () => {
      for (const text of ['hello ann', 'are you there?']) await people.writeTo(`friend-${i}`, 'ann', text);
    }),
  );
  row('first load, before anybody has signed in', (await stage.sizeOfFirstLoad()) / 1_024, 30, 'KiB');
  const ann = await stage.open('ann');
  await ann.waitForTimeout(2_000);
  await firstLoad(ann);

  const group = await people.group('ann', WRITERS, 'Crew');
  await ann.getByTestId('conversation').filter({ hasText: 'Crew' }).click();
  await ann.getByTestId('composer').waitFor();
  await burst(ann, group);
  await manyLoaded(ann, group);
} finally {
  await stage.end();
}
if (rows.some(({ isOver }) => isOver)) process.exitCode = 1;

/** A reload of the signed-in page until all conversations are there and it is connected. */
async function firstLoad(page) {
  const cpu = await cpuOf(page);
  let requests = 0;
  let bytes = 0;
  const network = await page.context().newCDPSession(page);
  await network.send('Network.enable');
  await network.send('Network.setCacheDisabled', { cacheDisabled: true });
  const paths = new Map();
  network.on('Network.requestWillBeSent', ({ requestId, request }) => {
    if (!request.url.startsWith('http')) return;
    requests += 1;
    paths.set(requestId, new URL(request.url).pathname);
  });
  network.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    if (!paths.get(requestId)?.startsWith('/api/')) bytes += encodedDataLength;
  });
  const before = await cpu();
  const started = performance.now();
  await page.reload({ waitUntil: 'commit' });
  await page.locator(`[aria-setsize="${CONVERSATIONS}"]`).first().waitFor();
  await page.getByTestId('banner').waitFor({ state: 'detached' });
  await page.getByTestId('conversation').first().click({ trial: true });
  const waited = performance.now() - started;
  await page.waitForTimeout(3_000);
  row(`${CONVERSATIONS} conversations, usable after`, waited, 1_500, 'ms');
  row(`${CONVERSATIONS} conversations, requests`, requests, 20, 'requests');
  row(`${CONVERSATIONS} conversations, CPU`, (await cpu()) - before, 1_500, 'ms');
  row('code and styles of the signed-in page', bytes / 1_024, 50, 'KiB');
  const drawn = await page.getByTestId('conversation').count();
  row('conversations in the document', drawn, 60, 'rows');
  await network.detach();
}

/** Messages of ten people into the open conversation. */
async function burst(page, group) {
  const cpu = await cpuOf(page);
  const before = await cpu();
  await together(
    WRITERS.length,
    Array.from(
      { length: BURST - 1 },
      (_, i) => () =>
        people.write(WRITERS[i % WRITERS.length], group, `message ${i} of a burst, as long as many are`),
    ),
  );
  await people.write(WRITERS[0], group, 'the last of the burst');
  const stored = performance.now();
  await page.getByTestId('message').filter({ hasText: 'the last of the burst' }).waitFor();
  row(`${BURST} messages, the last shown after`, performance.now() - stored, 1_000, 'ms');
  row(`${BURST} messages, CPU`, (await cpu()) - before, 2_000, 'ms');
  row(`${BURST} messages, rows in the document`, await page.getByTestId('message').count(), 240, 'rows');
}

/** Ten more after five thousand, of which the client holds as many as it is allowed to. */
async function manyLoaded(page, group) {
  await together(
    WRITERS.length,
    Array.from(
      { length: LOADED },
      (_, i) => () => people.write(WRITERS[i % WRITERS.length], group, `one of very many: ${i}`),
    ),
  );
  await people.write(WRITERS[0], group, 'the last of many');
  await page.getByTestId('message').filter({ hasText: 'the last of many' }).waitFor();
  const cpu = await cpuOf(page);
  await page.waitForTimeout(2_000);
  // What the page costs while nothing happens is not what messages cost.
  const idle = await cpu();
  await page.waitForTimeout(2_000);
  const before = await cpu();
  const quiet = before - idle;
  for (let i = 0; i < 10; i++) await people.write(WRITERS[i], group, `ten more: ${i}`);
  await until(
    'the last of ten',
    async () => (await page.getByTestId('message').filter({ hasText: 'ten more: 9' }).count()) === 1,
  );
  await page.waitForTimeout(1_500);
  row(`10 messages after ${LOADED}, CPU`, (await cpu()) - before - quiet, 50, 'ms');
  row(`after ${LOADED}, rows in the document`, await page.getByTestId('message').count(), 240, 'rows');
}
