// Asks for all that is missing, until it has come: again after an error, after silence, on each connection and
// where the server's heads are not ours.

import { digest } from './heads';
import { Log } from './log';

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
/** One cursor as JSON, at most. */
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
  #isWanted = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asked = 0;
  /** Syncs in a row that did not bring all. */
  #repeats = 0;
  /** Told while pages were coming. */
  #toldHeads: number | undefined;
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
  restore(epoch: string, cursors: Iterable<[string, number]>): void {
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

  /** At once, or when the one under way has ended. */
  ask(): void {
    if (this.#isRunning || !this.#isOnline) {
      this.#isWanted = true;
      return;
    }
    this.#isRunning = this.#isAsked = true;
    this.#isWanted = false;
    this.#toldHeads = undefined;
    const most = Math.min(MOST_CURSORS, Math.floor(this.#hooks.frameBytes() / CURSOR_BYTES) - 4);
    const cursors: Record<string, number> = {};
    let count = 0;
    for (const [id, log] of this.logs) if (log.cursor > 0 && count++ < most) cursors[id] = log.cursor;
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
    const isBehind = this.#isWanted && this.#toldHeads !== undefined && this.#toldHeads !== this.heads();
    this.#isWanted = false;
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
  told(heads: number): void {
    if (heads === this.heads()) return;
    this.#toldHeads = heads;
    this.ask();
  }

  heads(): number {
    const heads: [string, number][] = [];
    for (const [id, log] of this.logs) heads.push([id, log.cursor]);
    return digest(heads);
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
