// What axe finds on a page.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Everything that axe calls serious or worse, contrast among it. */
export async function accuse(page, state) {
  if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(AXE);
  const found = await page.evaluate(async () => {
    const { violations, incomplete } = await globalThis.axe.run();
    // Text in the colour of its ground is not called a violation, as it may be hidden on purpose. Here none is.
    const unseen = incomplete
      .map((one) => ({
        ...one,
        nodes: one.nodes.filter(({ any }) => any[0]?.data?.messageKey === 'equalRatio'),
      }))
      .filter(({ nodes }) => nodes.length > 0);
    return [...violations, ...unseen]
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(
        ({ id, nodes }) =>
          `${id}: ${nodes.map((node) => `${node.html} ${node.any[0]?.message ?? ''}`).join(' | ')}`,
      );
  });
  assert.deepEqual(found, [], state);
}
