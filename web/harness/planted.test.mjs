// Bugs that are built into the SDK on purpose: the checker finds each. Without them it finds nothing
// (`npm run harness`), which makes that verdict believable.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
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

test('operations that are retried out of order are found out of order', () => {
  assert.match(verdictOn('retry-out-of-order'), /int-send-nonmonotonic/);
});

test('operations that another tab has overwritten are never answered', () => {
  assert.match(verdictOn('storage-overwritten'), /sends were never answered/);
});

test('a client that asks for no second sync does not see everything', () => {
  assert.match(verdictOn('sync-not-asked-again'), /unseen|late-delivery/);
});
