// Makes web/sdk/protocol.ts, the types of all frames, from docs/asyncapi.yaml: `npm run protocol`.

import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { compile } from 'json-schema-to-typescript';
import { jsonSchema } from './schema.mjs';

export const TYPES = new URL('../sdk/protocol.ts', import.meta.url);

const HEAD =
  '// Generated from docs/asyncapi.yaml by `npm run protocol`, and compared by protocol/protocol.test.mjs. Do not edit.';

export function typescript() {
  return compile(jsonSchema(), 'Frame', {
    additionalProperties: false,
    bannerComment: HEAD,
    unreachableDefinitions: true,
    style: { printWidth: 110, singleQuote: true },
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(TYPES, await typescript());
