// Other versions of Node than the one that runs the tests, as npm has or gets them.

import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';

const PATIENCE_MS = 180_000;

/** The program of this version; undefined where it cannot be had. */
export function nodeOf(major) {
  if (process.versions.node.startsWith(`${major}.`)) return process.execPath;
  const args = ['exec', '--yes', `--package=node@${major}`, '--', 'node', '-p', 'process.execPath'];
  const options = { cwd: tmpdir(), encoding: 'utf8', timeout: PATIENCE_MS };
  const path = spawnSync('npm', args, options).stdout?.trim().split('\n').at(-1);
  const version = path && spawnSync(path, ['--version'], { encoding: 'utf8' }).stdout;
  return version?.startsWith(`v${major}.`) ? path : undefined;
}
