// What this user sets for all of their devices: what the self log comes to. It has to be there before the first sync.
// Beside the rest, so that only those who use it load it.

import type { Client } from './client';
import type { Content, Entry, SyncPage } from './frames';

/** Of each thing that is set; what is undefined is as where nothing was ever set. */
export interface Values {
  mute: { until: number | null; mentions: boolean };
  archive: boolean;
  pin: boolean;
  hidden: { before_seq: number };
  marked_unread: boolean;
  follow_thread: boolean;
  push: { content: 'none' | 'sender' | 'full' };
  privacy: Partial<Record<Privacy, 'everyone' | 'contacts' | 'nobody'>>;
}
export type What = keyof Values;
export type Privacy = 'last_seen' | 'online' | 'avatar' | 'receipts' | 'groups' | 'calls' | 'find';

interface Known {
  value: unknown;
  /** The entry that set it. */
  asOf: number;
}

interface Place {
  what: string;
  conversation_id?: string;
  thread?: number;
}

/** What is written in a conversation or a thread, as the server has it. */
export interface Draft {
  /** Undefined: it was taken back. */
  content: Content | undefined;
  /** The entry that says so. */
  asOf: number;
}

export class Own {
  /** All that is set has come. */
  isKnown = false;
  readonly #known = new Map<string, Known>();
  readonly #drafts = new Map<string, Draft & Place>();
  /** What is not known by name is as of this entry. */
  #asOf = 0;
  /** More parts of the whole are to come. */
  #isComing = false;
  /** Something that was set has waited for its answer. */
  #hasWaited = false;
  readonly #ends: (() => void)[];

  readonly #client: Pick<Client, 'on' | 'selfLog' | 'pending'>;
  readonly #changed: () => void;

  /** `changed` is called after each change. */
  constructor(client: Pick<Client, 'on' | 'selfLog' | 'pending'>, changed: () => void) {
    this.#client = client;
    this.#changed = changed;
    this.#ends = [
      client.on('page', (page) => this.#take(page)),
      client.on('entry', (entry) => this.#follow(entry)),
      client.on('frame', ({ type }) => {
        if (type === 'synced') this.#synced();
      }),
      // What waits for its answer counts as set.
      client.on('outbox', () => {
        const waits = client.pending().some(({ type }) => type === 'set');
        if (waits || this.#hasWaited) changed();
        this.#hasWaited = waits;
      }),
    ];
  }

  /** What is set, with what waits to be stored. */
  get<Name extends What>(what: Name, conversation_id?: string, thread?: number): Values[Name] | undefined {
    const key = keyOf({ what, conversation_id, thread });
    const waiting = this.#client
      .pending()
      .findLast((operation) => operation.type === 'set' && keyOf(operation) === key);
    const value = waiting?.type === 'set' ? waiting.value : this.#known.get(key)?.value;
    return given(what, value) as Values[Name] | undefined;
  }

  /** Undefined: nobody has written there, as far as is known. */
  draft(conversation_id: string, thread?: number): Draft | undefined {
    return this.#drafts.get(keyOf({ what: 'draft', conversation_id, thread }));
  }

  /** All of them, with those that were taken back lately. */
  drafts(): Iterable<Draft & Place> {
    return this.#drafts.values();
  }

  end(): void {
    for (const end of this.#ends) end();
  }

  /** A self log that no sync brings is not there: nothing was ever set. */
  #synced(): void {
    if (this.isKnown) return;
    this.isKnown = true;
    this.#changed();
  }

  #take({ conversation_id, own }: SyncPage): void {
    if (conversation_id !== this.#client.selfLog) return;
    if (!own) {
      this.#isComing = false;
      return;
    }
    if (!this.#isComing) {
      this.#known.clear();
      this.#drafts.clear();
    }
    this.#isComing = true;
    this.isKnown = true;
    this.#asOf = own.as_of;
    for (const { as_of, value, ...place } of own.settings)
      this.#known.set(keyOf(place), { value, asOf: as_of });
    for (const { conversation_id, thread, content, as_of } of own.drafts ?? [])
      this.#keep({ what: 'draft', conversation_id, thread }, content, as_of);
    this.#changed();
  }

  #follow({ conversation_id, kind, seq, content }: Entry): void {
    if (conversation_id !== this.#client.selfLog) return;
    // The first of all: nothing was set before.
    if (seq === 1) this.isKnown = true;
    if (kind === 'draft') {
      const place = { what: 'draft', conversation_id: content.conversation_id, thread: content.thread };
      if (seq <= (this.draft(place.conversation_id, place.thread)?.asOf ?? this.#asOf)) return;
      this.#keep(place, content.content ?? undefined, seq);
      this.#changed();
    }
    if (kind !== 'set') return;
    const key = keyOf(content);
    const asOf = this.#known.get(key)?.asOf ?? this.#asOf;
    if (seq <= asOf) return;
    this.#known.set(key, { value: content.value, asOf: seq });
    this.#changed();
  }

  #keep(place: Place, content: Content | undefined, asOf: number): void {
    this.#drafts.set(keyOf(place), { ...place, content, asOf });
  }
}

function keyOf({ what, conversation_id = '', thread = 0 }: Place): string {
  return `${what} ${conversation_id} ${thread}`;
}

/** A value with all of its fields; undefined where it is as where nothing was ever set. */
function given(what: What, value: unknown): unknown {
  if (value === null || (value === false && what !== 'follow_thread')) return undefined;
  if (what === 'mute' && value) return { until: null, mentions: true, ...(value as object) };
  return value;
}
