// Web Locks over processes: the tabs' parent grants them, and takes them back when a tab dies, as a browser does.

/** From a tab. */
export type LockAsked =
  | { lock: 'ask'; id: number; name: string; ifAvailable: boolean }
  | { lock: 'release'; id: number };
/** To a tab. */
export type LockTold = { lock: 'granted' | 'refused'; id: number };

type Callback = (lock: Lock | null) => unknown;

/** The side of a tab: as much of `navigator.locks` as a client uses. */
export class TabLocks {
  private asked = 0;
  private readonly waiting = new Map<number, (isGranted: boolean) => void>();

  constructor(private readonly say: (message: LockAsked) => void) {}

  hear({ lock, id }: LockTold): void {
    this.waiting.get(id)?.(lock === 'granted');
    this.waiting.delete(id);
  }

  request = async (name: string, ...rest: [LockOptions, Callback] | [Callback]): Promise<unknown> => {
    const [options, callback] = rest.length === 1 ? [{} as LockOptions, rest[0]] : rest;
    const id = ++this.asked;
    const isGranted = await new Promise<boolean>((resolve) => {
      this.waiting.set(id, resolve);
      this.say({ lock: 'ask', id, name, ifAvailable: options.ifAvailable ?? false });
    });
    if (!isGranted) return callback(null);
    try {
      return await callback({ name, mode: 'exclusive' });
    } finally {
      this.say({ lock: 'release', id });
    }
  };
}

interface Holder {
  tab: object;
  id: number;
  tell: (message: LockTold) => void;
}

/** The side of the parent. */
export class LockTable {
  /** By name: who has it, and behind it who waits. */
  private readonly holders = new Map<string, Holder[]>();

  hear(tab: object, message: LockAsked, tell: (message: LockTold) => void): void {
    if (message.lock === 'release') {
      this.remove((holder) => holder.tab === tab && holder.id === message.id);
      return;
    }
    const { id, name, ifAvailable } = message;
    const line = this.holders.get(name) ?? [];
    if (ifAvailable && line.length > 0) {
      tell({ lock: 'refused', id });
      return;
    }
    this.holders.set(name, [...line, { tab, id, tell }]);
    if (line.length === 0) tell({ lock: 'granted', id });
  }

  /** A tab is dead. */
  free(tab: object): void {
    this.remove((holder) => holder.tab === tab);
  }

  private remove(isMeant: (holder: Holder) => boolean): void {
    for (const [name, line] of this.holders) {
      const left = line.filter((holder) => !isMeant(holder));
      if (left.length === line.length) continue;
      const [first] = left;
      if (first) this.holders.set(name, left);
      else this.holders.delete(name);
      if (first && first !== line[0]) first.tell({ lock: 'granted', id: first.id });
    }
  }
}
