// What is written in each conversation and not sent yet: kept over switching, reloads and the end of a session.

/** Conversations whose drafts are kept; the one that was written in longest ago goes first. */
const MOST_DRAFTS = 200;

export class Drafts {
  private readonly key: string;
  /** By conversation, in the order of writing. */
  private readonly texts: Map<string, string>;

  constructor(
    private readonly storage: Pick<Storage, 'getItem' | 'setItem'>,
    userId: string,
  ) {
    this.key = `tidings.drafts.${userId}`;
    this.texts = new Map(read(storage, this.key));
  }

  get(conversationId: string): string {
    return this.texts.get(conversationId) ?? '';
  }

  /** An empty text ends the draft. */
  set(conversationId: string, text: string): void {
    if (text === this.get(conversationId)) return;
    this.texts.delete(conversationId);
    if (text) this.texts.set(conversationId, text);
    for (const oldest of this.texts.keys()) {
      if (this.texts.size <= MOST_DRAFTS) break;
      this.texts.delete(oldest);
    }
    try {
      this.storage.setItem(this.key, JSON.stringify([...this.texts]));
    } catch {
      // Storage is full or forbidden: the drafts live as long as the page.
    }
  }
}

function read(storage: Pick<Storage, 'getItem'>, key: string): [string, string][] {
  try {
    const kept: unknown = JSON.parse(storage.getItem(key) ?? '[]');
    if (!Array.isArray(kept)) return [];
    return kept.filter(
      (pair): pair is [string, string] =>
        Array.isArray(pair) && pair.length === 2 && pair.every((text) => typeof text === 'string'),
    );
  } catch {
    return [];
  }
}
