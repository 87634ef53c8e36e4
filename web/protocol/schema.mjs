// The schemas of docs/asyncapi.yaml as one JSON Schema, as generators of types want it.

import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

export const ASYNCAPI = new URL('../../docs/asyncapi.yaml', import.meta.url);

export function asyncapi() {
  return parse(readFileSync(ASYNCAPI, 'utf8'));
}

/** Every frame of both sides and the last event of an event stream; all schemas are its definitions. */
export function jsonSchema(document = asyncapi()) {
  const text = JSON.stringify(document.components.schemas).replaceAll(
    '#/components/schemas/',
    '#/definitions/',
  );
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Frame',
    description: 'Any frame of either side, or the last event of an event stream.',
    oneOf: ['ClientFrame', 'ServerFrame', 'CloseEvent'].map((name) => ({ $ref: `#/definitions/${name}` })),
    definitions: JSON.parse(text),
  };
}

/** All examples: the schema that they are of, their name, and the frame. */
export function examples(document = asyncapi()) {
  const messages = Object.entries(document.components.messages);
  return messages.flatMap(([message, { examples = [] }]) =>
    examples.map(({ name, payload }) => ({ message, name, payload })),
  );
}
