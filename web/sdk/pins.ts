// The pinned messages of one conversation, for as long as somebody looks at them: read once, and from then on told by
// the `pin` entries of its log. Beside the rest, so that only those who use it load it.
//
// An answer does not say how far it goes. It goes as far as its own newest pin, and at least as far as the log had come
// here before it was asked for: entries up to there are in it already. Each later entry is applied to it, in the order
// of the log, and wins. Some of those may be in it, too: then the last one of each message says what the answer says.

import type { Client } from './client';
import { RestError } from './errors';
import { targetsOf } from './fold';
import type { Content, Entry } from './frames';
import { isBlank } from './kinds';
import type { PinnedEntry } from './rest';

/** More than can be pinned: one answer has all. */
const AT_ONCE = 100;
/** What got no answer, however often REST asked, is asked for again so much later. */
const AGAIN_MS = 10_000;
/** This user has no conversation to look at any more. */
const FOR_GOOD = ['not_member', 'not_found', 'forbidden'];

export type { PinnedEntry };

export class Pins {
  /** Newest pinned first, without those whose content is gone. Undefined: not known yet. */
  list: readonly PinnedEntry[] | undefined;
  #known: PinnedEntry[] = [];
  /** Counts what was asked for: only the answer to the last question matters. */
  #asked = 0;
  #isReading = false;
  /** Up to there the entries of the log are in what was read. */
  #asOf = 0;
  /** Pins that came since it was asked for. */
  #since: Entry[] = [];
  #retry: ReturnType<typeof setTimeout> | undefined;
  readonly #ends: (() => void)[];

  readonly #client: Pick<Client, 'on' | 'log' | 'rest' | 'expire'>;
  readonly #id: string;
  readonly #changed: () => void;

  /** `changed` is called after each change of `list`. */
  constructor(
    client: Pick<Client, 'on' | 'log' | 'rest' | 'expire'>,
    conversationId: string,
    changed: () => void,
  ) {
    this.#client = client;
    this.#id = conversationId;
    this.#changed = changed;
    const isHere = (id: string) => id === conversationId;
    this.#ends = [
      client.on('entry', (entry) => {
        if (isHere(entry.conversation_id)) this.#follow(entry);
      }),
      // A sync has left something out, or the log is another one: nobody knows what was pinned there.
      client.on('reset', (id) => {
        if (isHere(id)) void this.#read();
      }),
      client.on('gone', (id) => {
        if (isHere(id)) this.end();
      }),
      client.on('expired', (entries) => {
        if (this.list && entries.some((entry) => isHere(entry.conversation_id))) this.#tell();
      }),
      client.on('state', (state) => {
        if (state === 'online' && this.#retry) void this.#read();
      }),
    ];
    // Else as soon as the log begins.
    if (client.log(conversationId).cursor > 0) void this.#read();
  }

  end(): void {
    this.#asked++;
    clearTimeout(this.#retry);
    for (const end of this.#ends) end();
  }

  /** All of it, anew. */
  async #read(): Promise<void> {
    const asked = ++this.#asked;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#isReading = true;
    this.#since = [];
    const { cursor } = this.#client.log(this.#id);
    try {
      const all = await this.#pages(asked);
      if (asked !== this.#asked) return;
      this.#isReading = false;
      this.#known = all;
      this.#asOf = Math.max(cursor, all[0]?.pinned_seq ?? 0);
      this.#client.expire(all.map(({ entry }) => entry));
      for (const entry of this.#since) this.#apply(entry);
      this.#tell();
    } catch (error) {
      if (asked !== this.#asked) return;
      if (error instanceof RestError && FOR_GOOD.includes(error.code)) this.end();
      else this.#retry = setTimeout(() => void this.#read(), AGAIN_MS);
    }
  }

  async #pages(asked: number): Promise<PinnedEntry[]> {
    const all: PinnedEntry[] = [];
    let before: number | undefined;
    do {
      const page = await this.#client.rest.pins(this.#id, { limit: AT_ONCE, before });
      all.push(...page.pins);
      before = page.next;
    } while (before !== undefined && asked === this.#asked);
    return all;
  }

  #follow(entry: Entry): void {
    // The log begins.
    if (this.#asked === 0) void this.#read();
    if (!['pin', 'edit', 'delete'].includes(entry.kind)) return;
    if (this.#isReading) this.#since.push(entry);
    else if (this.#apply(entry)) this.#tell();
  }

  /** True when something has changed. */
  #apply({ seq, kind, target, content, sender, timestamp }: Entry): boolean {
    if (seq > this.#asOf && kind !== 'pin')
      return this.#change(kind, targetsOf({ kind, target, content }), content);
    // Of a pin whose message this device may not see, nothing is said.
    if (target === undefined || seq <= this.#asOf || typeof content?.on !== 'boolean') return false;
    this.#known = this.#known.filter(({ entry }) => entry.seq !== target);
    if (!content.on) return true;
    const { entries } = this.#client.log(this.#id);
    const entry = entries[target - (entries[0]?.seq ?? 0)];
    if (entry) this.#known.unshift({ entry, pinned_seq: seq, pinned_at: timestamp, by: sender.id });
    // It is further back than what is held.
    else void this.#read();
    return true;
  }

  /** A message says something else, or is there no more. */
  #change(kind: string, targets: number[], content: Content): boolean {
    const isMeant = ({ entry }: PinnedEntry) => targets.includes(entry.seq);
    if (!this.#known.some(isMeant)) return false;
    if (kind === 'delete') this.#known = this.#known.filter((pinned) => !isMeant(pinned));
    else if (content?.content)
      this.#known = this.#known.map((pinned) =>
        isMeant(pinned) ? { ...pinned, entry: { ...pinned.entry, content: content.content } } : pinned,
      );
    return true;
  }

  #tell(): void {
    this.list = this.#known.filter(({ entry }) => !isBlank(entry));
    this.#changed();
  }
}
