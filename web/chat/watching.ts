// What waits for somebody beside the conversations: unread replies in threads that they follow, and messages that mention
// them. The server counts; it is asked again after what may have changed that, and at most so often.

import type { Client } from '../sdk/client';
import type { Entry, ServerFrame } from '../sdk/frames';
import type { Rest } from '../sdk/rest';
import { batch, signal } from './signals';

/** What happens within this time is asked for at once. */
const PAUSE_MS = 1_000;
/** More are not counted. */
export const COUNTED_TO = 100;

interface Owner {
  userId: string;
  api: () => Promise<Pick<Rest, 'threads' | 'mentions'>>;
  plan: (act: (client: Pick<Client, 'on' | 'state'>) => void) => void;
}

export class Watching {
  /** Threads with unread replies, and unread messages that mention the user. */
  readonly threads = signal(0);
  readonly mentions = signal(0);
  /** Another number after each time that it was asked. */
  readonly version = signal(0);
  private timer: ReturnType<typeof setTimeout> | undefined;
  private ends: (() => void)[] = [];
  private hasEnded = false;

  constructor(private readonly owner: Owner) {
    owner.plan((client) => {
      if (this.hasEnded) return;
      this.ends = [
        client.on('entry', (entry, origin) => {
          if (origin !== 'history' && this.concerns(entry)) this.soon();
        }),
        client.on('frame', (frame) => this.hear(frame)),
        client.on('state', (state) => {
          if (state === 'online') this.soon();
        }),
      ];
      // Else it is asked when there is a connection.
      if (client.state === 'online') void this.ask();
    });
  }

  end(): void {
    this.hasEnded = true;
    clearTimeout(this.timer);
    for (const end of this.ends) end();
  }

  private hear(frame: ServerFrame): void {
    const isMine = frame.type === 'receipt' && frame.user_id === this.owner.userId;
    if (frame.type === 'thread_read' || (isMine && this.mentions.peek() > 0)) this.soon();
  }

  private concerns({ thread, mentions, mention_all, kind }: Entry): boolean {
    const isCounted = this.mentions.peek() > 0 || this.threads.peek() > 0;
    const isMeant = mention_all === true || mentions?.includes(this.owner.userId) === true;
    // What was deleted is not unread any more.
    return thread !== undefined || isMeant || (kind === 'delete' && isCounted);
  }

  private soon(): void {
    if (this.hasEnded) return;
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      void this.ask();
    }, PAUSE_MS);
  }

  private async ask(): Promise<void> {
    const query = { unread: true, limit: COUNTED_TO };
    try {
      const rest = await this.owner.api();
      const [{ threads }, { mentions }] = await Promise.all([rest.threads(query), rest.mentions(query)]);
      batch(() => {
        this.threads.value = threads.length;
        this.mentions.value = mentions.length;
        this.version.value++;
      });
    } catch {
      // What was counted last is shown until the next change.
    }
  }
}
