// Everything that is shown of the conversations of whoever is signed in.

import { batch, type Signal, signal } from '@preact/signals';
import { Client } from '../sdk/client';
import type { Entry, Notice, Status as OwnStatus, ServerFrame } from '../sdk/frames';
import type { Conversation, Rest } from '../sdk/rest';
import type { Operation, Refused, State } from '../sdk/types';
import { Conversations } from './conversations';
import { Drafts } from './drafts';
import { Frames } from './frames';
import { lost } from './kept';
import { type Marked, markOf } from './marks';
import { People, type Status } from './people';
import { Typing } from './typing';

/** Entries of a page of history, and of one on the way to the first unread message. */
const HISTORY = 50;
const LONG_HISTORY = 200;
/** Pages of that length that are read to find the place of a reader again. */
const PLACE_PAGES = 50;
/** What operators said that is shown; more pushes out the oldest. */
const MOST_ANNOUNCEMENTS = 5;
const ENDED = 'This session was ended. Please sign in again.';

export class Session {
  readonly rest: Rest;
  readonly conversations: Conversations;
  readonly people = new People();
  readonly typing = new Typing();
  readonly drafts: Drafts;
  readonly connection = signal<{ state: State; retryMs?: number }>({ state: 'connecting' });
  /** The last attempt to connect was refused because all places for this user's devices are taken. */
  readonly hasTooManyDevices = signal(false);
  /** The conversation that is shown, or asked for by the address. */
  readonly open = signal<string | undefined>(undefined);
  readonly pending = signal<readonly Operation[]>([]);
  /** Texts that were refused for good and wait for their writer to decide. */
  readonly refused = signal<readonly Refused[]>([]);
  /** What operators said to everybody. */
  readonly announcements = signal<readonly Notice[]>([]);
  readonly problem = signal('');
  /** The one that was used last. */
  token: string;
  /** What happened to the user and cannot be seen in a conversation any more. */
  readonly notices = signal<readonly { id: string; text: string }[]>([]);
  readonly myStatus = signal<OwnStatus>('online');
  private readonly client: Client;
  private readonly frames = new Frames<ServerFrame>((together) => this.take(together));
  private readonly logs = new Map<string, Signal<number>>();
  /** What somebody reads of the open conversation, who is not at its end: what was held then, from an entry on. */
  private reading: { id: string; from: number; entries: readonly Entry[] } | undefined;
  /** A log was replaced under its reader: what was held is shown until the place is there again. */
  private held: { id: string; entries: readonly Entry[] } | undefined;
  /** Who removed this user, until the conversation is taken away. */
  private readonly removers = new Map<string, string>();

  constructor(
    readonly userId: string,
    readonly name: string,
    readonly deviceId: Promise<string>,
    tokens: { token: string; getToken: () => Promise<string | undefined> },
    onEnd: (reason: string) => void,
  ) {
    this.drafts = new Drafts(localStorage, userId);
    this.people.called(userId, name);
    const url = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`;
    this.token = tokens.token;
    const getToken = async () => {
      const token = await tokens.getToken();
      if (token) this.token = token;
      return token;
    };
    const { token } = tokens;
    this.client = new Client({ url, token, getToken, deviceId, deviceType: 'web', storage: localStorage });
    this.rest = this.client.rest;
    this.conversations = new Conversations({
      userId,
      rest: this.rest,
      people: this.people,
      entriesOf: (id) => this.client.log(id).entries,
      lost: (conversation) => this.lost(conversation),
    });
    this.client.on('state', (state, { retryMs, error }) => {
      this.connection.value = { state, retryMs };
      if (state === 'online' || state === 'too-many-devices') this.refresh();
      // It stays so while the next attempt is made.
      if (state !== 'connecting') this.hasTooManyDevices.value = state === 'too-many-devices';
      // A session that was ended by its user or an operator stays ended, whatever token there is.
      const isRevoked = error?.closeCode === 4001 && error.reason.includes('revoked');
      if (isRevoked || state === 'signed-out')
        onEnd(isRevoked ? ENDED : 'Your session has ended. Please sign in again.');
    });
    this.client.on('frame', (frame) => this.frames.add(frame));
    this.client.on('gone', (id, entry) => {
      if (entry) this.removers.set(id, entry.sender.id);
      this.conversations.remove(id);
    });
    this.client.on('reset', (id) => void this.replaced(id));
    this.client.on('status', (status) => {
      this.myStatus.value = status;
    });
    this.client.on('outbox', () => {
      this.readOutbox();
    });
    this.client.on('refused', () => this.readOutbox());
    this.client.on('notice', (notice) => {
      const others = this.announcements.value.filter(({ id }) => id !== notice.id);
      this.announcements.value = [...others, notice].slice(-MOST_ANNOUNCEMENTS);
    });
    this.readOutbox();
    void this.client.connect().catch(() => {});
  }

  /** What is held of a log, by ascending seq without gaps. Views that ask are drawn again when it changes. */
  entries(id: string): readonly Entry[] {
    this.log(id).value;
    return this.held?.id === id ? this.held.entries : this.client.log(id).entries;
  }

  /** Another number after each change of what is held of a log. */
  changes(id: string): number {
    return this.log(id).value;
  }

  /** Somebody reads from this entry on, and it stays; without one the end is read. */
  reads(id: string, from: number | undefined): void {
    // What was let go a moment ago is not told yet.
    this.keepRead(id);
    if (this.held && (from === undefined || this.held.id !== id)) this.letGo(this.held.id);
    this.reading = from === undefined ? undefined : { id, from, entries: this.client.log(id).entries };
  }

  send(conversation: Conversation, text: string): void {
    this.problem.value = '';
    this.client.send({ conversation_id: conversation.id, content: { text } });
  }

  /** Sends a refused text once more. */
  resend(clientId: string): void {
    void this.client.resend(clientId);
  }

  /** Forgets a refused text. */
  discard(clientId: string): void {
    void this.client.discard(clientId);
  }

  setTyping(id: string, on: boolean): void {
    this.client.typing(id, on);
  }

  setStatus(status: OwnStatus): void {
    this.myStatus.value = status;
    this.client.setStatus(status);
  }

  /** The user has seen the messages up to here. */
  markRead(id: string, seq: number): void {
    if (this.conversations.readUpTo(id, seq)) this.client.read(id, seq);
  }

  /** Reads history before what is held. False when there is none. */
  async older(id: string, limit = HISTORY): Promise<boolean> {
    const held = this.client.log(id).entries[0]?.seq;
    const first = held ?? (this.conversations.peek(id)?.head ?? 0) + 1;
    if (first <= 1) return false;
    const page = await this.rest.messages(id, { before_seq: first, limit });
    batch(() => {
      this.client.log(id).addOlder(page.entries);
      for (const { sender } of page.entries) this.people.called(sender.id, sender.name);
      this.log(id).value++;
    });
    return page.more && page.entries.length > 0;
  }

  /** Reads history until an entry is held, in at most so many pages. */
  async olderUntil(id: string, seq: number, pages = 5): Promise<void> {
    for (let page = 0; page < pages; page++) {
      const first = this.client.log(id).entries[0]?.seq;
      if (first !== undefined && first <= seq) return;
      if (!(await this.older(id, LONG_HISTORY))) return;
    }
  }

  async start(kind: 'direct' | 'group', members: string[], title?: string): Promise<void> {
    const made = await this.rest.create(kind, members, title);
    this.conversations.put(made);
    this.open.value = made.id;
  }

  /** Opens the conversation with one other person, which is made if there is none. */
  writeTo(user: string): void {
    this.problem.value = '';
    this.start('direct', [user]).catch((error: Error) => {
      this.problem.value = error.message;
    });
  }

  async reload(id: string): Promise<void> {
    await this.conversations.reload(id);
    await this.conversations.loadMembers(id);
  }

  title(conversation: Conversation): string {
    if (conversation.kind === 'group') return conversation.title;
    const peer = this.peer(conversation);
    return peer ? this.nameOf(peer) : this.name;
  }

  peer(conversation: Conversation): string | undefined {
    if (conversation.kind !== 'direct') return undefined;
    return conversation.members.find((member) => member.user_id !== this.userId)?.user_id;
  }

  nameOf(user: string): string {
    return this.people.name(user);
  }

  statusOf(user: string): Status {
    return this.people.status(user);
  }

  /** What the user's own messages in a conversation are marked by. */
  marked(conversation: Conversation): Marked {
    return {
      isGroup: conversation.kind === 'group',
      others: conversation.receipts === false ? undefined : this.conversations.others(conversation),
      nameOf: (user) => this.nameOf(user),
    };
  }

  mark = markOf;

  dismiss(id: string): void {
    this.notices.value = this.notices.value.filter((notice) => notice.id !== id);
  }

  dismissAnnouncement(id: string): void {
    this.announcements.value = this.announcements.value.filter((notice) => notice.id !== id);
  }

  /** Tries again now. */
  reconnect(): void {
    void this.client.connect();
  }

  /** Another tab has renewed it. */
  useToken(token: string): void {
    this.token = token;
    this.client.setToken(token);
  }

  end(): void {
    this.client.disconnect();
    this.frames.end();
    this.typing.end();
    this.conversations.end();
  }

  private readOutbox(): void {
    this.pending.value = [...this.client.pending()];
    this.refused.value = [...this.client.refused()];
  }

  /** Marks, presence and counts may have changed while nothing was told. */
  private refresh(): void {
    void this.conversations.load();
    const id = this.open.value;
    if (id) void this.conversations.loadMembers(id);
  }

  private log(id: string): Signal<number> {
    let changes = this.logs.get(id);
    if (!changes) {
      changes = signal(0);
      this.logs.set(id, changes);
    }
    return changes;
  }

  private take(frames: readonly ServerFrame[]): void {
    const arrived = new Set<string>();
    for (const frame of frames) {
      if (frame.type === 'entry' || frame.type === 'sent' || frame.type === 'sync_page')
        arrived.add(frame.conversation_id);
      this.hear(frame);
    }
    for (const id of arrived) {
      this.keepRead(id);
      this.log(id).value++;
      if (this.client.logs.has(id)) this.conversations.arrived(id);
    }
  }

  private keepRead(id: string): void {
    const { reading } = this;
    if (reading?.id !== id) return;
    const log = this.client.log(id);
    log.addOlder(lost(reading.entries, log.entries, reading.from));
    reading.entries = log.entries;
  }

  /** The server has begun a log anew, as after a restore. Whoever reads it reads on at the same entry, or at the one
   * nearest to it. */
  private async replaced(id: string): Promise<void> {
    this.conversations.restart(id);
    const { reading } = this;
    if (reading?.id !== id) return;
    const held = { id, entries: this.held?.id === id ? this.held.entries : reading.entries };
    this.held = held;
    await this.olderUntil(id, reading.from, PLACE_PAGES).catch(() => {});
    if (this.held === held) this.letGo(id);
  }

  private letGo(id: string): void {
    this.held = undefined;
    if (this.reading?.id === id) this.reading.entries = this.client.log(id).entries;
    this.log(id).value++;
  }

  private hear(frame: ServerFrame): void {
    switch (frame.type) {
      case 'welcome':
        if (frame.status) this.myStatus.value = frame.status;
        break;
      case 'entry':
        this.people.called(frame.sender.id, frame.sender.name);
        this.typing.heard(frame.conversation_id, frame.sender.id, false);
        break;
      case 'sync_page':
        for (const { sender } of frame.entries) this.people.called(sender.id, sender.name);
        break;
      case 'receipt':
        this.conversations.receipt(frame.conversation_id, frame.user_id, frame.delivered_seq, frame.read_seq);
        break;
      case 'presence':
        // One's own devices are told what was chosen, which may be invisible.
        if (frame.user_id === this.userId) this.myStatus.value = frame.status as OwnStatus;
        this.people.is(frame.user_id, frame.status);
        break;
      case 'typing':
        this.typing.heard(frame.conversation_id, frame.user_id, frame.on, frame.expires_ms);
        break;
      case 'error':
        if (!frame.client_id && frame.code !== 'unavailable') this.problem.value = frame.message;
        break;
    }
  }

  private lost(conversation: Conversation): void {
    const { id } = conversation;
    const title = this.title(conversation);
    const who = this.removers.get(id);
    this.removers.delete(id);
    if (who === this.userId) {
      if (this.open.value === id) this.open.value = undefined;
      return;
    }
    const text = who
      ? `${this.nameOf(who)} removed you from “${title}”.`
      : `You are no longer a member of “${title}”.`;
    this.notices.value = [...this.notices.value.filter((notice) => notice.id !== id), { id, text }].slice(-5);
  }
}
