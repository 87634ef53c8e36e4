// How far this user has got and read. Said once is not heard: a mark is said again on the next connection until
// the server has told it back, or it was said often enough.

import type { Receipt } from './frames';

type Kind = 'delivered' | 'read';

interface Mark {
  seq: number;
  /** How often it was said. */
  said: number;
}

/** `delivered` goes out once for many entries. */
const DELIVERED_MS = 250;
/** Where nobody is told of receipts, none comes back. */
const SAYS = 3;
/** After a reconnect there may be many. */
const AT_ONCE = 50;
const MOST_CONVERSATIONS = 10_000;

export class Marks {
  readonly #marks = { delivered: new Map<string, Mark>(), read: new Map<string, Mark>() };
  readonly #open = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isOnline = false;

  readonly #say: (frame: { type: Kind; conversation_id: string; seq: number }) => void;

  constructor(say: (frame: { type: Kind; conversation_id: string; seq: number }) => void) {
    this.#say = say;
  }

  /** All entries up to this one were in view. */
  read(id: string, seq: number): void {
    if (this.#raise('read', id, seq) && this.#isOnline) this.flush();
  }

  /** All entries up to this one have come. */
  delivered(id: string, seq: number): void {
    if (this.#raise('delivered', id, seq)) this.#later();
  }

  begin(): void {
    this.#isOnline = true;
    for (const kind of ['delivered', 'read'] as const) {
      for (const [id, mark] of this.#marks[kind]) if (mark.said < SAYS) this.#open.add(`${kind} ${id}`);
    }
    this.flush();
  }

  end(): void {
    this.#isOnline = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Told back of this user. */
  receipt({ conversation_id, delivered_seq, read_seq }: Receipt): void {
    this.#heard('delivered', conversation_id, delivered_seq);
    this.#heard('read', conversation_id, read_seq);
  }

  forget(id: string): void {
    for (const kind of ['delivered', 'read'] as const) {
      this.#marks[kind].delete(id);
      this.#open.delete(`${kind} ${id}`);
    }
  }

  /** Says what waits. */
  flush(): void {
    if (!this.#isOnline) return;
    let room = AT_ONCE;
    for (const what of this.#open) {
      if (room-- === 0) {
        this.#later();
        return;
      }
      this.#open.delete(what);
      const [kind, id] = what.split(' ') as [Kind, string];
      const mark = this.#marks[kind].get(id);
      if (!mark) continue;
      mark.said++;
      this.#say({ type: kind, conversation_id: id, seq: mark.seq });
    }
  }

  #raise(kind: Kind, id: string, seq: number): boolean {
    const marks = this.#marks[kind];
    if (seq <= (marks.get(id)?.seq ?? 0)) return false;
    marks.delete(id);
    marks.set(id, { seq, said: 0 });
    this.#open.add(`${kind} ${id}`);
    const [oldest] = marks.size > MOST_CONVERSATIONS ? marks.keys() : [];
    if (oldest !== undefined) marks.delete(oldest);
    return true;
  }

  #heard(kind: Kind, id: string, seq: number): void {
    const mark = this.#marks[kind].get(id);
    if (mark && seq >= mark.seq) mark.said = SAYS;
  }

  #later(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.flush();
    }, DELIVERED_MS);
  }
}
