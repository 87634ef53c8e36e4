// A list of the server's that comes page by page, and of which the newest page is read again after changes.

import { batch, signal } from './signals';

interface Keyed {
  key: string;
}

interface Page<Item> {
  items: Item[];
  next?: string | null;
}

/** More are not held: who looks for older ones looks in their conversation. */
const MOST = 1_000;

export class Listing<Item extends Keyed> {
  readonly items = signal<readonly Item[]>([]);
  /** Where the next page begins; undefined where there is none. */
  readonly next = signal<string | undefined>(undefined);
  readonly problem = signal('');
  /** The server has answered once. */
  readonly isAsked = signal(false);

  constructor(private readonly ask: (after?: string) => Promise<Page<Item>>) {}

  /** Reads the newest page. What was read behind it stays. */
  look(): Promise<void> {
    return this.take(undefined, ({ items, next }) => {
      const { value } = this.items;
      const older = value.filter(({ key }) => !items.some((item) => item.key === key));
      // A whole list has nothing behind it: what is not in it is gone.
      const isGoingOn = this.isAsked.peek() && older.length > 0 && next != null;
      if (!isGoingOn) this.next.value = next ?? undefined;
      return isGoingOn ? [...items, ...older] : items;
    });
  }

  /** Reads one page more. */
  more(): Promise<void> {
    return this.take(this.next.peek(), ({ items, next }) => {
      const { value } = this.items;
      const fresh = items.filter(({ key }) => !value.some((item) => item.key === key));
      const all = [...value, ...fresh];
      this.next.value = all.length < MOST ? (next ?? undefined) : undefined;
      return all;
    });
  }

  private async take(after: string | undefined, join: (page: Page<Item>) => Item[]): Promise<void> {
    try {
      const page = await this.ask(after);
      batch(() => {
        this.items.value = join(page);
        this.isAsked.value = true;
        this.problem.value = '';
      });
    } catch (error) {
      this.problem.value = (error as Error).message;
    }
  }
}
