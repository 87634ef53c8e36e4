// Notices of operators: the log that everybody reads, kept apart from the conversations, and what this user does with
// them. Given to a client as `notices`; what a client does not import costs it nothing.

import { TidingsError } from './errors';
import type { Entry, ServerFrame, Welcome } from './frames';
import { uuidv7 } from './ids';
import { Log, type Place } from './log';

/** A notice as it is shown. */
export interface Notice {
  /** By which it is marked. */
  id: string;
  seq: number;
  title?: string;
  body: string;
  priority: 'high' | 'normal' | 'low';
  display: 'user' | 'device' | 'always';
  action?: { label: string; url: string };
  data?: Record<string, unknown>;
  /** Unix milliseconds. */
  at: number;
  expiresAt?: number;
}

/** What a client does for it. */
export interface NoticesHook {
  /** True for what is of its log. `say`, with `welcome`: sends a frame; false while there is no connection. */
  heard(frame: ServerFrame, say?: (frame: object) => boolean): boolean;
}

export interface NoticeOptions {
  /** A notice that this device may show now; once for each. `display: 'user'` is claimed before. */
  show: (notice: Notice) => void;
  /** The user did something with it, on this device or another one. */
  marked?: (id: string, state: string) => void;
  /** The list has changed. */
  changed?: () => void;
  /** How far an earlier run of this device has come: what is up to there is not shown again. */
  place?: Place;
  /** It has come further. */
  reached?: (place: Place) => void;
  now?: () => number;
}

/** How long until what was not answered is asked again. */
const RETRY_MS = 5_000;
/** A longer one would begin at once. */
const LONGEST_MS = 0x7fffffff;
const MOST = 100;

export class Notices implements NoticesHook {
  #id: string | undefined;
  #say: (frame: object) => boolean = () => false;
  readonly #log: Log;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #ending: ReturnType<typeof setTimeout> | undefined;
  #isAsked = false;
  readonly #withdrawn = new Set<number>();
  /** Asked whether this device shows it: the notice by the client id of the question. */
  readonly #claims = new Map<string, Notice>();

  readonly #options: NoticeOptions;

  constructor(options: NoticeOptions) {
    this.#options = options;
    this.#log = new Log(MOST, options.place);
  }

  /** What has not ended, the newest last. */
  get list(): Notice[] {
    const now = this.#now();
    const notices = this.#log.entries.flatMap((entry) => (this.#withdrawn.has(entry.seq) ? [] : read(entry)));
    return notices.filter(({ expiresAt = Number.POSITIVE_INFINITY }) => expiresAt > now);
  }

  #welcomed(welcome: Welcome): void {
    this.#id = welcome.notices_id;
    this.#isAsked = false;
    clearTimeout(this.#timer);
    this.#told(welcome.notices);
    // Whether it was claimed is not known: asked again under the same id the answer is the same.
    for (const [clientId, notice] of this.#claims) this.#ask(clientId, notice);
  }

  heard(frame: ServerFrame, say?: (frame: object) => boolean): boolean {
    if (say) this.#say = say;
    switch (frame.type) {
      case 'welcome':
        this.#welcomed(frame);
        return false;
      case 'pong':
        this.#told(frame.notices);
        return false;
      case 'synced':
        if (!this.#id || frame.only !== this.#id) return false;
        this.#isAsked = false;
        clearTimeout(this.#timer);
        if (this.#log.hasGap) this.#sync();
        return true;
      case 'shown':
        this.#claimed(frame.client_id, frame.first);
        return true;
      case 'notice_mark':
        this.#options.marked?.(frame.notice_id, frame.state);
        return true;
      case 'error': {
        const isOurs = this.#claims.delete(frame.client_id ?? '');
        return isOurs || frame.ref === 'notices';
      }
      case 'entry':
        if (frame.conversation_id !== this.#id) return false;
        this.#took(this.#log.add(frame));
        return true;
      case 'sync_page':
        if (frame.conversation_id !== this.#id) return false;
        if (frame.reset) this.#withdrawn.clear();
        this.#took(this.#log.addPage(frame).taken);
        return true;
    }
    return false;
  }

  #told(head: number | undefined): void {
    if (head !== undefined && head > this.#log.cursor) this.#sync();
  }

  /** All that is missing of the log. */
  #sync(): void {
    if (this.#isAsked || !this.#id) return;
    const { seq, id } = this.#log.place;
    const cursors = seq > 0 ? { [this.#id]: { seq, id } } : {};
    if (!this.#say({ type: 'sync', ref: 'notices', only: this.#id, cursors })) return;
    this.#isAsked = true;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#isAsked = false;
      this.#sync();
    }, RETRY_MS);
  }

  #took(entries: Entry[]): void {
    const last = entries.at(-1);
    if (last && this.#id) this.#say({ type: 'delivered', conversation_id: this.#id, seq: last.seq });
    for (const { kind, target } of entries) if (kind === 'delete' && target) this.#withdrawn.add(target);
    const standing = new Set(this.list.map(({ seq }) => seq));
    for (const notice of entries.flatMap(read)) if (standing.has(notice.seq)) this.#offer(notice);
    if (last) {
      this.#options.reached?.(this.#log.place);
      this.#changed();
    }
    if (this.#log.hasGap) this.#sync();
  }

  #offer(notice: Notice): void {
    if (notice.display !== 'user') this.#options.show(notice);
    else this.#ask(uuidv7(), notice);
  }

  #ask(clientId: string, notice: Notice): void {
    this.#claims.set(clientId, notice);
    this.#say({ type: 'show', client_id: clientId, notice_id: notice.id });
  }

  #claimed(clientId: string, isFirst: boolean): void {
    const notice = this.#claims.get(clientId);
    this.#claims.delete(clientId);
    if (notice && isFirst) this.#options.show(notice);
  }

  /** Now, and again when the next one ends. */
  #changed(): void {
    clearTimeout(this.#ending);
    const ends = this.list.flatMap(({ expiresAt }) => expiresAt ?? []);
    const wait = Math.min(...ends) - this.#now();
    if (wait <= LONGEST_MS) this.#ending = setTimeout(() => this.#changed(), Math.max(wait, 0));
    this.#options.changed?.();
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }
}

/** A notice of an entry; nothing where it is blank, or tells something else. */
export function read({ client_id, seq, kind, content, timestamp, expires_at }: Entry): Notice[] {
  if (kind !== 'notice' || !client_id || typeof content?.body !== 'string') return [];
  const { title, body, priority = 'normal', display = 'device', action, data } = content;
  return [
    {
      id: client_id,
      seq,
      title,
      body,
      priority,
      display,
      action,
      data,
      at: timestamp,
      expiresAt: expires_at,
    },
  ];
}

/** Thrown where a notice has no address that may be opened. */
export function addressOf({ action }: Notice, base: string): URL {
  const url = new URL(action?.url ?? '', base);
  if (!/^https?:$/.test(url.protocol)) throw new TidingsError('invalid', 'the action has no address');
  return url;
}
