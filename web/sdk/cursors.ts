// How far the app has come in each conversation, kept over restarts: an entry counts when every listener has done
// with it. One record for each conversation, one for the epoch that they belong to.

import type { Entry } from './frames';
import type { Place } from './log';
import type { Store } from './types';

export class Cursors {
  /** What is still worked on, by conversation: its last entry. */
  readonly #working = new Map<string, Promise<unknown>>();

  readonly #store: Store;
  readonly #prefix: string;
  readonly #failed: (error: unknown) => void;

  constructor(store: Store, prefix: string, failed: (error: unknown) => void) {
    this.#store = store;
    this.#prefix = prefix;
    this.#failed = failed;
  }

  /** What an earlier run has left; nothing where there was none. */
  async load(): Promise<{ epoch: string; cursors: Map<string, Place> } | undefined> {
    const cursors = new Map<string, Place>();
    try {
      const epoch = await this.#store.getItem(`${this.#prefix}epoch`);
      if (epoch === null) return undefined;
      const begin = `${this.#prefix}at/`;
      for (const key of await this.#store.keys(begin)) {
        // Versions before kept the seq alone.
        const [seq, entryId] = (await this.#store.getItem(key))?.split(' ') ?? [];
        if (Number(seq) > 0) cursors.set(key.slice(begin.length), { seq: Number(seq), id: entryId });
      }
      return { epoch, cursors };
    } catch (error) {
      this.#failed(error);
      return undefined;
    }
  }

  /** Of another store than before: what was kept means nothing any more. */
  epoch(epoch: string): void {
    this.#keep(`${this.#prefix}epoch`, epoch);
  }

  /** This entry was given to the listeners. What they answered is waited for; entries count in their order. */
  done({ conversation_id: id, seq, id: entryId }: Entry, answers: unknown[]): void {
    const keep = () => this.#keep(`${this.#prefix}at/${id}`, `${seq} ${entryId}`);
    const before = this.#working.get(id);
    const isOver = !before && !answers.some((answer) => answer instanceof Promise);
    if (isOver) {
      keep();
      return;
    }
    const working: Promise<unknown> = Promise.allSettled([before, ...answers]).then(() => {
      if (!this.#working.has(id)) return;
      if (this.#working.get(id) === working) this.#working.delete(id);
      keep();
    });
    this.#working.set(id, working);
  }

  forget(id: string): void {
    this.#working.delete(id);
    this.#attempt(() => this.#store.removeItem(`${this.#prefix}at/${id}`));
  }

  #keep(key: string, value: string): void {
    this.#attempt(() => this.#store.setItem(key, value));
  }

  #attempt(act: () => void | Promise<void>): void {
    try {
      act()?.catch(this.#failed);
    } catch (error) {
      this.#failed(error);
    }
  }
}
