// A part of a conversation far before what is held of its log: the messages around one of them, as the server has them
// now, without all that lies between. It grows in both directions, and joins the log where it comes to it.

import './OpenThread';
import type { RestError } from '../sdk/errors';
import type { Entry } from '../sdk/frames';
import { isInMain } from '../sdk/kinds';
import type { MessagesNow } from '../sdk/rest';
import { loadExtras } from './parts';
import type { Session } from './session';
import { openThread } from './threading';

/** Messages of a page. */
const PAGE = 100;
/** Where no more entries than these are between a message and the log that is held, the log is read to there. */
const NEAR = 200;
/** Messages that are held; more push out those at the other end. */
const MOST = 1_000;
const MISSING = 'That message is not here any more, or not for you.';

/** Which of the entries that are held are shown. */
type Filter = (entry: Entry) => boolean;

export class Far {
  constructor(
    private readonly session: Session,
    readonly id: string,
    /** By ascending seq: all messages from `first` to `last`. */
    private readonly entries: readonly Entry[],
    readonly first: number,
    private readonly last: number,
    private readonly most = MOST,
  ) {}

  at(seq: number): Entry | undefined {
    return this.entries.find((entry) => entry.seq === seq);
  }

  /** Nothing is between it and what is held of the log. */
  isJoined(held: readonly Entry[]): boolean {
    return (held[0]?.seq ?? Number.POSITIVE_INFINITY) <= this.last + 1;
  }

  covers(seq: number, held: readonly Entry[]): boolean {
    return this.first <= seq && (seq <= this.last || this.isJoined(held));
  }

  /** What is shown of it, with the log behind it where it has come to that. */
  list(held: readonly Entry[], isShown: Filter): Entry[] {
    const own = this.entries.filter(isShown);
    const start = held[0]?.seq;
    if (start === undefined || !this.isJoined(held)) return own;
    return [...own.filter(({ seq }) => seq < start), ...held.filter(isShown)];
  }

  /** Goes on before it. False: there is nothing more. */
  async older(limit = PAGE): Promise<boolean> {
    if (this.first <= 1) return false;
    const page = await read(this.session, this.id, { before_seq: this.first, limit });
    const all = [...page.entries, ...this.entries];
    const gone = all[this.most];
    const last = gone ? gone.seq - 1 : this.last;
    this.become(all.slice(0, this.most), page.next_before_seq ?? 1, last);
    return page.next_before_seq !== undefined;
  }

  /** Goes on behind it. False: it has come to the log. */
  async newer(held: readonly Entry[]): Promise<boolean> {
    if (this.isJoined(held)) return false;
    const page = await read(this.session, this.id, { after_seq: this.last, limit: PAGE });
    const all = [...this.entries, ...page.entries];
    const gone = all.slice(0, Math.max(0, all.length - this.most)).at(-1);
    const first = gone ? gone.seq + 1 : this.first;
    const next = this.become(all.slice(-this.most), first, page.next_after_seq ?? page.as_of);
    return !next.isJoined(held);
  }

  private become(entries: readonly Entry[], first: number, last: number): Far {
    const next = new Far(this.session, this.id, entries, first, last, this.most);
    // Somebody may have gone on elsewhere meanwhile.
    if (this.session.far.peek() === this) this.session.far.value = next;
    return next;
  }
}

/** A page of messages, of which is known from then on what became of them. */
async function read(
  session: Session,
  id: string,
  query: { before_seq?: number; after_seq?: number; around_seq?: number; limit: number },
): Promise<MessagesNow> {
  const [rest, code] = await Promise.all([session.api(), loadExtras()]);
  const page = await rest.messagesNow(id, query);
  session.met(page.entries);
  code?.messagesOf(session, id).page(page);
  return page;
}

/** What is to be shown so that an entry of the open conversation is there: `far` in the place of the log, or the log. */
export interface Reached {
  far: Far | undefined;
}

/**
 * Reads what is around an entry where that is not held. Undefined: nothing is to be shown, as it stands in a thread, which
 * is opened, or is not there, which is said. Unless it is `exact`, any entry near that place will do.
 */
export async function reach(
  session: Session,
  id: string,
  seq: number,
  isExact: boolean,
): Promise<Reached | undefined> {
  try {
    const reached = await around(session, id, seq);
    if (!isExact) return reached;
    const entry = reached.far?.at(seq) ?? heldAt(session.entries(id), seq);
    if (entry ? isInMain(entry) : !(await isElsewhere(session, id, seq))) return reached;
    if (entry?.thread !== undefined) openThread.value = { id, seq: entry.thread, goal: seq };
  } catch (error) {
    const { code, message } = error as RestError;
    session.problem.value = code === 'not_found' ? MISSING : message;
  }
  return undefined;
}

async function around(session: Session, id: string, seq: number): Promise<Reached> {
  const held = session.entries(id);
  const first = held[0]?.seq ?? Number.POSITIVE_INFINITY;
  if (first <= seq) return { far: undefined };
  const before = session.far.peek();
  if (before?.id === id && before.covers(seq, held)) return { far: before };
  if (first - seq <= NEAR) {
    await session.olderUntil(id, seq, 1);
    return { far: undefined };
  }
  const page = await read(session, id, { around_seq: seq, limit: PAGE });
  const { entries, as_of, next_before_seq = 1, next_after_seq = as_of } = page;
  return {
    far: new Far(session, id, entries, Math.min(next_before_seq, seq), Math.max(next_after_seq, seq)),
  };
}

function heldAt(held: readonly Entry[], seq: number): Entry | undefined {
  return held[seq - (held[0]?.seq ?? 0)];
}

/** A message that is in no page of the conversation stands in a thread, which is opened then. */
async function isElsewhere(session: Session, id: string, seq: number): Promise<boolean> {
  const { entry } = await (await session.api()).message(id, seq);
  if (entry.thread === undefined || isInMain(entry)) return false;
  openThread.value = { id, seq: entry.thread, goal: seq };
  return true;
}
