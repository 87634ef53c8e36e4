import { expect, test } from 'vitest';
import { msgpack } from './msgpack';

const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
const bytes = (text: string) =>
  Uint8Array.from(text.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16)).buffer;

test('a frame is written as others write it', () => {
  expect(hex(msgpack.encode({ type: 'ping' }))).toBe('81a474797065a470696e67');
  expect(hex(msgpack.encode({ a: [1, -1, true, null], b: undefined }))).toBe('81a1619401ffc3c0');
});

test('what is written is read again', () => {
  const frame = {
    texts: ['', 'ü', 'x'.repeat(31), 'x'.repeat(32), 'x'.repeat(300), 'x'.repeat(70_000)],
    numbers: [0, 127, 128, 255, 256, 65_536, 2 ** 40, Number.MAX_SAFE_INTEGER, -1, -32, -33, -(2 ** 40), 1.5],
    lists: [[], Array.from({ length: 16 }, (_, n) => n), Array.from({ length: 70_000 }, () => false)],
    map: Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`key-${n}`, n])),
    nothing: null,
  };
  expect(msgpack.decode(msgpack.encode(frame).slice().buffer)).toEqual(frame);
});

test.each([
  ['ccff', 255],
  ['cdffff', 65_535],
  ['ceffffffff', 4_294_967_295],
  ['cf0000019a7b0f3a80', 1_763_001_186_944],
  ['d080', -128],
  ['d18000', -32_768],
  ['d280000000', -2_147_483_648],
  ['ca3fc00000', 1.5],
])('the number %s of another writer is read', (text, value) => {
  expect(msgpack.decode(bytes(text))).toBe(value);
});

test('a name is no prototype', () => {
  const read = msgpack.decode(msgpack.encode(JSON.parse('{"__proto__":{"x":1}}')).slice().buffer);
  expect(({} as { x?: number }).x).toBeUndefined();
  expect(Object.keys(read as object)).toEqual(['__proto__']);
});

test.each(['', 'a5', '92', '8101', 'c1', 'c403616263', '0101', 'dbffffffff', '91'.repeat(80)])(
  'what is no MessagePack (%s) is refused',
  (text) => {
    expect(() => msgpack.decode(bytes(text))).toThrow();
  },
);
