// Everything that is shown of the conversations of the user who is signed in.

import { BasicRest } from '../sdk/basic_rest';
import type { Client } from '../sdk/client';
import type { Entry, Message, Status as OwnStatus, ServerFrame } from '../sdk/frames';
import { isMessage } from '../sdk/kinds';
import type { Conversation, Member, PinnedEntry, Rest } from '../sdk/rest';
import { Tokens } from '../sdk/token';
import type { Operation, ReactOperation, Refused, State } from '../sdk/types';
import type { Announcement } from './announced';
import { Conversations } from './conversations';
import { Drafts } from './drafts';
import type { Far } from './far';
import { Frames } from './frames';
import { lost } from './kept';
import { type Marked, markOf } from './marks';
import { People, type Status } from './people';
import { OwnSettings } from './settings';
import { batch, type Signal, signal } from './signals';
import { Typing } from './typing';

/** Entries of a page of history, and of one on the way to the first unread message. */
const HISTORY = 50;
const LONG_HISTORY = 200;
/** Pages of that length that are read to find the place of a reader again. */
const PLACE_PAGES = 50;
/** What operators said that is shown; more pushes out the oldest. */
const MOST_ANNOUNCEMENTS = 5;
const DEVICE_TYPE = 'web';
const ENDED = 'This session was ended. Please sign in again.';
const LACKING = 'This server cannot do that.';
/** Own reactions that are remembered where no entry tells of them. */
const MOST_REACTED = 500;
/** Code that did not come is asked for again so much later. */
const AGAIN_MS = 3_000;

type Code = typeof import('./client');

export interface Goal {
  id: string;
  seq: number;
  /** It stands in this thread alone. */
  thread?: number;
}

/** An own reaction that no entry tells of. */
interface Reacted extends Pick<ReactOperation, 'conversation_id' | 'seq' | 'key' | 'on'> {
  /** The first is 1. */
  at: number;
  /** It is not counted yet. */
  isNew: boolean;
}

export class Session {
  readonly rest: BasicRest;
  readonly conversations: Conversations;
  readonly people = new People();
  readonly typing = new Typing();
  readonly drafts: Drafts;
  readonly settings = new OwnSettings();
  readonly connection = signal<{ state: State; retryMs?: number }>({ state: 'connecting' });
  /** The last attempt to connect was refused because all places for this user's devices are taken. */
  readonly hasTooManyDevices = signal(false);
  /** The conversation that is shown, or asked for by the address. */
  readonly open = signal<string | undefined>(undefined);
  /** What is pinned in it, newest first, as soon as that is known. */
  readonly pins = signal<readonly PinnedEntry[]>([]);
  /** A message that somebody wants to see: the conversation that it stands in is opened at it. */
  readonly goal = signal<Goal | undefined>(undefined);
  /** What is shown of the open conversation in the place of its log, far from the end. */
  readonly far = signal<Far | undefined>(undefined);
  /** Another number after the content of some entries is gone. */
  readonly blanked = signal(0);
  /** The newest last. */
  readonly reacted: Reacted[] = [];
  readonly pending = signal<readonly Operation[]>([]);
  /** Texts that were refused for good and wait for their writer to decide. */
  readonly refused = signal<readonly Refused[]>([]);
  /** What operators said, to everybody or to this user. */
  readonly announcements = signal<readonly Announcement[]>([]);
  readonly problem = signal('');
  /** The one that was used last. */
  token: string;
  /** What happened to the user and cannot be seen in a conversation any more. */
  readonly notices = signal<readonly { id: string; text: string }[]>([]);
  readonly myStatus = signal<OwnStatus>('online');
  /** What is written can be kept from now on. */
  readonly hasClient = signal(false);
  /** Comes after the list and the open conversation can be read, which REST gives meanwhile. */
  private client: Client | undefined;
  /** What is to be done when it is there. */
  private readonly planned: ((client: Client) => void)[] = [];
  private hasEnded = false;
  /** The newest of the open conversation, until the client holds it. */
  private early: { id: string; entries: readonly Entry[] } | undefined;
  private readonly tokens: Tokens;
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
    this.token = tokens.token;
    const getToken = async () => {
      const token = await tokens.getToken();
      if (token) this.token = token;
      return token;
    };
    this.tokens = new Tokens({ token: tokens.token, getToken });
    this.rest = new BasicRest({
      token: () => this.tokens.take(),
      renew: (refused) => this.renew(refused),
      deviceType: DEVICE_TYPE,
    });
    this.conversations = new Conversations({
      userId,
      rest: this.rest,
      people: this.people,
      entriesOf: (id) => this.known(id),
      expire: (entries) => this.expire(entries),
      lost: (conversation) => this.lost(conversation),
      settings: (conversation) => this.settings.of(conversation),
    });
    void this.conversations.begin();
    void this.connect(getToken, onEnd);
  }

  /** Loads what holds the connection, and connects. */
  private async connect(
    getToken: () => Promise<string | undefined>,
    onEnd: (reason: string) => void,
  ): Promise<void> {
    const load = () => import('./client').catch(() => undefined);
    let code = await load();
    while (!code && !this.hasEnded) {
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      code = await load();
    }
    if (!code || this.hasEnded) return;
    const { deviceId, token } = this;
    const url = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`;
    const storage = localStorage;
    const notices = code.noticesOf(
      this.userId,
      (shown) => this.announce(shown),
      (standing) => this.stand(standing),
      (done) => this.unannounce(done),
    );
    const client = new code.Client({
      url,
      token,
      getToken,
      deviceId,
      deviceType: DEVICE_TYPE,
      storage,
      notices,
    });
    this.client = client;
    this.drafts.follow(
      client,
      this.settings.follow(client, code, () => this.drafts.heard()),
    );
    this.listen(client, code, onEnd);
    this.readOutbox();
    for (const act of this.planned) act(client);
    this.hasClient.value = true;
    void client.connect().catch(() => {});
  }

  private listen(client: Client, code: Code, onEnd: (reason: string) => void): void {
    client.on('state', (state, { retryMs, error }) => {
      this.connection.value = { state, retryMs };
      if (state === 'online' || state === 'too-many-devices') this.refresh();
      // It stays so while the next attempt is made.
      if (state !== 'connecting') this.hasTooManyDevices.value = state === 'too-many-devices';
      // A session that was ended by its user or an operator stays ended, whatever token there is.
      const isRevoked = error?.closeCode === 4001 && error.reason.includes('revoked');
      if (isRevoked || state === 'signed-out')
        onEnd(isRevoked ? ENDED : 'Your session has ended. Please sign in again.');
    });
    client.on('frame', (frame) => this.frames.add(frame));
    client.on('gone', (id, entry) => {
      if (entry) this.removers.set(id, entry.sender.id);
      this.conversations.remove(id);
    });
    client.on('reset', (id) => {
      if (id !== client.selfLog) void this.replaced(id);
    });
    client.on('status', (status) => {
      this.myStatus.value = status;
    });
    client.on('outbox', () => {
      this.readOutbox();
    });
    client.on('refused', ({ type }, { code, message }) => {
      // A text stays, and says so itself.
      if (type) this.problem.value = code === 'unknown_type' ? LACKING : message;
      this.readOutbox();
    });
    client.on('reacted', (operation, { tallied = false }) => {
      const at = (this.reacted.at(-1)?.at ?? 0) + 1;
      this.reacted.push({ ...operation, at, isNew: tallied });
      if (this.reacted.length > MOST_REACTED) this.reacted.shift();
      this.log(operation.conversation_id).value++;
    });
    client.on('expired', (entries) =>
      batch(() => {
        this.blanked.value++;
        for (const id of new Set(entries.map((entry) => entry.conversation_id))) {
          this.log(id).value++;
          this.conversations.expired(id);
        }
      }),
    );
    client.on('notice', (notice) => {
      this.announce(code.ofBroadcast(notice));
    });
  }

  /** All of REST, as soon as there is a client. */
  api(): Promise<Rest> {
    return new Promise((resolve) => this.plan((client) => resolve(client.rest)));
  }

  /** Of what came over REST. */
  private expire(entries: readonly Entry[]): void {
    if (entries.some((entry) => entry.expires_at)) this.plan((client) => client.expire(entries));
  }

  /** Now, or as soon as there is a client. */
  plan(act: (client: Client) => void): void {
    if (this.client) act(this.client);
    else this.planned.push(act);
  }

  /** A request was refused: another token, for the connection, too. */
  private async renew(refused: string): Promise<string | undefined> {
    const token = await this.tokens.renewFor(refused);
    if (token) this.client?.setToken(token);
    return token;
  }

  private known(id: string): readonly Entry[] {
    return this.early?.id === id ? this.early.entries : (this.client?.log(id).entries ?? []);
  }

  /** What is held of a log, by ascending seq without gaps. Views that ask are drawn again when it changes. */
  entries(id: string): readonly Entry[] {
    this.log(id).value;
    return this.held?.id === id ? this.held.entries : this.known(id);
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
    this.reading = from === undefined ? undefined : { id, from, entries: this.known(id) };
  }

  send(
    conversation: Conversation,
    message: Pick<Message, 'content' | 'mentions' | 'mention_all' | 'reply_to' | 'thread'>,
  ): void {
    this.problem.value = '';
    this.client?.send({ conversation_id: conversation.id, ...message });
  }

  pin(id: string, seq: number, on: boolean): void {
    this.problem.value = '';
    this.client?.pin(id, seq, on);
  }

  /** Sends a refused text once more. */
  resend(clientId: string): void {
    this.client?.resend(clientId);
  }

  /** Forgets a refused text. */
  discard(clientId: string): void {
    this.client?.discard(clientId);
  }

  setTyping(id: string, on: boolean): void {
    this.client?.typing(id, on);
  }

  setStatus(status: OwnStatus): void {
    this.myStatus.value = status;
    this.plan((client) => client.setStatus(status));
  }

  /** The user has seen the messages up to here. */
  markRead(id: string, seq: number): void {
    if (this.conversations.readUpTo(id, seq)) this.plan((client) => client.read(id, seq));
  }

  /** The user looks at a conversation that may be marked as unread. */
  look(id: string): void {
    const conversation = this.conversations.peek(id);
    if (conversation && this.settings.peek(conversation).isMarkedUnread)
      this.settings.set(id, 'marked_unread', false);
  }

  /** Opens a conversation at one of its messages. */
  lead(id: string, seq: number, thread?: number): void {
    batch(() => {
      this.open.value = id;
      this.goal.value = { id, seq, thread };
    });
  }

  /** These have come over REST. */
  met(entries: readonly Entry[]): void {
    this.expire(entries);
    for (const { sender } of entries) this.people.called(sender.id, sender.name);
  }

  /** Reads history before what is held. False when there is none. */
  async older(id: string, limit = HISTORY): Promise<boolean> {
    const held = this.known(id)[0]?.seq;
    const first = held ?? (this.conversations.peek(id)?.head ?? 0) + 1;
    if (first <= 1) return false;
    const page = await this.rest.messages(id, { before_seq: first, limit });
    batch(() => {
      this.met(page.entries);
      this.addOlder(id, page.entries);
      this.log(id).value++;
    });
    return page.more && page.entries.length > 0;
  }

  /** Reads history until an entry is held, in at most so many pages. */
  async olderUntil(id: string, seq: number, pages = 5): Promise<void> {
    for (let page = 0; page < pages; page++) {
      const first = this.known(id)[0]?.seq;
      if (first !== undefined && first <= seq) return;
      if (!(await this.older(id, LONG_HISTORY))) return;
    }
  }

  async start(kind: 'direct' | 'group', members: string[], title?: string): Promise<void> {
    const made = await (await this.api()).create(kind, members, title);
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

  /** All that are known: of a large conversation some only. */
  membersOf(conversation: Conversation): readonly Member[] {
    const all = this.conversations.members.value;
    return all?.id === conversation.id ? all.members : conversation.members;
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

  private announce(notice: Announcement): void {
    const others = this.announcements.value.filter(({ id }) => id !== notice.id);
    this.announcements.value = [...others, notice].slice(-MOST_ANNOUNCEMENTS);
  }

  private unannounce(id: string): void {
    this.announcements.value = this.announcements.value.filter((notice) => notice.id !== id);
  }

  /** Those that are kept and stand no more are shown no more. */
  private stand(ids: ReadonlySet<string>): void {
    const { value } = this.announcements;
    const left = value.filter(({ id, isKept }) => !isKept || ids.has(id));
    if (left.length < value.length) this.announcements.value = left;
  }

  /** The user has put it away, or followed what it offers. */
  dismissAnnouncement(id: string, how: 'dismissed' | 'clicked' = 'dismissed'): void {
    const found = this.announcements.value.find((notice) => notice.id === id);
    this.unannounce(id);
    // Told once: what is not heard of it is shown again by no device, either.
    if (found?.isKept)
      void this.rest.ask('POST', `/notices/${encodeURIComponent(id)}/${how}`).catch(() => {});
  }

  /** Tries again now. */
  reconnect(): void {
    void this.client?.connect();
  }

  /** Another tab has renewed it. */
  useToken(token: string): void {
    this.token = token;
    this.tokens.set(token);
    this.client?.setToken(token);
  }

  end(): void {
    this.hasEnded = true;
    this.client?.disconnect();
    this.frames.end();
    this.typing.end();
    this.drafts.end();
    this.conversations.end();
  }

  private readOutbox(): void {
    this.pending.value = [...(this.client?.pending() ?? [])];
    this.refused.value = [...(this.client?.refused() ?? [])];
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
      const isOfLog = frame.type === 'entry' || frame.type === 'sent' || frame.type === 'sync_page';
      // What the user sets is no conversation to show.
      if (isOfLog && frame.conversation_id !== this.client?.selfLog) arrived.add(frame.conversation_id);
      this.hear(frame);
    }
    for (const id of arrived) {
      this.joinEarly(id);
      this.keepRead(id);
      this.log(id).value++;
      if (this.client?.logs.has(id)) this.conversations.arrived(id);
    }
  }

  private addOlder(id: string, entries: readonly Entry[]): void {
    this.joinEarly(id);
    const log = this.client?.log(id);
    // The client holds nothing of it yet: the first page of a sync may come at any time.
    if (!log || log.entries.length === 0)
      this.early = { id, entries: this.early?.id === id ? [...entries, ...this.early.entries] : entries };
    else log.addOlder([...entries]);
  }

  /** What was read over REST goes before what the client holds, as far as that goes on from it. */
  private joinEarly(id: string): void {
    const { early } = this;
    const log = this.client?.log(id);
    if (early?.id !== id || !log || log.entries.length === 0) return;
    log.addOlder([...early.entries]);
    this.early = undefined;
  }

  private keepRead(id: string): void {
    const { reading } = this;
    const log = this.client?.log(id);
    if (reading?.id !== id || !log) return;
    log.addOlder(lost(reading.entries, log.entries, reading.from));
    reading.entries = log.entries;
  }

  /** The server has begun a log anew, as after a restore. A reader goes on at the same entry, or at the one
   * nearest to it. */
  private async replaced(id: string): Promise<void> {
    this.conversations.restart(id);
    if (this.far.peek()?.id === id) this.far.value = undefined;
    const { reading } = this;
    if (reading?.id !== id) return;
    const held = { id, entries: this.held?.id === id ? this.held.entries : reading.entries };
    this.held = held;
    await this.olderUntil(id, reading.from, PLACE_PAGES).catch(() => {});
    if (this.held === held) this.letGo(id);
  }

  private letGo(id: string): void {
    this.held = undefined;
    if (this.reading?.id === id) this.reading.entries = this.known(id);
    this.log(id).value++;
  }

  private hear(frame: ServerFrame): void {
    switch (frame.type) {
      case 'welcome':
        if (frame.status) this.myStatus.value = frame.status;
        break;
      case 'entry':
        this.people.called(frame.sender.id, frame.sender.name);
        if (isMessage(frame)) this.typing.heard(frame.conversation_id, frame.sender.id, false);
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
