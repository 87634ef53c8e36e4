// Bugs that are built into the SDK on purpose: the checker finds each, and the scripts of `fleet conformance-client` those
// of one client. Without them they find nothing (`make test-web`), which makes that verdict believable.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('dist/main.js', import.meta.url));
const binaries =
  process.env.TIDINGS_BINARIES ?? fileURLToPath(new URL('../../target/debug', import.meta.url));

/** What the checker says of a run whose clients have this bug. */
function verdictOn(bug) {
  const args = [program, '--binaries', binaries, '--seed', process.env.SEED ?? '4', '--planted', bug];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  assert.ok(status === 1 || status === 2, `${bug} was not found:\n${stdout}${stderr}`);
  return stdout;
}

/** The rules that the scripts find broken by a client with this bug. */
function brokenBy(bug, only) {
  const driver = fileURLToPath(new URL(`dist/driver-${bug}.js`, import.meta.url));
  const args = ['conformance-client', '--patience', '10s', '--only', only, '--', process.execPath, driver];
  const { status, stdout, stderr } = spawnSync(join(binaries, 'fleet'), args, { encoding: 'utf8' });
  assert.equal(status, 1, `${bug} was not found:\n${stdout}${stderr}`);
  return [...stdout.matchAll(/^BROKEN +(\S+)/gm)].map(([, rule]) => rule);
}

test('the scripts find operations that are retried out of order, and syncs that are not', () => {
  assert.deepEqual(brokenBy('retry-out-of-order', 'operations.order'), ['operations.order-refused']);
  assert.deepEqual(brokenBy('sync-not-asked-again', 'sync.'), ['sync.error']);
});

test('operations that are retried out of order are found out of order', () => {
  assert.match(verdictOn('retry-out-of-order'), /int-send-nonmonotonic/);
});

test('operations that another tab has overwritten are never answered', () => {
  assert.match(verdictOn('storage-overwritten'), /sends were never answered/);
});

test('states that late answers have put back are found', () => {
  assert.match(verdictOn('late-answer-wins'), /[1-9]\d* messages with a wrong state/);
});

test('a client that asks for no second sync does not see everything', () => {
  assert.match(verdictOn('sync-not-asked-again'), /unseen|late-delivery/);
});
