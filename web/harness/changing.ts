// What a tab changes of messages that are there, and what it makes of all changes: it folds the log as it comes, as an app
// does. At the end the harness compares that with the whole log.

import type { MessageState } from '../sdk/fold';
import type { Client, Handle } from '../sdk/index';
import { isBlank, isMessage } from '../sdk/kinds';
import { Messages } from '../sdk/messages';
import type { Random } from './random';

/** An answer comes so much later, at most: entries come meanwhile. */
const LATE_MS = 6_000;
/** Among the newest. */
const LOOKED_AT = 30;
const KEYS = ['👍', '🎉', '👀'];

export class Changing {
  private readonly folded = new Map<string, Messages>();

  constructor(
    private readonly client: Client,
    private readonly random: Random,
  ) {}

  /** What is done with a message of a conversation, if there is one: a reaction mostly, of an own one also an edit or a delete. */
  pick(id: string, client_id: string): (() => Handle) | undefined {
    const messages = this.client
      .log(id)
      .entries.slice(-LOOKED_AT)
      .filter((one) => isMessage(one) && !isBlank(one));
    if (messages.length === 0) return undefined;
    const { seq, sender } = this.random.pick(messages);
    const isOwn = sender.id === this.client.userId;
    const x = this.random.next();
    const where = { conversation_id: id, seq, client_id };
    if (isOwn && x < 0.3)
      return () => this.client.edit({ ...where, content: { text: `edited ${client_id}` } });
    if (isOwn && x < 0.45) return () => this.client.delete(where);
    const [key, on] = [this.random.pick(KEYS), this.random.next() < 0.7];
    return () => this.client.react(id, seq, key, on, client_id);
  }

  /** Asks for messages as they are now, or for what became of them, and takes the answer when it is late. */
  async look(id: string): Promise<void> {
    const { entries } = this.client.log(id);
    if (entries.length === 0) return;
    const { seq } = this.random.pick(entries.slice(-LOOKED_AT));
    const isPage = this.random.next() < 0.5;
    const wait = () => new Promise((resolve) => setTimeout(resolve, LATE_MS * this.random.next()));
    if (isPage) {
      const page = await this.client.rest.messagesNow(id, { around_seq: seq, limit: 20 });
      await wait();
      this.of(id).page(page);
      return;
    }
    const [from_seq, to_seq] = [seq, seq + 20];
    const changes = await this.client.rest.changes(id, { from_seq, to_seq });
    await wait();
    this.of(id).changes(from_seq, (changes.next_from_seq ?? to_seq + 1) - 1, changes);
  }

  /** Entries have come. */
  heard(id: string): void {
    this.of(id).follow(this.client.log(id).entries);
  }

  private of(id: string): Messages {
    const messages = this.folded.get(id) ?? new Messages();
    this.folded.set(id, messages);
    return messages;
  }

  /** Of all messages that are held, by their seqs. */
  states(id: string): [number, MessageState][] {
    this.heard(id);
    const messages = this.folded.get(id);
    return this.client.log(id).entries.flatMap(({ seq }) => {
      const state = messages?.get(seq)?.state;
      return state ? [[seq, state]] : [];
    });
  }
}

/** A state as a text: the same for the same state, however it came about and how far it goes. */
export function plain(state: MessageState | undefined): string {
  const { as_of: _, ...rest } = state ?? { as_of: 0 };
  const keys = Object.entries(rest.reactions ?? {});
  const reactions = keys.map(([key, { n, by = [] }]) => [key, n, ...by]).sort();
  const others = Object.entries({ ...rest, reactions: undefined }).filter(([, value]) => value !== undefined);
  return JSON.stringify([others.sort(([a], [b]) => (a < b ? -1 : 1)), reactions]);
}
