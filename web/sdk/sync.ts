// Asks for all that is missing, until it has come: again after an error, after silence, on each connection and
// where the server's heads are not ours.

import type { Pong } from './frames';
import { digest } from './heads';
import { Log, type Place } from './log';

export interface Hooks {
  say: (frame: object) => void;
  /** What a frame may have at most, in bytes. */
  frameBytes: () => number;
  random: () => number;
}

const SILENCE_MS = 15_000;
const RETRY_MS = 1_000;
/** What the server takes in one sync. */
const MOST_CURSORS = 10_000;
/** One cursor as JSON, at most; with the id of its entry twice as much. */
const CURSOR_BYTES = 64;

export class Sync {
  readonly logs = new Map<string, Log>();
  epoch: string | undefined;
  /** Nothing is known yet: what comes is history. */
  #isFirst = true;
  #isOnline = false;
  /** From when one is asked for until all has come, pauses included. */
  #isRunning = false;
  /** It is under way: an answer is to come. */
  #isAsked = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asked = 0;
  /** Syncs in a row that did not bring all. */
  #repeats = 0;
  /** While pages were coming. */
  #told: Pong | undefined;
  /** Logs with gaps; few. */
  readonly #gaps = new Set<string>();

  readonly #hooks: Hooks;
  readonly #logEntries: number | undefined;

  constructor(hooks: Hooks, logEntries?: number) {
    this.#hooks = hooks;
    this.#logEntries = logEntries;
  }

  get isHistory(): boolean {
    return this.#isFirst;
  }

  log(id: string): Log {
    let log = this.logs.get(id);
    if (!log) {
      log = new Log(this.#logEntries);
      this.logs.set(id, log);
    }
    return log;
  }

  /** What an earlier run of this program had. */
  restore(epoch: string, cursors: Iterable<[string, Place]>): void {
    this.epoch = epoch;
    this.#isFirst = false;
    for (const [id, cursor] of cursors) this.logs.set(id, new Log(this.#logEntries, cursor));
  }

  begin(): void {
    this.#isOnline = true;
    this.#isRunning = false;
    this.ask();
  }

  end(): void {
    this.#isOnline = false;
    this.#isRunning = this.#isAsked = false;
    clearTimeout(this.#timer);
  }

  /** At once. While one is under way its end shows whether another is wanted. */
  ask(): void {
    if (this.#isRunning || !this.#isOnline) return;
    this.#isRunning = this.#isAsked = true;
    this.#told = undefined;
    const room = Math.floor(this.#hooks.frameBytes() / CURSOR_BYTES) - 4;
    const most = Math.min(MOST_CURSORS, room);
    const cursors: Record<string, Place | number> = {};
    let count = 0;
    for (const [conversation, log] of this.logs) {
      const { seq, id } = log.place;
      if (seq > 0 && count++ < most) cursors[conversation] = this.logs.size * 2 < room ? { seq, id } : seq;
    }
    this.#watch();
    this.#hooks.say({ type: 'sync', ref: this.#ref(++this.#asked), epoch: this.epoch, cursors });
  }

  /** A live entry could not join its log. */
  miss(id: string): void {
    this.#gaps.add(id);
    this.ask();
  }

  /** A page has come. What the server repeats unasked brings nothing that joins, and is no answer. */
  progress(isNews: boolean): void {
    if (this.#isAsked && isNews) this.#watch();
  }

  synced(epoch: string): void {
    this.epoch = epoch;
    this.#isFirst = false;
    this.#isRunning = this.#isAsked = false;
    clearTimeout(this.#timer);
    for (const id of this.#gaps) if (!this.logs.get(id)?.hasGap) this.#gaps.delete(id);
    const isBehind = this.#told && this.#differ(this.#told);
    if (isBehind || this.#gaps.size > 0) {
      // What a sync does not bring it may bring later, but not at once.
      this.#isRunning = true;
      this.#again(this.#repeats++ === 0 ? 0 : RETRY_MS * Math.min(this.#repeats, 30));
    } else {
      this.#repeats = 0;
    }
  }

  /** True when this error was the answer to a sync. */
  failed(ref: string | undefined, code: string, retryAfterMs?: number): boolean {
    if (!ref?.startsWith('sync-')) {
      // Without a name: it may be ours, where it says that something is to be asked again.
      const isForNow = code === 'unavailable' || code === 'rate_limited';
      if (ref !== undefined || !this.#isRunning || !isForNow) return false;
    } else if (ref !== this.#ref(this.#asked)) {
      return true;
    }
    this.#again((retryAfterMs ?? RETRY_MS) * (1 + 0.5 * this.#hooks.random()));
    return true;
  }

  /** How far the server says that all conversations have come. */
  told(pong: Pong): void {
    if (!this.#differ(pong)) return;
    this.#told = pong;
    this.ask();
  }

  #differ({ heads2 }: Pong): boolean {
    return heads2 != null && heads2 !== digest([...this.logs].map(([id, log]) => [id, log.place]));
  }

  forget(id: string): boolean {
    this.#gaps.delete(id);
    return this.logs.delete(id);
  }

  #ref(number: number): string {
    return `sync-${number}`;
  }

  /** Its next page has to come in time. */
  #watch(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#again(0), SILENCE_MS);
  }

  #again(ms: number): void {
    this.#isAsked = false;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#isRunning = false;
      this.ask();
    }, ms);
  }
}
