// A server and tabs that fail at random, from one seed: what is stored at the end is judged by a test.

import { Client } from './client';
import { directId } from './direct';
import { tokenOf } from './fake';
import type { Store, Wire } from './types';

/** The same numbers for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Frame {
  type: string;
  ref?: string;
  client_id: string;
  conversation_id?: string;
  to?: string;
  content: { text: string };
  /** Of a pin. */
  seq: number;
}

/** Pins of a tab have numbers of their own, so that it is known whose each is; some messages are not there. */
const PINS_OF_A_TAB = 1_000;
const NOT_THERE = 7;

export function pinText(seq: number): string {
  const end = seq % NOT_THERE === 0 ? ' bad' : '';
  return `t${Math.floor(seq / PINS_OF_A_TAB)}:pin ${seq}${end}`;
}

/** What is stored of it. */
function textOf(frame: Frame): string {
  return frame.type === 'pin' ? pinText(frame.seq) : frame.content.text;
}

/** How often each fault happens. */
export interface Faults {
  refuse: number;
  /** Stored, and answered with an error that does not know it. */
  doubt: number;
  /** Stored or not, and not answered. */
  swallow: number;
  breakAfter: number;
}

export class Server {
  /** Texts, by conversation, in the order in which they were stored. */
  readonly logs = new Map<string, string[]>();
  readonly #answers = new Map<string, { conversation_id: string; seq: number }>();
  readonly #lines = new Set<Line>();

  constructor(
    readonly random: () => number,
    readonly faults: Faults,
  ) {}

  open(isReachable: () => boolean, isStream = false): Wire {
    const line = new Line(this, isReachable, isStream);
    this.#lines.add(line);
    return line;
  }

  breakSome(chance: number): void {
    for (const line of this.#lines) if (this.random() < chance) line.break(1006);
  }

  forget(line: Line): void {
    this.#lines.delete(line);
  }

  welcome(line: Line): void {
    const limits = { in_flight: 4, frame_bytes: 1 << 20 };
    line.tell({ type: 'welcome', connection_id: 'x', user_id: 'ann', heartbeat_ms: 30_000, limits });
  }

  hear(line: Line, frame: Frame): void {
    const { random, faults } = this;
    if (frame.type === 'auth') this.welcome(line);
    if (frame.type === 'ping') line.tell({ type: 'pong' });
    if (frame.type === 'sync') {
      // Some are forgotten.
      if (random() > faults.swallow) line.tell({ type: 'synced', epoch: 'e', conversations: 0 });
    }
    if (frame.type === 'send' || frame.type === 'pin') this.#operate(line, frame);
  }

  #operate(line: Line, frame: Frame): void {
    const answer = this.#answer(frame);
    if (typeof answer === 'number') line.break(answer);
    else if (answer) line.tell(answer);
  }

  /** What is said of it, the close code of what is done instead, or nothing. */
  #answer(frame: Frame): object | number | undefined {
    const { random, faults } = this;
    const text = textOf(frame);
    const refusal = { type: 'error', client_id: frame.client_id, message: '' };
    if (text.endsWith('huge')) return 1009;
    if (text.endsWith('bad')) {
      if (frame.type === 'pin') return { ...refusal, code: 'not_found', stored: 'no' };
      const named = random() < 0.5 ? { ref: frame.ref } : {};
      return { type: 'error', code: 'bad_frame', message: '', stored: 'no', ...named };
    }
    if (random() < faults.refuse) {
      const code = random() < 0.5 ? 'rate_limited' : 'unavailable';
      return { ...refusal, code, stored: 'no', retry_after_ms: Math.round(random() * 2_000) };
    }
    if (random() < faults.swallow) return undefined;
    const answer = this.#store(frame);
    if (random() < faults.doubt) {
      return { ...refusal, code: 'unavailable', stored: 'unknown', retry_after_ms: 300 };
    }
    if (random() < faults.swallow) return undefined;
    if (random() < faults.breakAfter) return 1006;
    return { type: 'sent', client_id: frame.client_id, id: 'i', timestamp: 1, ...answer };
  }

  #store(frame: Frame) {
    const known = this.#answers.get(frame.client_id);
    if (known) return known;
    const conversation_id = frame.conversation_id ?? directId('ann', frame.to ?? '');
    const log = this.logs.get(conversation_id) ?? [];
    this.logs.set(conversation_id, log);
    log.push(textOf(frame));
    const answer = { conversation_id, seq: log.length };
    this.#answers.set(frame.client_id, answer);
    return answer;
  }
}

/** One connection. Both directions keep their order, and take their time. */
class Line implements Wire {
  readyState = 0;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  #up = 0;
  #down = 0;

  constructor(
    readonly server: Server,
    readonly isReachable: () => boolean,
    isStream: boolean,
  ) {
    setTimeout(() => {
      if (this.readyState !== 0) return;
      if (!isReachable()) {
        this.break(1006);
        return;
      }
      this.readyState = 1;
      this.onopen?.();
      // A stream brought its token with its request.
      if (isStream) server.welcome(this);
    }, server.random() * 50);
  }

  send(text: string | Uint8Array): void {
    this.#up = Math.max(this.#up, Date.now() + this.server.random() * 30);
    setTimeout(() => {
      if (this.readyState === 1 && this.isReachable()) this.server.hear(this, JSON.parse(String(text)));
    }, this.#up - Date.now());
  }

  tell(frame: object): void {
    this.#down = Math.max(this.#down, Date.now() + this.server.random() * 30);
    setTimeout(() => {
      if (this.readyState === 1 && this.isReachable()) this.onmessage?.({ data: JSON.stringify(frame) });
    }, this.#down - Date.now());
  }

  break(code: number): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.server.forget(this);
    setTimeout(() => this.onclose?.({ code, reason: '' }));
  }

  close(): void {
    this.break(1000);
  }
}

/** A client that can be killed without a word, or sleep. */
export class Tab {
  readonly client: Client;
  /** What it has written, by conversation. */
  readonly written: { to: string; text: string }[] = [];
  readonly refused: string[] = [];
  /** Pins that were refused. */
  unpinned = 0;
  isDead = false;
  isAsleep = false;
  isFull = false;

  constructor(
    readonly name: string,
    server: Server,
    shared: Store,
  ) {
    const isGone = () => this.isDead || this.isAsleep;
    const storage: Store = {
      getItem: (key) => shared.getItem(key),
      setItem: (key, value) => {
        if (this.isFull) throw new Error('full');
        return isGone() ? undefined : shared.setItem(key, value);
      },
      removeItem: (key) => (isGone() ? undefined : shared.removeItem(key)),
      keys: (prefix) => (isGone() ? [] : shared.keys(prefix)),
    };
    this.client = new Client({
      url: 'ws://test/ws',
      token: tokenOf('ann'),
      storage,
      locks: null,
      random: server.random,
      makeSocket: () => server.open(() => !isGone()),
      makeStream: () => server.open(() => !isGone(), true),
    });
    this.client.on('refused', (operation) => {
      if (operation.type === 'pin') this.unpinned++;
      else if (!operation.type) this.refused.push(operation.content.text);
    });
    void this.client.connect();
  }

  write(to: string, text: string): void {
    this.written.push({ to, text });
    const where = text.length % 2 ? { to } : { conversation_id: directId('ann', to) };
    this.client.send({ ...where, content: { text } });
  }

  pin(to: string, n: number): void {
    const seq = Number(this.name.slice(1)) * PINS_OF_A_TAB + n;
    this.written.push({ to, text: pinText(seq) });
    this.client.pin(directId('ann', to), seq, n % 2 === 0);
  }

  kill(): void {
    this.isDead = true;
    // Its timers would go on in this program.
    this.client.disconnect();
  }
}
