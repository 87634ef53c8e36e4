// The conversations of the user who is signed in: each a signal of its own, so that a change of one draws one row.

import type { BasicRest } from '../sdk/basic_rest';
import { RestError } from '../sdk/errors';
import type { Entry } from '../sdk/frames';
import { isBlank, isListed, newestMessage } from '../sdk/kinds';
import type { Conversation, Member } from '../sdk/rest';
import type { People } from './people';
import { isMuted, type Settings } from './settings';
import { batch, computed, type Signal, signal } from './signals';
import { type Counted, grown, read } from './unread';

/** Conversations that are asked for one by one; of more the whole list is. */
const ONE_BY_ONE = 3;
/** What is to be asked for is collected so long. */
const COLLECT_MS = 40;
/** What got no answer, however often REST asked, is asked for again so much later. */
const AGAIN_MS = 10_000;
/** Pages of a list; ends a walk that does not end. */
const MOST_PAGES = 1_000;
/** Entries that are looked at for a message that is not blank. */
const LOOKED_AT = 200;

/** A conversation of the list. `last_message` is the newest one that can be shown. */
export interface Listed extends Conversation {
  /** What the list is ordered by: the time of the newest message, or of the entry by which the user came in. */
  active_at: number;
}

export interface Owner {
  userId: string;
  rest: BasicRest;
  people: People;
  /** What this device holds of a log, without gaps. */
  entriesOf: (id: string) => readonly Entry[];
  /** These are to be emptied at their time. */
  expire: (entries: readonly Entry[]) => void;
  /** The user is no member any more. */
  lost: (conversation: Conversation) => void;
  /** What the user has set for it. A view that reads it is drawn again when that changes. */
  settings: (conversation: Conversation) => Settings;
}

export class Conversations {
  /** The whole list was read at least once. */
  readonly isLoaded = signal(false);
  /** All members of the conversation that is open, where the conversation itself names some only. */
  readonly members = signal<{ id: string; members: readonly Member[] } | undefined>(undefined);
  private readonly rows = new Map<string, Signal<Listed | undefined>>();
  private readonly version = signal(0);
  private readonly wanted = new Set<string>();
  /** Members of whom it was not told how they are. */
  private readonly strangers = new Set<string>();
  /** Whose count could not be said after something was read. */
  private readonly uncertain = new Set<string>();
  /** Whose log was replaced: what was read of the one before means nothing. */
  private readonly restarted = new Set<string>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private isLoading = false;
  private isStale = false;
  private hasEnded = false;
  private sorted: readonly string[] = [];

  /** Whether those that are archived are listed, or the others. */
  readonly listsArchived = signal(false);

  /** Ids of those that are listed: pinned ones, then the most recently active first. */
  readonly order = computed(() => {
    this.version.value;
    const listsArchived = this.listsArchived.value;
    const rows = this.all().map((it) => ({ id: it.id, active_at: it.active_at, ...this.owner.settings(it) }));
    const listed = rows.filter((it) => !it.isHidden && it.isArchived === listsArchived);
    const all = listed.sort((a, b) => Number(b.isPinned) - Number(a.isPinned) || b.active_at - a.active_at);
    const isSame = all.length === this.sorted.length && all.every((it, at) => it.id === this.sorted[at]);
    if (!isSame) this.sorted = all.map((it) => it.id);
    return this.sorted;
  });

  /** How many are archived. */
  readonly archived = computed(() => {
    this.version.value;
    const shown = this.all().map((it) => this.owner.settings(it));
    return shown.filter((it) => it.isArchived && !it.isHidden).length;
  });

  /** Unread messages of all of them but those that are muted or archived, which want no attention. */
  readonly unread = computed(() => {
    this.version.value;
    const quiet = (it: Listed) => {
      const { isArchived, mute } = this.owner.settings(it);
      return isArchived || isMuted(mute);
    };
    return this.all().reduce((sum, it) => sum + (it.unread > 0 && !quiet(it) ? it.unread : 0), 0);
  });

  constructor(private readonly owner: Owner) {}

  get(id: string): Listed | undefined {
    return this.row(id).value;
  }

  peek(id: string): Listed | undefined {
    return this.rows.get(id)?.peek();
  }

  /** All others, as far as all are known. */
  others(conversation: Conversation): readonly Member[] | undefined {
    const all = this.members.value;
    const members = all?.id === conversation.id ? all.members : conversation.members;
    if (members.length < conversation.member_count) return undefined;
    return members.filter((member) => member.user_id !== this.owner.userId);
  }

  /** The newest ones, to be shown while there is no connection yet. */
  async begin(): Promise<void> {
    const page = await this.page().catch(() => undefined);
    if (!page || this.hasEnded || this.isLoaded.peek()) return;
    this.putAll(page.conversations);
  }

  /** Reads the whole list, page by page; what it does not name any more is gone. */
  async load(): Promise<void> {
    if (this.isLoading) {
      this.isStale = true;
      return;
    }
    this.isLoading = true;
    const before = new Set(this.all().map((it) => it.id));
    try {
      let after: string | undefined;
      let activeAt: number | undefined;
      for (let pages = 0; pages < MOST_PAGES; pages++) {
        const page = await this.page(after);
        if (this.hasEnded) return;
        for (const { id } of page.conversations) before.delete(id);
        activeAt = this.putAll(page.conversations, activeAt);
        after = page.next;
        if (!after) break;
      }
      // Those that are hidden are in no list of the server's.
      for (const id of before) {
        const known = this.peek(id);
        if (known && !this.owner.settings(known).isHidden) this.want(id);
      }
      this.isLoaded.value = true;
    } catch {
      this.later(() => void this.load());
    } finally {
      this.isLoading = false;
      if (this.isStale) {
        this.isStale = false;
        void this.load();
      }
    }
  }

  private page(after?: string) {
    return this.owner.rest.conversationPage({ limit: 100, after, include: 'presence' });
  }

  /** In the order of the list: where the newest message is too far back to be told, the one before says when it was at
   * the latest. Answers when the last one was active. */
  private putAll(conversations: readonly Conversation[], activeAt?: number): number | undefined {
    batch(() => {
      for (const conversation of conversations) {
        this.put(conversation, activeAt);
        activeAt = newestMessage(conversation)?.timestamp ?? activeAt;
      }
    });
    return activeAt;
  }

  /** Asks for one of them, together with others that are wanted at the same time. */
  want(id: string): void {
    this.wanted.add(id);
    this.timer ??= setTimeout(() => void this.askWanted(), COLLECT_MS);
  }

  async reload(id: string): Promise<void> {
    try {
      this.put(await this.owner.rest.conversation(id));
    } catch (error) {
      if (!(error instanceof RestError)) throw error;
      if (['not_member', 'not_found'].includes(error.code)) this.remove(id);
      else this.later(() => this.want(id));
    }
  }

  async loadMembers(id: string): Promise<void> {
    const conversation = this.peek(id);
    if (!conversation || conversation.receipts === false) return;
    if (conversation.members.length >= conversation.member_count) return;
    const members: Member[] = [];
    try {
      for await (const member of this.owner.rest.members(id)) members.push(member);
    } catch {
      // Messages stay marked as sent until the members are known.
      return;
    }
    batch(() => {
      for (const member of members) this.owner.people.called(member.user_id, member.name);
      this.members.value = { id, members };
    });
    for (const { user_id } of members) if (!this.owner.people.knows(user_id)) this.meet(user_id);
  }

  /** The server's word, to which is added what happened since it was said. `before`: when the one before it in the list
   * was active. */
  put(answer: Conversation, before?: number): void {
    const { userId, people } = this.owner;
    const known = this.restarted.delete(answer.id) ? undefined : this.peek(answer.id);
    for (const member of answer.members) {
      people.called(member.user_id, member.name);
      if (member.presence) people.is(member.user_id, member.presence.status);
      else if (!people.knows(member.user_id)) this.meet(member.user_id);
    }
    const told = newestMessage(answer);
    if (told) {
      people.called(told.sender.id, told.sender.name);
      // By another clock than the server's it may be over already: nobody is told, and asks again.
      if (told.expires_at && told.expires_at <= Date.now()) told.content = {};
      else this.owner.expire([told]);
    }
    const entries = this.owner.entriesOf(answer.id);
    const newest = entries.at(-1);
    const seq = known?.my_read_seq ?? 0;
    let counted: Counted | undefined = answer;
    counted = read(counted, seq, entries, userId);
    if (counted) this.uncertain.delete(answer.id);
    else this.uncertain.add(answer.id);
    // Not more than there are entries, until the server has heard of what was read.
    counted ??= {
      head: answer.head,
      my_read_seq: seq,
      unread: Math.min(answer.unread, answer.head - seq),
    };
    counted = grown(counted, newest?.seq ?? 0, entries, userId) ?? counted;
    const { head, my_read_seq, unread } = counted;
    const message = edited(after(entries, answer.head).findLast(isListed) ?? told, entries);
    const last_message = shownOf(message, entries);
    const entered = answer.last_entry?.timestamp ?? answer.created_at;
    const active_at = message?.timestamp ?? known?.active_at ?? Math.min(before ?? entered, entered);
    const members = known ? answer.members.map((it) => furthest(it, known.members)) : answer.members;
    this.wanted.delete(answer.id);
    this.set({ ...answer, head, my_read_seq, unread, members, last_message, active_at });
  }

  /** Entries were added to a log. */
  arrived(id: string): void {
    const known = this.peek(id);
    const entries = this.owner.entriesOf(id);
    const last = entries.at(-1);
    if (!known) {
      this.want(id);
      return;
    }
    if (!last || last.seq <= known.head) return;
    const counted = grown(known, last.seq, entries, this.owner.userId);
    const fresh = after(entries, known.head);
    const message = fresh.findLast(isListed);
    this.set({
      ...known,
      ...pick(counted ?? { ...known, head: last.seq }),
      last_message: edited(shownOf(message, entries) ?? known.last_message, fresh),
      active_at: message?.timestamp ?? known.active_at,
    });
    if (!counted || fresh.some((entry) => entry.kind === 'system')) this.want(id);
  }

  /** The content of entries is gone: what was unread may be so no more, and another message be the newest. */
  expired(id: string): void {
    const known = this.peek(id);
    if (known && (known.unread > 0 || (known.last_message && isBlank(known.last_message)))) this.want(id);
  }

  /** The log was replaced by another one: the server is asked how far it goes and was read. */
  restart(id: string): void {
    this.restarted.add(id);
    this.uncertain.delete(id);
    this.want(id);
  }

  /** This user has read up to here. False when that was known. */
  readUpTo(id: string, seq: number): boolean {
    const known = this.peek(id);
    if (!known || seq <= known.my_read_seq) return false;
    const counted = read(known, seq, this.owner.entriesOf(id), this.owner.userId);
    if (!counted) this.uncertain.add(id);
    this.set({ ...known, ...pick(counted ?? { ...known, my_read_seq: seq }) });
    return true;
  }

  /** How far a member has come, as the server tells it. */
  receipt(id: string, user: string, delivered: number, readSeq: number): void {
    const known = this.peek(id);
    if (!known) return;
    if (user === this.owner.userId) {
      this.readUpTo(id, readSeq);
      // The server has heard it by now, and counts from there.
      if (this.uncertain.has(id)) this.want(id);
      return;
    }
    const current = this.peek(id);
    const members = current && moved(current.members, user, delivered, readSeq);
    if (current && members) this.set({ ...current, members });
    const all = this.members.peek();
    const allMoved = all?.id === id && moved(all.members, user, delivered, readSeq);
    if (allMoved) this.members.value = { id, members: allMoved };
  }

  /** The user is no member any more. */
  remove(id: string): void {
    this.wanted.delete(id);
    const known = this.peek(id);
    if (!known) return;
    this.row(id).value = undefined;
    this.version.value++;
    this.owner.lost(known);
  }

  end(): void {
    this.hasEnded = true;
    clearTimeout(this.timer);
  }

  private all(): Listed[] {
    return [...this.rows.values()].flatMap((row) => row.peek() ?? []);
  }

  private row(id: string): Signal<Listed | undefined> {
    let row = this.rows.get(id);
    if (!row) {
      row = signal(undefined);
      this.rows.set(id, row);
    }
    return row;
  }

  private set(conversation: Listed): void {
    this.row(conversation.id).value = conversation;
    this.version.value++;
  }

  private async askWanted(): Promise<void> {
    this.timer = undefined;
    // The list that is being read answers for them, or they are asked for behind it.
    if (this.isLoading) {
      this.timer = setTimeout(() => void this.askWanted(), COLLECT_MS * 5);
      return;
    }
    const ids = [...this.wanted];
    this.wanted.clear();
    if (ids.length > ONE_BY_ONE) await this.load();
    else await Promise.all(ids.map((id) => this.reload(id)));
  }

  /** Presence tells only what changes from now on: how somebody is now has to be asked. */
  private meet(user: string): void {
    if (this.strangers.size === 0) setTimeout(() => void this.askStatuses(), COLLECT_MS);
    this.strangers.add(user);
  }

  private async askStatuses(): Promise<void> {
    const users = [...this.strangers];
    this.strangers.clear();
    if (this.hasEnded) return;
    const { statuses } = await this.owner.rest.presence(users).catch(() => ({ statuses: [] }));
    batch(() => {
      for (const { user_id, status } of statuses) this.owner.people.is(user_id, status);
    });
  }

  private later(ask: () => void): void {
    if (!this.hasEnded) setTimeout(() => !this.hasEnded && ask(), AGAIN_MS);
  }
}

/** What is held after an entry. */
function after(entries: readonly Entry[], seq: number): readonly Entry[] {
  return entries.slice(Math.max(0, seq + 1 - (entries[0]?.seq ?? 0)));
}

/** A message, or where it is blank the one before it, as far as that is held. */
function shownOf(message: Entry | undefined, entries: readonly Entry[]): Entry | undefined {
  if (!message || !isBlank(message)) return message;
  return entries.slice(-LOOKED_AT).findLast((entry) => isListed(entry) && !isBlank(entry));
}

/** A message as it was edited last, as far as that is held. */
function edited(message: Entry | undefined, entries: readonly Entry[]): Entry | undefined {
  const seq = message?.seq ?? 0;
  const edit = after(entries, seq).findLast(({ kind, target }) => kind === 'edit' && target === seq);
  return message && edit?.content.content ? { ...message, content: edit.content.content } : message;
}

function pick({ head, my_read_seq, unread }: Counted): Counted {
  return { head, my_read_seq, unread };
}

/** The members after one of them has come further; undefined where nothing has changed. */
function moved(members: readonly Member[], user: string, delivered: number, readSeq: number) {
  const at = members.findIndex((member) => member.user_id === user);
  const member = members[at];
  if (!member || (member.delivered_seq >= delivered && member.read_seq >= readSeq)) return undefined;
  return members.with(at, furthest(member, [{ ...member, delivered_seq: delivered, read_seq: readSeq }]));
}

/** Cursors never go back. */
function furthest(member: Member, known: readonly Member[]): Member {
  const other = known.find((it) => it.user_id === member.user_id);
  if (!other) return member;
  return {
    ...member,
    delivered_seq: Math.max(member.delivered_seq, other.delivered_seq),
    read_seq: Math.max(member.read_seq, other.read_seq),
  };
}
