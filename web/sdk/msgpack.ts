// Frames in MessagePack instead of JSON text, for weak networks. Only what frames hold: maps with text keys, lists,
// texts, numbers, booleans, null. Beside the rest, so that only those who use it load it.

import { TidingsError } from './errors';
import type { Codec } from './types';

/** For the option `codec`. */
export const msgpack: Codec = {
  subprotocol: 'tidings.v1.msgpack',
  encode(frame) {
    const writer = new Writer();
    writer.write(frame);
    return writer.bytes();
  },
  decode(data) {
    const reader = new Reader(data);
    const value = reader.read();
    if (!reader.isAtEnd) throw malformed();
    return value;
  },
};

const MOST_DEPTH = 64;
const FIRST_BYTES = 256;

function malformed(): TidingsError {
  return new TidingsError('malformed', 'a frame is not MessagePack');
}

class Writer {
  #view = new DataView(new ArrayBuffer(FIRST_BYTES));
  #length = 0;

  bytes(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#view.buffer as ArrayBuffer, 0, this.#length);
  }

  /** As JSON would have it: what is undefined is left out. */
  write(value: unknown): void {
    if (value === null || value === undefined) this.#byte(0xc0);
    else if (typeof value === 'boolean') this.#byte(value ? 0xc3 : 0xc2);
    else if (typeof value === 'number') this.#number(value);
    else if (typeof value === 'string') this.#text(value);
    else if (Array.isArray(value)) {
      this.#head(value.length, 0x90, 15, [0, 0xdc, 0xdd]);
      for (const item of value) this.write(item);
    } else this.#map(value as object);
  }

  #map(value: object & { toJSON?: () => unknown }): void {
    if (value.toJSON) {
      this.write(value.toJSON());
      return;
    }
    const fields = Object.entries(value).filter(([, field]) => field !== undefined);
    this.#head(fields.length, 0x80, 15, [0, 0xde, 0xdf]);
    for (const [name, field] of fields) {
      this.#text(name);
      this.write(field);
    }
  }

  #text(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.#head(bytes.length, 0xa0, 31, [0xd9, 0xda, 0xdb]);
    const at = this.#room(bytes.length);
    new Uint8Array(this.#view.buffer).set(bytes, at);
  }

  #number(value: number): void {
    if (!Number.isFinite(value)) this.#byte(0xc0);
    else if (Number.isInteger(value) && value >= 0 && value < 0x80) this.#byte(value);
    else if (Number.isInteger(value) && value >= -32 && value < 0) this.#byte(value & 0xff);
    else if (Number.isSafeInteger(value)) {
      this.#byte(0xd3);
      const at = this.#room(8);
      this.#view.setBigInt64(at, BigInt(value));
    } else {
      this.#byte(0xcb);
      const at = this.#room(8);
      this.#view.setFloat64(at, value);
    }
  }

  /** A length in the smallest of its forms: within the tag, in 1, 2 or 4 bytes. */
  #head(length: number, tag: number, most: number, [one, two, four]: [number, number, number]): void {
    if (length <= most) this.#byte(tag | length);
    else if (one && length < 0x100) {
      this.#byte(one);
      this.#byte(length);
    } else if (length < 0x10000) {
      this.#byte(two);
      const at = this.#room(2);
      this.#view.setUint16(at, length);
    } else {
      this.#byte(four);
      const at = this.#room(4);
      this.#view.setUint32(at, length);
    }
  }

  #byte(byte: number): void {
    const at = this.#room(1);
    this.#view.setUint8(at, byte);
  }

  /** Where so many bytes have room; the view may be another one afterwards. */
  #room(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#view.byteLength) {
      const larger = new Uint8Array(Math.max(this.#length, this.#view.byteLength * 2));
      larger.set(new Uint8Array(this.#view.buffer));
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
}

class Reader {
  readonly #view: DataView;
  #at = 0;

  constructor(data: ArrayBuffer) {
    this.#view = new DataView(data);
  }

  get isAtEnd(): boolean {
    return this.#at === this.#view.byteLength;
  }

  read(depth = 0): unknown {
    if (depth > MOST_DEPTH) throw malformed();
    const tag = this.#uint(1);
    if (tag < 0x80) return tag;
    if (tag < 0x90) return this.#map(tag & 0x0f, depth);
    if (tag < 0xa0) return this.#list(tag & 0x0f, depth);
    if (tag < 0xc0) return this.#text(tag & 0x1f);
    if (tag >= 0xe0) return tag - 0x100;
    switch (tag) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xca:
        return this.#view.getFloat32(this.#take(4));
      case 0xcb:
        return this.#view.getFloat64(this.#take(8));
      case 0xcc:
      case 0xcd:
      case 0xce:
      case 0xcf:
        return this.#uint(1 << (tag - 0xcc));
      case 0xd0:
        return this.#view.getInt8(this.#take(1));
      case 0xd1:
        return this.#view.getInt16(this.#take(2));
      case 0xd2:
        return this.#view.getInt32(this.#take(4));
      case 0xd3:
        return Number(this.#view.getBigInt64(this.#take(8)));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#uint(1 << (tag - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.#list(this.#uint(2 << (tag - 0xdc)), depth);
      case 0xde:
      case 0xdf:
        return this.#map(this.#uint(2 << (tag - 0xde)), depth);
      default:
        throw malformed();
    }
  }

  #list(length: number, depth: number): unknown[] {
    const items: unknown[] = [];
    for (let n = 0; n < length; n++) items.push(this.read(depth + 1));
    return items;
  }

  #map(length: number, depth: number): Record<string, unknown> {
    const fields: [string, unknown][] = [];
    for (let n = 0; n < length; n++) fields.push([String(this.read(depth + 1)), this.read(depth + 1)]);
    // Also `__proto__` is a name like any other.
    return Object.fromEntries(fields);
  }

  #text(length: number): string {
    const at = this.#take(length);
    return new TextDecoder().decode(new Uint8Array(this.#view.buffer as ArrayBuffer, at, length));
  }

  #uint(bytes: number): number {
    const at = this.#take(bytes);
    if (bytes === 1) return this.#view.getUint8(at);
    if (bytes === 2) return this.#view.getUint16(at);
    if (bytes === 4) return this.#view.getUint32(at);
    return Number(this.#view.getBigUint64(at));
  }

  #take(bytes: number): number {
    const at = this.#at;
    this.#at += bytes;
    if (this.#at > this.#view.byteLength) throw malformed();
    return at;
  }
}
