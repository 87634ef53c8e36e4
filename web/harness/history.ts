// The lines of a history as `fleet check` reads them (workbench/verdict/src/event.rs), one JSON object a line. Names within a
// run are numbers: `dev` one client in one process, `conv` a conversation, `n` which of a client's messages.

import { closeSync, openSync, writeSync } from 'node:fs';

/** An entry as somebody has it. `from`: the number of its sender; -1 the server itself, -2 nobody of this run. */
export interface Seen {
  conv: number;
  seq: number;
  id: string;
  cid?: string;
  from: number;
  hash: number;
  /** Its content is gone: the hash says nothing. Only this harness reads it. */
  blank?: true;
}

export type Line =
  | { e: 'run'; name: string; devs: number; conversations: string[]; gateways: string[] }
  | { e: 'device'; dev: number; user: number }
  | { e: 'member'; conv: number; dev: number; from_seq: number; to_seq?: number }
  | { e: 'invoke'; dev: number; conv: number; n: number; cid: string; hash: number; again: boolean }
  | { e: 'ok'; dev: number; conv: number; n: number; cid: string; seq: number; id: string }
  | { e: 'fail'; dev: number; n: number; code: string }
  | { e: 'recv'; dev: number; epoch: number; entry: Seen; via: 'live' | 'sync'; shown: boolean }
  | { e: 'leak'; dev: number; conversation: string }
  | { e: 'sync_begin'; dev: number; epoch: number; cursors: [number, number][]; entries: [number, string][] }
  | { e: 'sync_page'; dev: number; conv: number; head: number; reset: boolean }
  | { e: 'sync_end'; dev: number; epoch: number; done: boolean }
  | { e: 'cursor'; dev: number; conv: number; kind: 'delivered' | 'read'; seq: number }
  | { e: 'open'; dev: number; epoch: number; gateway: number }
  | { e: 'close'; dev: number; epoch: number; code: number; by_peer: boolean }
  | { e: 'log'; entry: Seen }
  | { e: 'log_end'; conv: number }
  | { e: 'nemesis'; fault: string; target: string; act: 'start' | 'stop'; evidence?: string }
  | { e: 'end'; dev: number; reached: boolean }
  | { e: 'done'; dropped: number; drained: boolean; doubts: string[] };

/** What only this harness reads: storage has taken a message; what a first page left out; an error of the server
 * that a client takes as one for now; what was not as it should be; what became of messages. */
export type Note =
  | { e: 'kept'; n: number }
  | { e: 'skipped'; conv: number; before: number }
  | { e: 'for_now'; what: 'send' | 'sync' }
  | { e: 'doubt'; text: string }
  /** What a message was for a tab at its end, by its state as `plain` writes it. */
  | { e: 'folded'; conv: number; seq: number; state: string };

export type Timed<What> = What & { t: number };

/** The machine's monotonic clock in nanoseconds, the same in all processes. */
export function now(): number {
  return Number(process.hrtime.bigint());
}

/** Lines go to the file at once: a kill of this process loses none. */
export class Journal {
  private readonly file: number;

  constructor(path: string) {
    this.file = openSync(path, 'a');
  }

  write(line: Line | Note, t = now()): void {
    writeSync(this.file, `${JSON.stringify({ t, ...line })}\n`);
  }

  close(): void {
    closeSync(this.file);
  }
}

/** FNV-1a of 64 bits, of which 52 are kept: every reader of JSON has them exactly (`text_hash`). */
export function textHash(text: string): number {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return Number(hash >> 12n);
}
