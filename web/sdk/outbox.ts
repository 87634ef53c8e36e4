// The operations that are not answered, and the messages that were refused for good: one record each in storage, which
// several clients may share. Each record belongs to one client; what a dead one has left is taken over. One that only seemed
// to be dead sends it all the same: the same client ids make that harmless, and what it writes next stays behind.
// Must not decide when something is sent.

import type { ErrorFrame } from './frames';
import type { Lease } from './lease';
import { isMessageOperation } from './operations';
import type { Operation, Refused, Store } from './types';

/** An operation as it is kept. */
export interface Kept {
  operation: Operation;
  /** Grows in the order of writing, over all clients of one storage. */
  order: number;
  /** Set when it was refused for good. */
  refused?: ErrorFrame;
}

interface Stored extends Kept {
  owner: string;
}

/** Steps of `order` within one millisecond. */
const ORDERS_PER_MS = 1_000;

export class Outbox {
  readonly #kept = new Map<string, Kept>();
  #lastOrder = 0;
  #place: { store: Store; prefix: string; lease: Lease } | undefined;

  readonly #changed: () => void;
  readonly #failed: (error: unknown) => void;

  constructor(changed: () => void, failed: (error: unknown) => void) {
    this.#changed = changed;
    this.#failed = failed;
  }

  /** From now on this is where everything is kept, also what was written before. */
  keepIn(store: Store, prefix: string, lease: Lease): void {
    this.#place = { store, prefix, lease };
    this.own();
  }

  /** Another client has taken something over, because this client seemed to be dead: all of it is this client's again, so
   * that what is written later is never left to somebody else alone. */
  own(): void {
    for (const kept of this.#kept.values()) this.#save(kept);
  }

  get size(): number {
    return this.#kept.size;
  }

  get(clientId: string): Kept | undefined {
    return this.#kept.get(clientId);
  }

  /** Not answered yet, in the order of writing. */
  waiting(): Kept[] {
    return this.#inOrder().filter((kept) => !kept.refused);
  }

  /** Refused for good, in the order of writing. */
  refusals(): Refused[] {
    return this.#inOrder().flatMap(({ operation, refused }) =>
      refused && isMessageOperation(operation) ? [{ operation, error: refused }] : [],
    );
  }

  add(operation: Operation): Kept {
    this.#lastOrder = Math.max(this.#lastOrder + 1, operation.written_at * ORDERS_PER_MS);
    const kept = { operation, order: this.#lastOrder };
    this.#kept.set(operation.client_id, kept);
    this.#save(kept);
    this.#changed();
    return kept;
  }

  /** A message is kept, for its writer to decide. */
  refuse(kept: Kept, error: ErrorFrame): void {
    if (!isMessageOperation(kept.operation)) {
      this.remove(kept.operation.client_id);
      return;
    }
    kept.refused = error;
    this.#save(kept);
    this.#changed();
  }

  /** What was refused waits again, at its old place. Under a new id where the old one is taken. */
  restore(kept: Kept, clientId = kept.operation.client_id): Kept {
    const { refused: _, ...again } = kept;
    again.operation = { ...kept.operation, client_id: clientId };
    if (clientId !== kept.operation.client_id) this.#forget(kept.operation.client_id);
    this.#kept.set(clientId, again);
    this.#save(again);
    this.#changed();
    return again;
  }

  remove(clientId: string): void {
    this.#forget(clientId);
    this.#changed();
  }

  /** Takes over what dead clients have left. Answers what is to be sent. */
  async inherit(): Promise<Kept[]> {
    const place = this.#place;
    if (!place) return [];
    const taken: Kept[] = [];
    try {
      for (const owner of await this.#otherOwners(place.lease.name)) {
        await place.lease.inherit(owner, async () => {
          for (const stored of await this.#records()) {
            if (stored.owner === owner && !this.#kept.has(stored.operation.client_id)) {
              taken.push(this.#takeOver(stored));
            }
          }
        });
      }
    } catch (error) {
      this.#failed(error);
    }
    if (taken.length > 0) this.#changed();
    return taken.filter((kept) => !kept.refused);
  }

  #takeOver({ owner: _, ...kept }: Stored): Kept {
    this.#kept.set(kept.operation.client_id, kept);
    this.#lastOrder = Math.max(this.#lastOrder, kept.order);
    this.#save(kept);
    return kept;
  }

  async #otherOwners(own: string): Promise<Set<string>> {
    const owners = new Set((await this.#records()).map((stored) => stored.owner));
    owners.delete(own);
    return owners;
  }

  async #records(): Promise<Stored[]> {
    if (!this.#place) return [];
    const { store, prefix } = this.#place;
    const records: Stored[] = [];
    for (const key of await store.keys(prefix)) {
      const text = await store.getItem(key);
      const stored = text === null ? undefined : parse(text);
      if (stored) records.push(stored);
      // Nobody can read it.
      else if (text !== null) await store.removeItem(key);
    }
    return records;
  }

  #inOrder(): Kept[] {
    return [...this.#kept.values()].sort((a, b) => a.order - b.order);
  }

  #save(kept: Kept): void {
    const place = this.#place;
    if (!place) return;
    const text = JSON.stringify({ ...kept, owner: place.lease.name } satisfies Stored);
    this.#attempt(() => place.store.setItem(place.prefix + kept.operation.client_id, text));
  }

  #forget(clientId: string): void {
    const place = this.#place;
    this.#kept.delete(clientId);
    if (place) this.#attempt(() => place.store.removeItem(place.prefix + clientId));
  }

  /** Full or forbidden storage takes nothing from what is in memory. */
  #attempt(act: () => void | Promise<void>): void {
    try {
      act()?.catch(this.#failed);
    } catch (error) {
      this.#failed(error);
    }
  }
}

function parse(text: string): Stored | undefined {
  try {
    const stored = JSON.parse(text);
    const isWhole = typeof stored?.operation?.client_id === 'string' && typeof stored.order === 'number';
    return isWhole ? stored : undefined;
  } catch {
    return undefined;
  }
}
