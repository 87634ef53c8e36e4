// Builds the package: ES modules with declarations, one file for each source file. Node and TypeScript's `nodenext`
// want the endings of files in imports, which bundlers do not: they are added here.

import { spawnSync } from 'node:child_process';
import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const RELATIVE = /(\bfrom |\bimport\()(['"])(\.{1,2}\/[^'"]+?)(?:\.js)?\2/g;

rmSync(here('dist'), { recursive: true, force: true });
const compiler = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const { status } = spawnSync(process.execPath, [compiler, '-p', here('.')], { stdio: 'inherit' });
if (status !== 0) process.exit(status ?? 1);
for (const name of readdirSync(here('dist'))) {
  const path = here(`dist/${name}`);
  writeFileSync(path, readFileSync(path, 'utf8').replace(RELATIVE, '$1$2$3.js$2'));
}
copyFileSync(here('../../LICENSE'), here('dist/LICENSE'));
