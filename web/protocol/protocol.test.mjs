import { readFileSync } from 'node:fs';
import { Parser } from '@asyncapi/parser';
import ts from 'typescript';
import { expect, test } from 'vitest';
import { ASYNCAPI, examples } from './schema.mjs';
import { TYPES, typescript } from './typescript.mjs';

test('the types of the frames are those of docs/asyncapi.yaml', { timeout: 60_000 }, async () => {
  // Else: npm run protocol
  expect(readFileSync(TYPES, 'utf8')).toBe(await typescript());
});

test('docs/asyncapi.yaml is valid AsyncAPI', {
  timeout: 60_000,
}, async () => {
  const { document, diagnostics } = await new Parser().parse(readFileSync(ASYNCAPI, 'utf8'));
  const wrong = diagnostics.filter(({ severity }) => severity === 0);
  expect(wrong.map(({ message, path }) => `${path.join('.')}: ${message}`)).toEqual([]);
  expect(document?.version()).toBe('3.0.0');
});

test('every example is a value of its type', { timeout: 60_000 }, () => {
  const lines = examples().map(
    ({ message, name, payload }, place) =>
      `export const example${place}: P.${message} = ${JSON.stringify(payload)}; // ${name}`,
  );
  expect(lines.length).toBeGreaterThan(30);
  const file = new URL('../sdk/protocol.examples.ts', import.meta.url).pathname;
  const text = `import type * as P from './protocol';\n${lines.join('\n')}\n`;
  const options = { strict: true, noEmit: true, skipLibCheck: true, types: [] };
  const host = ts.createCompilerHost(options);
  const { fileExists, getSourceFile } = host;
  host.fileExists = (path) => path === file || fileExists(path);
  host.getSourceFile = (path, target, ...rest) =>
    path === file ? ts.createSourceFile(path, text, target) : getSourceFile(path, target, ...rest);
  const program = ts.createProgram([file], options, host);
  const wrong = ts.getPreEmitDiagnostics(program).map(({ start, messageText }) => {
    const line = text.slice(0, start).split('\n').length - 2;
    return `${lines[line]}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
  });
  expect(wrong).toEqual([]);
});
