// Everything of the REST API.

import { at, BasicRest } from './basic_rest';
import type { MessageState } from './fold';
import type { DeviceType, Entry, Message, Notice, Presence, Sent, Status } from './frames';
import { uuidv7 } from './ids';
import type { Values } from './own';

export type Role = 'owner' | 'admin' | 'member';

export interface Member {
  user_id: string;
  role: Role;
  delivered_seq: number;
  read_seq: number;
  /** First entry that the member may see. */
  from_seq?: number;
  name: string;
  avatar: string;
  /** In a list that was asked for with `include: 'presence'`, while presence answers. */
  presence?: UserPresence;
}

export interface Conversation {
  id: string;
  kind: 'direct' | 'group';
  title: string;
  head: number;
  created_at: number;
  member_count: number;
  my_role: Role;
  my_delivered_seq: number;
  my_read_seq: number;
  unread: number;
  /** Those of them that mention this user, counted to 100. */
  unread_mentions?: number;
  /** Members hear of each other's receipts and typing; false in large conversations. */
  receipts?: boolean;
  /** The newest entry of any kind. */
  last_entry?: Entry;
  /** The newest message, where that is another one, and one of the newest entries: see `newestMessage`. */
  last_message?: Entry;
  members: Member[];
  /** What this user set for it; missing from older servers. */
  own?: OwnOfConversation;
}

/** What a user set for a conversation. */
export interface OwnOfConversation {
  mute: Values['mute'] | null;
  archived: boolean;
  pinned: boolean;
  hidden_before?: number;
  marked_unread: boolean;
}

/** What a user set for all conversations. */
export interface OwnSettings {
  push: Values['push'] | null;
  privacy: Values['privacy'] | null;
}

/** A message that is pinned, and when and by whom. */
export interface PinnedEntry {
  entry: Entry;
  /** The entry that says so. */
  pinned_seq: number;
  pinned_at: number;
  by: string;
}

/** Messages as they are now. Those without a state were not changed, up to `as_of`. */
export interface MessagesNow {
  entries: Entry[];
  as_of: number;
  states: Record<string, MessageState>;
  next_before_seq?: number;
  next_after_seq?: number;
}

/** One message as it is now. */
export interface MessageNow {
  entry: Entry;
  as_of: number;
  state?: MessageState;
}

/** A thread that this user follows. Its entries are cut as those of lists are. */
export interface FollowedThread {
  conversation_id: string;
  /** The seq of its first message, which is absent for who came later. */
  thread: number;
  root?: Entry;
  last_reply?: Entry;
  read_seq: number;
  /** Replies of others behind that, counted to 100. */
  unread: number;
  unread_more?: boolean;
}

/** A message that mentions this user, or all members; its entry is cut as those of lists are. */
export interface Mention {
  entry: Entry;
  unread: boolean;
}

/** What a member has of a message, and since when, in Unix milliseconds, as far as that is known. */
export interface Reader {
  user_id: string;
  delivered: boolean;
  delivered_at?: number;
  read: boolean;
  read_at?: number;
}

interface ListQuery {
  limit?: number;
  after?: string;
  /** What is unread alone. */
  unread?: boolean;
}

/** What became of the messages of a range: of it, or of what is before `next_from_seq`. */
export interface Changes {
  as_of: number;
  states: Record<string, MessageState>;
  next_from_seq?: number;
}

type Nullable<T> = { [Key in keyof T]?: T[Key] | null };

export interface User {
  id: string;
  name: string;
  avatar: string;
}

/** How much of a message a push tells. */
export type PushContent = 'none' | 'sender' | 'full';

/** A device that is told of messages while it is not connected. */
export interface PushDevice {
  device_id: string;
  provider: 'web_push' | 'fcm' | 'apns' | 'webhook';
  app: string;
  locale: string;
  /** At most; what the server tells when absent. */
  content?: PushContent;
  /** When it was registered last. */
  seen_at: number;
}

export interface NewPushDevice {
  provider: PushDevice['provider'];
  /** What the provider knows the device by; of web_push give `subscription`. */
  token?: string;
  subscription?: PushSubscriptionJSON;
  app?: string;
  locale?: string;
  content?: PushContent;
}

export interface PushDevices {
  devices: PushDevice[];
  /** The providers that are on; empty where nothing is pushed. */
  providers: PushDevice['provider'][];
  /** `applicationServerKey` of browsers; absent where web_push is off. */
  web_push_key?: string;
  /** How much of a message the server tells at most. */
  content: PushContent;
}

export interface Session {
  connection_id: string;
  device_id: string;
  device_type: string;
  gateway_id: string;
  connected_at: number;
  ip: string;
  user_agent: string;
}

export interface Meta {
  version: string;
  dev_tokens: boolean;
  /** How else users of a page sign in. */
  login?: {
    oidc?: { issuer: string; client_id: string; scope: string; token: 'access' | 'id' };
    redirect_url?: string;
  };
  limits?: { content_bytes: number; frame_bytes: number; in_flight: number; text_chars: number };
}

export interface MessagePage {
  entries: Entry[];
  head: number;
  more: boolean;
}

export type UserPresence = Omit<Presence, 'type' | 'event'>;

export interface RestOptions {
  /** Where the server is, such as `https://chat.example.org`; empty: where this page came from. */
  url?: string;
  token?: string | (() => string | undefined | Promise<string | undefined>);
  /** A token was refused: answers another one, if there is one. */
  renew?: (refused: string) => Promise<string | undefined>;
  fetch?: typeof fetch;
  random?: () => number;
  /** What is for devices of another type comes without content. Without one, what is for any type does. */
  deviceType?: DeviceType;
}

export class Rest extends BasicRest {
  myStatus = () => this.get<{ status: Status; devices: number }>('/me/status');
  search = (prefix: string, limit = 8) => this.get<{ users: User[] }>('/users', { prefix, limit });
  users = async (ids: string[]) => {
    const answers = await this.byIds(ids, (some) =>
      this.get<{ users: User[] }>('/users', { ids: some.join(',') }),
    );
    return { users: answers.flatMap((answer) => answer.users) };
  };

  /** All of them, page by page. */
  conversations = (limit = 100) =>
    this.pages(
      (after) => this.conversationPage({ limit, after }),
      (page) => page.conversations,
    );
  create = (kind: 'direct' | 'group', members: string[], title?: string, clientId?: string) =>
    this.#write<Conversation>('POST', '/conversations', { kind, members, title }, clientId);
  rename = (id: string, title: string) => this.#write<Sent>('PATCH', at`/conversations/${id}`, { title });
  addMembers = (id: string, members: string[], role?: Role) =>
    this.#write<Sent>('POST', at`/conversations/${id}/members`, { members, role });
  removeMember = (id: string, user: string) =>
    this.#write<Sent>('DELETE', at`/conversations/${id}/members/${user}`);
  setRole = (id: string, user: string, role: Role) =>
    this.#write<Sent>('PATCH', at`/conversations/${id}/members/${user}`, { role });

  /** All entries after a seq, oldest first. */
  async *messagesAfter(id: string, seq = 0, limit = 100): AsyncGenerator<Entry> {
    for (;;) {
      const page = await this.messages(id, { after_seq: seq, limit });
      yield* page.entries;
      seq = page.entries.at(-1)?.seq ?? seq;
      if (!page.more || page.entries.length === 0) return;
    }
  }
  /** All entries before a seq, newest first. */
  async *messagesBefore(id: string, seq?: number, limit = 100): AsyncGenerator<Entry> {
    for (;;) {
      const page = await this.messages(id, { before_seq: seq, limit });
      yield* page.entries.toReversed();
      seq = page.entries[0]?.seq;
      if (!page.more || seq === undefined) return;
    }
  }
  /** Stores a message without a socket; a repeat under the same client id is stored once. */
  send = ({ conversation_id, to, ...message }: Message, clientId?: string) =>
    conversation_id === undefined
      ? this.#write<Sent>('POST', '/messages', { to, ...message }, clientId)
      : this.#write<Sent>('POST', at`/conversations/${conversation_id}/messages`, message, clientId);

  /** One page of messages alone, as they are now: for `Messages` of `@tidings/client/messages`. */
  messagesNow = (
    id: string,
    query: { before_seq?: number; after_seq?: number; around_seq?: number; limit?: number } = {},
  ) => this.read<MessagesNow>(at`/conversations/${id}/messages`, { ...query, view: 'messages' });
  /** What became of the messages of a range, by entries after `after_seq`. */
  changes = (id: string, query: { from_seq: number; to_seq: number; after_seq?: number; limit?: number }) =>
    this.read<Changes>(at`/conversations/${id}/messages/changes`, query);

  /** One message as it is now, also one of a thread. */
  message = (id: string, seq: number) => this.read<MessageNow>(at`/conversations/${id}/messages/${seq}`);
  /** One page of the replies in a thread, as they were written, by ascending seq. */
  replies = (
    id: string,
    thread: number,
    query: { before_seq?: number; after_seq?: number; limit?: number } = {},
  ) => this.read<MessagePage>(at`/conversations/${id}/messages`, { ...query, thread });
  /** Who has received and read a message, by user id; none where `receipts` is false: the conversation is large. */
  reads = (id: string, seq: number, query: { limit?: number; after?: string } = {}) =>
    this.get<{ receipts: boolean; members: Reader[]; next?: string }>(
      at`/conversations/${id}/messages/${seq}/reads`,
      query,
    );
  /** One page of the threads that this user follows, of all conversations: the newest reply first. */
  threads = (query: ListQuery = {}) =>
    this.read<{ threads: FollowedThread[]; next?: string }>('/threads', { ...query });
  /** One page of the messages that mention this user, of all conversations: the newest first. */
  mentions = (query: ListQuery = {}) =>
    this.read<{ mentions: Mention[]; next?: string }>('/me/mentions', { ...query });

  /** A message as it was sent, and its edits in their order. */
  history = (id: string, seq: number) =>
    this.read<{ entries: Entry[] }>(at`/conversations/${id}/messages/${seq}/history`);

  /** One page of what is pinned, newest pinned first; `next` is the `before` of the next one. */
  pins = (id: string, query: { limit?: number; before?: number } = {}) =>
    this.read<{ pins: PinnedEntry[]; next?: number }>(at`/conversations/${id}/pins`, query);
  pin = (id: string, seq: number, on = true, clientId?: string) =>
    this.#write<Sent>(on ? 'PUT' : 'DELETE', at`/conversations/${id}/pins/${seq}`, undefined, clientId);

  /** Copies a message into other conversations, at most ten. */
  forward = (id: string, seq: number, to: string[], clientId?: string) =>
    this.#write<unknown>('POST', at`/conversations/${id}/messages/${seq}/forward`, { to }, clientId);
  /** What this user set for a conversation, and for all of them. What is left out stays as it is. */
  own = (id: string) => this.get<OwnOfConversation>(at`/me/conversations/${id}`);
  setOwn = (id: string, own: Nullable<OwnOfConversation>, clientId?: string) =>
    this.#write<OwnOfConversation>('PUT', at`/me/conversations/${id}`, own, clientId);
  settings = () => this.get<OwnSettings>('/me/settings');
  setSettings = (settings: Nullable<OwnSettings>, clientId?: string) =>
    this.#write<OwnSettings>('PUT', '/me/settings', settings, clientId);

  /** The own connections and those of the own other devices. */
  sessions = () => this.get<{ sessions: Session[] }>('/sessions');
  pushDevices = () => this.get<PushDevices>('/me/push_devices');
  /** All of it each time; repeat it at each start. */
  keepPushDevice = (deviceId: string, device: NewPushDevice) =>
    this.ask<PushDevice>('PUT', at`/me/push_devices/${deviceId}`, device);
  dropPushDevice = (deviceId: string) => this.ask<void>('DELETE', at`/me/push_devices/${deviceId}`);
  endSession = (connectionId: string) => this.ask<void>('DELETE', at`/sessions/${connectionId}`);
  /** Ends all sessions of this user, this one, too. */
  endAllSessions = () => this.ask<void>('DELETE', '/sessions');
  /** For tokens with the role `admin`. */
  broadcast = (content: object, id = uuidv7()) =>
    this.ask<Pick<Notice, 'id' | 'timestamp'>>('POST', '/admin/broadcast', { id, content });

  /** With a client id, so that a repeat is stored once. */
  #write<T>(method: string, path: string, body?: object, clientId = uuidv7()): Promise<T> {
    return this.ask<T>(method, path, body, clientId);
  }
}
