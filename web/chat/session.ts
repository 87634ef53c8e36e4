// Everything that is shown of the conversations of whoever is signed in.

import { computed, signal } from '@preact/signals';
import { Client } from '../sdk/client';
import { RestError } from '../sdk/errors';
import type { Entry, Presence, ServerFrame, Status } from '../sdk/frames';
import type { Conversation, Member, Rest } from '../sdk/rest';
import type { Operation, State } from '../sdk/types';
import { Drafts } from './drafts';

const TYPING_MS = 6_000;

export class Session {
  readonly rest: Rest;
  readonly connection = signal<{ state: State; retryMs?: number }>({ state: 'connecting' });
  readonly conversations = signal<Map<string, Conversation>>(new Map());
  readonly open = signal<string | undefined>(undefined);
  readonly pending = signal<readonly Operation[]>([]);
  readonly presence = signal<Map<string, Omit<Presence, 'type'>>>(new Map());
  readonly typing = signal<Map<string, string>>(new Map());
  readonly problem = signal('');
  readonly names = signal<Map<string, string>>(new Map());
  /** Grows with every change of a log, so that views look again. */
  readonly changes = signal(0);
  readonly myStatus = signal('online');
  readonly drafts: Drafts;
  /** The one that was used last. */
  token: string;
  private readonly client: Client;
  private readonly fetching = new Set<string>();

  readonly list = computed(() =>
    [...this.conversations.value.values()].sort((a, b) => activity(b) - activity(a)),
  );

  constructor(
    readonly userId: string,
    readonly name: string,
    deviceId: string,
    tokens: { token: string; getToken: () => Promise<string> },
    onEnd: (reason: string) => void,
  ) {
    this.drafts = new Drafts(localStorage, userId);
    this.names.value = new Map([[userId, name || userId]]);
    const url = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`;
    this.token = tokens.token;
    const getToken = async () => {
      this.token = await tokens.getToken();
      return this.token;
    };
    const { token } = tokens;
    this.client = new Client({ url, token, getToken, deviceId, deviceType: 'web', storage: localStorage });
    this.rest = this.client.rest;
    this.client.on('state', (state, { retryMs, error }) => {
      this.connection.value = { state, retryMs };
      if (state === 'online') void this.refresh();
      if (state === 'signed-out' || state === 'replaced') onEnd(error?.message ?? '');
    });
    this.client.on('frame', (frame) => this.hear(frame));
    this.client.on('outbox', () => {
      this.pending.value = [...this.client.pending()];
    });
    this.client.on('refused', (_, error) => {
      this.problem.value = error.message;
    });
    this.pending.value = [...this.client.pending()];
    void this.client.connect();
  }

  entries(id: string): Entry[] {
    this.changes.value;
    return this.client.log(id).entries;
  }

  send(conversation: Conversation, text: string): void {
    this.problem.value = '';
    this.client.send({ conversation_id: conversation.id, content: { text } });
    this.changes.value++;
  }

  setTyping(id: string, on: boolean): void {
    this.client.typing(id, on);
  }

  setStatus(status: Status): void {
    this.myStatus.value = status;
    this.client.setStatus(status);
  }

  markRead(id: string): void {
    const conversation = this.conversations.value.get(id);
    const seq = this.client.log(id).cursor;
    if (!conversation || seq <= conversation.my_read_seq || document.visibilityState !== 'visible') return;
    this.client.read(id, seq);
    this.change(id, { my_read_seq: seq, unread: 0 });
  }

  async older(id: string): Promise<boolean> {
    const first = this.entries(id)[0]?.seq;
    if (!first || first <= 1) return false;
    const page = await this.rest.messages(id, { before_seq: first, limit: 50 });
    this.client.log(id).addOlder(page.entries);
    this.learn(page.entries);
    this.changes.value++;
    return page.more;
  }

  async start(kind: 'direct' | 'group', members: string[], title?: string): Promise<void> {
    const made = await this.rest.create(kind, members, title);
    this.put(made);
    this.open.value = made.id;
    await this.look([made]);
  }

  async reload(id: string): Promise<void> {
    if (this.fetching.has(id)) return;
    this.fetching.add(id);
    try {
      const conversation = await this.rest.conversation(id);
      this.put(conversation);
      await this.look([conversation]);
    } catch (error) {
      if (!(error instanceof RestError) || error.code !== 'not_member') return;
      const rest = new Map(this.conversations.value);
      rest.delete(id);
      this.conversations.value = rest;
      if (this.open.value === id) this.open.value = undefined;
    } finally {
      this.fetching.delete(id);
    }
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
    return this.names.value.get(user) ?? user;
  }

  /** How far all others have come: what a message of mine is marked with. */
  marks(conversation: Conversation): { delivered: number; read: number } {
    const others = conversation.members.filter((member) => member.user_id !== this.userId);
    const least = (pick: (member: Member) => number) => (others.length ? Math.min(...others.map(pick)) : 0);
    return { delivered: least((m) => m.delivered_seq), read: least((m) => m.read_seq) };
  }

  /** Another tab has renewed it. */
  useToken(token: string): void {
    this.token = token;
    this.client.setToken(token);
  }

  end(): void {
    this.client.disconnect();
  }

  private async refresh(): Promise<void> {
    try {
      const { conversations } = await this.rest.conversationPage({ limit: 100 });
      for (const conversation of conversations) this.put(conversation);
      await this.look(conversations);
    } catch {
      // The connection says so itself, and the next one asks again.
    }
  }

  /** Asks how the members are: presence tells only what changes from now on. */
  private async look(conversations: Conversation[]): Promise<void> {
    const people = new Set(conversations.flatMap((c) => c.members.map((m) => m.user_id)));
    if (people.size === 0) return;
    const { statuses } = await this.rest.presence([...people].slice(0, 200));
    const presence = new Map(this.presence.value);
    for (const status of statuses) presence.set(status.user_id, status);
    this.presence.value = presence;
  }

  private put(conversation: Conversation): void {
    this.conversations.value = new Map(this.conversations.value).set(conversation.id, conversation);
    const names = new Map(this.names.value);
    for (const member of conversation.members) if (member.name) names.set(member.user_id, member.name);
    this.names.value = names;
    if (conversation.last_entry) this.learn([conversation.last_entry]);
  }

  private change(id: string, changed: Partial<Conversation>): void {
    const conversation = this.conversations.value.get(id);
    if (conversation)
      this.conversations.value = new Map(this.conversations.value).set(id, { ...conversation, ...changed });
  }

  private learn(entries: Entry[]): void {
    const names = new Map(this.names.value);
    for (const { sender } of entries) if (sender.name) names.set(sender.id, sender.name);
    this.names.value = names;
  }

  private hear(frame: ServerFrame): void {
    switch (frame.type) {
      case 'entry':
      case 'sent':
        this.arrived(frame.conversation_id);
        break;
      case 'sync_page':
        this.learn(frame.entries);
        this.arrived(frame.conversation_id);
        break;
      case 'receipt':
        this.receipt(frame.conversation_id, frame.user_id, frame.delivered_seq, frame.read_seq);
        break;
      case 'presence':
        this.presence.value = new Map(this.presence.value).set(frame.user_id, frame);
        break;
      case 'typing':
        this.heardTyping(frame.conversation_id, frame.user_id, frame.on);
        break;
      case 'error':
        if (!frame.client_id && frame.code !== 'unavailable') this.problem.value = frame.message;
        break;
    }
  }

  private arrived(id: string): void {
    this.changes.value++;
    const last = this.client.log(id).entries.at(-1);
    const known = this.conversations.value.get(id);
    if (!known || last?.kind === 'system') {
      void this.reload(id);
      return;
    }
    if (!last) return;
    this.learn([last]);
    this.heardTyping(id, last.sender.id, false);
    const unread = this.client
      .log(id)
      .entries.filter(
        (e) => e.seq > known.my_read_seq && e.sender.id !== this.userId && e.kind !== 'system',
      ).length;
    this.change(id, { head: Math.max(known.head, last.seq), last_entry: last, unread });
    if (this.open.value === id) this.markRead(id);
  }

  private receipt(id: string, user: string, delivered: number, read: number): void {
    const conversation = this.conversations.value.get(id);
    if (!conversation) return;
    const members = conversation.members.map((member) =>
      member.user_id === user
        ? {
            ...member,
            delivered_seq: Math.max(member.delivered_seq, delivered),
            read_seq: Math.max(member.read_seq, read),
          }
        : member,
    );
    this.change(id, { members });
    if (user === this.userId && read > conversation.my_read_seq) {
      const others = this.client.log(id).entries.filter((e) => e.seq > read && e.sender.id !== user);
      this.change(id, { my_read_seq: read, unread: others.length });
    }
  }

  private heardTyping(id: string, user: string, on: boolean): void {
    const typing = new Map(this.typing.value);
    if (on) {
      typing.set(id, user);
      setTimeout(() => this.heardTyping(id, user, false), TYPING_MS);
    } else if (typing.get(id) === user) {
      typing.delete(id);
    }
    this.typing.value = typing;
  }
}

function activity(conversation: Conversation): number {
  return conversation.last_entry?.timestamp ?? conversation.created_at;
}
