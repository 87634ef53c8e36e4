// What is written in each conversation and not sent yet: kept over switching, reloads and the end of a session, and for the
// other devices of the user. What another device has written is never lost: where both were written in, both are shown.

import type { Client } from '../sdk/client';
import type { RefusedError } from '../sdk/failures';
import type { Own } from '../sdk/own';
import { signal } from './signals';

/** Conversations whose drafts are kept here; the one that was written in longest ago goes first. */
const MOST_DRAFTS = 200;
/** After the last key others are told. */
const SAVE_MS = 1_000;

interface Draft {
  text: string;
  /** The entry with the last draft of the server's that its writer knew; 0: none. */
  base: number;
  /** The server does not have it. */
  isNew: boolean;
}

const NONE: Draft = { text: '', base: 0, isNew: false };

export class Drafts {
  /** Another number after what is written was changed by another device, or is told by it. */
  readonly version = signal(0);
  private readonly key: string;
  /** By conversation, or `<conversation>/<thread>`, in the order of writing. */
  private readonly drafts: Map<string, Draft>;
  /** What another device wrote meanwhile, by conversation. */
  private readonly others = new Map<string, string>();
  private readonly timers = new Map<string, ReturnType<typeof setTimeout>>();
  /** What is on its way to the server. */
  private readonly underWay = new Map<string, string>();
  private client: Client | undefined;
  private own: Own | undefined;

  constructor(
    private readonly storage: Pick<Storage, 'getItem' | 'setItem'>,
    userId: string,
  ) {
    this.key = `tidings.drafts.${userId}`;
    this.drafts = new Map(read(storage, this.key));
  }

  get(conversationId: string): string {
    return this.drafts.get(conversationId)?.text ?? '';
  }

  /** What another device wrote while something else was written here. */
  other(conversationId: string): string | undefined {
    this.version.value;
    return this.others.get(conversationId);
  }

  /** Goes on with what the other device wrote; what was written here takes its place beside it. */
  swap(conversationId: string): void {
    const other = this.others.get(conversationId);
    if (other === undefined) return;
    this.others.set(conversationId, this.get(conversationId));
    this.set(conversationId, other);
    this.version.value++;
  }

  /** Forgets what the other device wrote. */
  dismiss(conversationId: string): void {
    this.others.delete(conversationId);
    this.version.value++;
  }

  /** An empty text ends the draft. */
  set(conversationId: string, text: string): void {
    if (text === this.get(conversationId)) return;
    const { base } = this.drafts.get(conversationId) ?? NONE;
    this.put(conversationId, { text, base, isNew: true });
    this.saveSoon(conversationId);
  }

  /** Follows a client. */
  follow(client: Client, own: Own): void {
    this.client = client;
    this.own = own;
    client.on('state', (state) => {
      if (state === 'online') this.saveAll();
    });
  }

  /** The server says what is written elsewhere. */
  heard(): void {
    const { own } = this;
    if (!own?.isKnown) return;
    let isOther = false;
    for (const { conversation_id: id = '', thread, content, asOf } of own.drafts())
      isOther = this.take(thread ? `${id}/${thread}` : id, text(content), asOf) || isOther;
    // What it does not know any more was taken back.
    for (const [id, draft] of this.drafts)
      if (draft.base > 0 && !draft.isNew && !own.draft(...placeOf(id)))
        isOther = this.take(id, '', draft.base + 1) || isOther;
    this.saveAll();
    if (isOther) this.version.value++;
  }

  end(): void {
    for (const timer of this.timers.values()) clearTimeout(timer);
    this.timers.clear();
  }

  /** True when something is to be drawn anew. */
  private take(id: string, words: string, asOf: number): boolean {
    const draft = this.drafts.get(id) ?? NONE;
    if (asOf <= draft.base) return false;
    // One's own, that comes back.
    const isMine = words === draft.text || words === this.underWay.get(id);
    if (isMine) {
      this.put(id, { ...draft, base: asOf, isNew: draft.isNew && words !== draft.text });
      return false;
    }
    if (!draft.isNew || draft.text === '') {
      this.put(id, { text: words, base: asOf, isNew: false });
      return true;
    }
    // Both are shown: what is written here may take the place of the other one from now on.
    if (words) this.others.set(id, words);
    this.put(id, { ...draft, base: asOf });
    return true;
  }

  private saveAll(): void {
    if (!this.own?.isKnown) return;
    for (const [id, { isNew }] of this.drafts) if (isNew && !this.timers.has(id)) this.saveSoon(id);
  }

  private saveSoon(id: string): void {
    clearTimeout(this.timers.get(id));
    const save = () => {
      this.timers.delete(id);
      this.save(id);
    };
    this.timers.set(id, setTimeout(save, SAVE_MS));
  }

  private save(id: string): void {
    const { client, own } = this;
    const draft = this.drafts.get(id);
    // Without a connection it waits for one, here alone.
    if (!client || !own?.isKnown || client.state !== 'online' || !draft?.isNew || this.underWay.has(id))
      return;
    const { text, base } = draft;
    if (!text && !own.draft(...placeOf(id))?.content) {
      this.put(id, { ...draft, isNew: false });
      return;
    }
    this.underWay.set(id, text);
    const content = text ? { text } : null;
    const [conversation_id, thread] = placeOf(id);
    client.draft({ conversation_id, thread, content, base }).stored.then(
      ({ seq }) => this.saved(id, text, seq),
      (error: RefusedError) => this.refused(id, error),
    );
  }

  private saved(id: string, text: string, seq: number): void {
    this.underWay.delete(id);
    const now = this.drafts.get(id) ?? NONE;
    const isNew = now.text !== text;
    this.put(id, { ...now, base: Math.max(now.base, seq), isNew });
    if (isNew) this.saveSoon(id);
  }

  private refused(id: string, { code }: RefusedError): void {
    this.underWay.delete(id);
    // What the other device wrote comes, or is there, and both are shown.
    if (code === 'conflict') this.heard();
  }

  private put(id: string, draft: Draft): void {
    this.drafts.delete(id);
    if (draft.text || draft.base || draft.isNew) this.drafts.set(id, draft);
    for (const oldest of this.drafts.keys()) {
      if (this.drafts.size <= MOST_DRAFTS) break;
      this.drafts.delete(oldest);
    }
    const kept = [...this.drafts].map(([id, { text, base, isNew }]) => [id, text, base, isNew]);
    try {
      this.storage.setItem(this.key, JSON.stringify(kept));
    } catch {
      // Storage is full or forbidden: the drafts live as long as the page.
    }
  }
}

function text(content: { text?: unknown } | undefined): string {
  return typeof content?.text === 'string' ? content.text : '';
}

/** The conversation, and the thread, that something is written in. */
function placeOf(id: string): [id: string, thread?: number] {
  const [conversation = '', thread] = id.split('/');
  return thread ? [conversation, Number(thread)] : [conversation];
}

/** What was kept; texts of before others were told are new to the server. */
function read(storage: Pick<Storage, 'getItem'>, key: string): [string, Draft][] {
  try {
    const kept: unknown = JSON.parse(storage.getItem(key) ?? '[]');
    if (!Array.isArray(kept)) return [];
    return kept.flatMap((row): [string, Draft][] => {
      if (!Array.isArray(row)) return [];
      const [id, text, base = 0, isNew = true] = row;
      const isDraft = typeof id === 'string' && typeof text === 'string' && typeof base === 'number';
      return isDraft ? [[id, { text, base, isNew: isNew !== false }]] : [];
    });
  } catch {
    return [];
  }
}
