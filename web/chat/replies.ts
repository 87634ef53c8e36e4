// The messages of a thread that are not held with the log of their conversation: its first one and its newest replies,
// and earlier ones page by page.

import type { Entry } from '../sdk/frames';
import { messagesOf } from './folded';
import type { Session } from './session';
import { batch, signal } from './signals';

/** Replies of a page. */
const PAGE = 100;
/** Pages that are read on the way to one of them. */
const MOST_PAGES = 20;
/** Messages that are held; the oldest of them go first. */
const MOST = 2_000;

export class Replies {
  /** Another number after each change. */
  readonly version = signal(0);
  /** Whether the server was asked. */
  readonly isAsked = signal(false);
  /** Replies before this one are not held. */
  readonly before = signal<number | undefined>(undefined);
  readonly problem = signal('');
  private readonly known = new Map<number, Entry>();

  constructor(
    private readonly session: Session,
    private readonly id: string,
    private readonly root: number,
  ) {}

  /** Those of the log, with those that were read: by ascending seq. The log may let go of some that were there. */
  with(entries: readonly Entry[]): Entry[] {
    for (const entry of entries)
      if (entry.seq === this.root || entry.thread === this.root) this.known.set(entry.seq, entry);
    const seqs = [...this.known.keys()].sort((a, b) => a - b);
    for (const seq of seqs.splice(1, Math.max(0, seqs.length - MOST))) this.known.delete(seq);
    return seqs.flatMap((seq) => this.known.get(seq) ?? []);
  }

  /** Reads the first message and the newest replies, and goes back to `goal`. */
  async begin(goal?: number): Promise<void> {
    await this.ask(async () => {
      await Promise.all([this.first(), this.page()]);
      await this.back(goal);
    });
    this.isAsked.value = true;
  }

  /** Reads the replies before those that are there. */
  earlier(): Promise<void> {
    return this.ask(() => this.page(this.before.peek()));
  }

  /** Reads replies until one of them is there. */
  async back(goal = Number.POSITIVE_INFINITY): Promise<void> {
    for (let page = 0; page < MOST_PAGES && (this.before.peek() ?? 0) > goal; page++)
      await this.page(this.before.peek());
  }

  private async ask(what: () => Promise<unknown>): Promise<void> {
    this.problem.value = '';
    await what().catch(({ message }: Error) => {
      this.problem.value = message;
    });
  }

  private async first(): Promise<void> {
    const rest = await this.session.api();
    // Who came later may not see it.
    const now = await rest.message(this.id, this.root).catch(() => undefined);
    if (now) this.take([now.entry], now.as_of, now.state && { [this.root]: now.state });
  }

  private async page(before_seq?: number): Promise<void> {
    const rest = await this.session.api();
    const { entries, more } = await rest.replies(this.id, this.root, { before_seq, limit: PAGE });
    const [from, to] = [entries[0]?.seq, entries.at(-1)?.seq];
    for (let at = from; at !== undefined && to !== undefined; ) {
      const {
        as_of,
        states,
        next_from_seq: next,
      } = await rest.changes(this.id, { from_seq: at, to_seq: to });
      const [start, end] = [at, next ?? to + 1];
      this.take(
        entries.filter(({ seq }) => seq >= start && seq < end),
        as_of,
        states,
      );
      at = next;
    }
    this.before.value = more ? from : undefined;
  }

  private take(entries: Entry[], as_of: number, states?: Parameters<Page['page']>[0]['states']): void {
    batch(() => {
      this.session.met(entries);
      messagesOf(this.session, this.id).page({ entries, as_of, states });
      for (const entry of entries) this.known.set(entry.seq, entry);
      this.version.value++;
    });
  }
}

type Page = ReturnType<typeof messagesOf>;
