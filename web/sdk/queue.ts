// When each operation is sent. One queue for each conversation, its first operation alone under way: the server
// stores what comes after a refusal, so nothing goes before what was written earlier is answered. Over all queues
// never more than the server takes at once. Every operation under way ends with an answer, an error with or
// without its id, the end of the connection, or a deadline.

import type { Connection } from './connection';
import type { ErrorFrame, Sent } from './frames';
import { isMessageOperation, refusal } from './operations';
import type { Kept } from './outbox';

export interface Hooks {
  /** Which queue it belongs into. */
  keyOf: (kept: Kept) => string;
  /** Sends it. False: it is larger than allowed. */
  transmit: (kept: Kept) => boolean;
  stored: (kept: Kept, sent: Sent) => void;
  refused: (kept: Kept, error: ErrorFrame) => void;
  connection: Pick<Connection, 'say' | 'renew' | 'restart'>;
  random: () => number;
}

interface UnderWay {
  kept: Kept;
  key: string;
  deadline: ReturnType<typeof setTimeout>;
}

interface Queue {
  /** In the order of writing. */
  waiting: Kept[];
  /** Temporary refusals in a row. */
  refusals: number;
  /** While the first one was refused for now. */
  pause?: ReturnType<typeof setTimeout>;
}

const ANSWER_MS = 20_000;
/** Deadlines in a row until the connection counts as dead. */
const SILENCES = 2;
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 15_000;
const LONGEST_ASKED_MS = 60_000;
/** An answer makes room: that is soon. */
const WAITING_RETRY_MS = 100;
const WINDOW = 32;

/** They concern the conversation or the user: what waits behind would be refused as well. */
const OF_THE_QUEUE = new Set(['not_member', 'not_found', 'forbidden', 'quota_exceeded']);
const FOR_NOW = new Set(['unavailable', 'expired', 'rate_limited', 'unauthenticated']);
/** Limits that all operations share. */
const OF_THE_USER = new Set(['messages', 'frames']);
/** The frame could not be read: such an error may name nothing. */
const UNREADABLE = new Set(['bad_frame', 'unknown_type', 'invalid', 'too_large']);

export class Queues {
  readonly #queues = new Map<string, Queue>();
  /** By client id. */
  readonly #underWay = new Map<string, UnderWay>();
  /** Queues that may send, the one that waits longest first. */
  readonly #ready = new Set<string>();
  /** An unreadable frame is among these: they go one by one until it is found. */
  readonly #suspects = new Set<string>();
  /** Until earlier errors without a name have come, no suspect goes out. */
  #isDraining = false;
  /** What is larger than allowed was told already: that this closes the connection blames no other. */
  #isExplained = false;
  #isOnline = false;
  #paused: ReturnType<typeof setTimeout> | undefined;
  #silences = 0;
  #window = WINDOW;

  readonly #hooks: Hooks;

  constructor(hooks: Hooks) {
    this.#hooks = hooks;
  }

  /** How many operations await their answer on this connection. */
  get pending(): number {
    return this.#underWay.size;
  }

  add(kept: Kept): void {
    const key = this.#hooks.keyOf(kept);
    const queue = this.#queues.get(key) ?? { waiting: [], refusals: 0 };
    this.#queues.set(key, queue);
    let place = queue.waiting.length;
    while (place > 0 && (queue.waiting[place - 1]?.order ?? 0) > kept.order) place--;
    // Nothing gets before what is under way.
    const first = queue.waiting[0];
    if (place === 0 && first && this.#underWay.has(first.operation.client_id)) place = 1;
    queue.waiting.splice(place, 0, kept);
    this.#wake(key);
    this.#pump();
  }

  /** Takes a waiting one out. False when it is under way. */
  discard(kept: Kept): boolean {
    if (this.#underWay.has(kept.operation.client_id)) return false;
    this.#dequeue(kept);
    return true;
  }

  /** A connection is there. */
  begin(inFlight = WINDOW): void {
    this.#window = Math.max(1, inFlight);
    this.#isOnline = true;
    this.#isDraining = false;
    this.#isExplained = false;
    this.#silences = 0;
    for (const key of this.#queues.keys()) this.#wake(key);
    this.#pump();
  }

  /** Nothing new is sent on this connection. */
  rest(): void {
    this.#isOnline = false;
  }

  /** The connection has ended: what was under way is sent again on the next one. */
  lost(isTooLarge: boolean): void {
    this.#isOnline = false;
    const lost = [...this.#underWay.values()];
    for (const { deadline } of lost) clearTimeout(deadline);
    this.#underWay.clear();
    if (isTooLarge && !this.#isExplained) this.#suspect(lost.map(({ kept }) => kept));
  }

  /** No timer is left behind. */
  end(): void {
    this.lost(false);
    clearTimeout(this.#paused);
    this.#paused = undefined;
    for (const queue of this.#queues.values()) {
      clearTimeout(queue.pause);
      queue.pause = undefined;
    }
  }

  /** Stored. `sent` may come more than once, and also for what is not under way any more. */
  answered(kept: Kept, sent: Sent): void {
    this.#silences = 0;
    this.#settle(kept);
    this.#hooks.stored(kept, sent);
    this.#pump();
  }

  /** Another client has stored it, or it came back in the log. */
  settled(kept: Kept): void {
    this.#settle(kept);
    this.#pump();
  }

  /** An error that names this operation. */
  failed(kept: Kept, error: ErrorFrame): void {
    this.#silences = 0;
    const { client_id } = kept.operation;
    this.#suspects.delete(client_id);
    this.#takeBack(client_id);
    const key = this.#hooks.keyOf(kept);
    const queue = this.#queues.get(key);
    if (!queue?.waiting.includes(kept)) return;
    if (this.#isForNow(error, queue)) {
      queue.refusals++;
      const ms = this.#retryMs(error, queue.refusals);
      this.#pause(key, queue, ms);
      if (error.limit && OF_THE_USER.has(error.limit)) this.#pauseAll(ms);
      if (error.code === 'unauthenticated') this.#hooks.connection.renew();
    } else {
      this.#refuse(kept, queue, error);
    }
    this.#pump();
  }

  /** An error that names nothing. True when it was the answer to an operation. */
  failedUnnamed(error: ErrorFrame): boolean {
    if (!UNREADABLE.has(error.code)) return false;
    if (error.code === 'too_large') this.#isExplained = true;
    if (this.#isDraining) return true;
    if (this.#underWay.size === 0) return false;
    const possible = [...this.#underWay.values()].map(({ kept }) => kept);
    const [only] = possible;
    if (possible.length === 1 && only) {
      this.failed(only, error);
      return true;
    }
    // The same client ids make sending again harmless.
    for (const kept of possible) this.#takeBack(kept.operation.client_id);
    this.#suspect(possible);
    this.#isDraining = true;
    this.#hooks.connection.say({ type: 'ping' });
    return true;
  }

  /** The answer to a ping: all that was said before it is answered as far as it is unreadable. */
  drained(): void {
    if (!this.#isDraining) return;
    this.#isDraining = false;
    for (const key of this.#queues.keys()) this.#wake(key);
    this.#pump();
  }

  #suspect(possible: Kept[]): void {
    const [only] = possible;
    if (possible.length === 1 && only) {
      const queue = this.#queues.get(this.#hooks.keyOf(only));
      if (queue) this.#refuse(only, queue, tooLarge(only));
      return;
    }
    for (const kept of possible) this.#suspects.add(kept.operation.client_id);
  }

  #pump(): void {
    if (!this.#isOnline || this.#paused || this.#isDraining) return;
    const window = this.#suspects.size > 0 ? 1 : this.#window;
    for (const key of this.#ready) {
      if (this.#underWay.size >= window) return;
      const kept = this.#queues.get(key)?.waiting[0];
      this.#ready.delete(key);
      if (kept) this.#sendFirst(key, kept);
    }
  }

  #sendFirst(key: string, kept: Kept): void {
    const deadline = setTimeout(() => this.#silent(kept), ANSWER_MS);
    this.#underWay.set(kept.operation.client_id, { kept, key, deadline });
    if (this.#hooks.transmit(kept)) return;
    const queue = this.#queues.get(key);
    this.#takeBack(kept.operation.client_id);
    if (queue) this.#refuse(kept, queue, tooLarge(kept));
  }

  /** No answer in time: asked for again, once; then the connection is given up. */
  #silent(kept: Kept): void {
    if (++this.#silences >= SILENCES) {
      this.#hooks.connection.restart('no answer');
      return;
    }
    this.#takeBack(kept.operation.client_id);
    this.#wake(this.#hooks.keyOf(kept));
    this.#pump();
  }

  #isForNow(error: ErrorFrame, queue: Queue): boolean {
    // A fault of the server's own: once more, then it is told.
    return FOR_NOW.has(error.code) || (error.code === 'internal' && queue.refusals === 0);
  }

  #retryMs(error: ErrorFrame, refusals: number): number {
    const own = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** refusals);
    const asked = error.retry_after_ms ?? (error.limit === 'waiting' ? WAITING_RETRY_MS : own);
    return Math.round(Math.min(LONGEST_ASKED_MS, Math.max(0, asked)) * (1 + 0.5 * this.#hooks.random()));
  }

  /** Everything else would meet the same limit. */
  #pauseAll(ms: number): void {
    clearTimeout(this.#paused);
    this.#paused = setTimeout(() => {
      this.#paused = undefined;
      this.#pump();
    }, ms);
  }

  #pause(key: string, queue: Queue, ms: number): void {
    clearTimeout(queue.pause);
    queue.pause = setTimeout(() => {
      queue.pause = undefined;
      this.#wake(key);
      this.#pump();
    }, ms);
  }

  /** What waits behind is refused as well, where it would meet the same: nothing is sent before its turn. */
  #refuse(kept: Kept, queue: Queue, error: ErrorFrame): void {
    // What cannot be done with one message can be done with others, and others can be written.
    const isOfAll = isMessageOperation(kept.operation) && OF_THE_QUEUE.has(error.code);
    const refused = isOfAll ? [...queue.waiting] : [kept];
    for (const one of refused) this.#settle(one);
    for (const one of refused) this.#hooks.refused(one, { ...error, client_id: one.operation.client_id });
  }

  #settle(kept: Kept): void {
    this.#suspects.delete(kept.operation.client_id);
    this.#takeBack(kept.operation.client_id);
    this.#dequeue(kept);
  }

  #dequeue(kept: Kept): void {
    const key = this.#hooks.keyOf(kept);
    const queue = this.#queues.get(key);
    const place = queue?.waiting.indexOf(kept) ?? -1;
    if (!queue || place < 0) return;
    queue.waiting.splice(place, 1);
    if (place === 0) {
      clearTimeout(queue.pause);
      queue.pause = undefined;
      queue.refusals = 0;
    }
    if (queue.waiting.length === 0) {
      this.#queues.delete(key);
      this.#ready.delete(key);
    } else {
      this.#wake(key);
    }
  }

  #takeBack(clientId: string): void {
    const taken = this.#underWay.get(clientId);
    if (!taken) return;
    clearTimeout(taken.deadline);
    this.#underWay.delete(clientId);
  }

  #wake(key: string): void {
    const queue = this.#queues.get(key);
    const first = queue?.waiting[0];
    if (queue && first && !queue.pause && !this.#underWay.has(first.operation.client_id))
      this.#ready.add(key);
  }
}

function tooLarge({ operation }: Kept): ErrorFrame {
  return refusal(operation.client_id, 'too_large', 'too_large');
}
