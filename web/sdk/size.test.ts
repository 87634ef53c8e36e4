import { build, minify, type Rolldown } from 'vite';
import { expect, test } from 'vitest';

/** What an app loads that uses everything of this module at once, minified and compressed, in bytes. */
async function size(module: string): Promise<number> {
  const entry = new URL(module, import.meta.url).pathname;
  const [built] = (await build({
    configFile: false,
    logLevel: 'silent',
    build: { write: false, target: 'es2022', lib: { entry, formats: ['es'] } },
  })) as Rolldown.RolldownOutput[];
  const chunk = built?.output.find((part) => part.type === 'chunk' && part.isEntry);
  const whole = chunk?.type === 'chunk' ? chunk.code : '';
  const code = new TextEncoder().encode((await minify(module, whole, { module: true })).code);
  expect(code.length).toBeGreaterThan(1_000);
  const gzip = new Blob([code]).stream().pipeThrough(new CompressionStream('gzip'));
  const { byteLength } = await new Response(gzip).arrayBuffer();
  return byteLength;
}

test('the client is at most 13 KB, and everything together 13.5 KB', async () => {
  expect(await size('client.ts')).toBeLessThanOrEqual(13_000);
  expect(await size('index.ts')).toBeLessThanOrEqual(13_500);
});

test('MessagePack costs nobody anything who does not import it', async () => {
  expect(await size('msgpack.ts')).toBeLessThan(2_048);
});
