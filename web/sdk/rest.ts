// Questions and changes over REST. One place asks again, renews the token and makes errors.

import { RestError } from './errors';
import type { Entry, Message, Notice, Presence, Sent, Status } from './frames';
import { uuidv7 } from './ids';

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
  /** Members hear of each other's receipts and typing; false in large conversations. */
  receipts?: boolean;
  last_entry?: Entry;
  members: Member[];
}

export interface User {
  id: string;
  name: string;
  avatar: string;
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
}

type Query = Record<string, string | number | undefined>;

/** The most ids that one question names. */
const IDS_AT_ONCE = 200;
/** Attempts at a request that the server has no time for, or that gets no answer. */
const ATTEMPTS = 4;
const FIRST_RETRY_MS = 400;
const LONGEST_RETRY_MS = 10_000;
const ANSWER_MS = 30_000;

export class Rest {
  readonly #options: RestOptions;

  constructor(options: RestOptions = {}) {
    this.#options = options;
  }

  meta = () => this.#get<Meta>('/meta');
  me = () => this.#get<User>('/me');
  myStatus = () => this.#get<{ status: Status; devices: number }>('/me/status');
  devToken = (user: string, name?: string) =>
    this.ask<{ token: string; expires_at: number }>('POST', '/dev/token', { user, name });

  /** One page, newest activity first. */
  conversationPage = (query: { limit?: number; after?: string; include?: 'presence' } = {}) =>
    this.#get<{ conversations: Conversation[]; next?: string }>('/conversations', query);
  /** All of them, page by page. */
  conversations = (limit = 100) =>
    this.pages(
      (after) => this.conversationPage({ limit, after }),
      (page) => page.conversations,
    );
  conversation = (id: string) => this.#get<Conversation>(at`/conversations/${id}`);
  create = (kind: 'direct' | 'group', members: string[], title?: string, clientId?: string) =>
    this.#write<Conversation>('POST', '/conversations', { kind, members, title }, clientId);
  rename = (id: string, title: string) => this.#write<Sent>('PATCH', at`/conversations/${id}`, { title });

  memberPage = (id: string, query: { limit?: number; after?: string } = {}) =>
    this.#get<{ members: Member[]; next?: string }>(at`/conversations/${id}/members`, query);
  members = (id: string, limit = 1000) =>
    this.pages(
      (after) => this.memberPage(id, { limit, after }),
      (page) => page.members,
    );
  addMembers = (id: string, members: string[], role?: Role) =>
    this.#write<Sent>('POST', at`/conversations/${id}/members`, { members, role });
  removeMember = (id: string, user: string) =>
    this.#write<Sent>('DELETE', at`/conversations/${id}/members/${user}`);
  setRole = (id: string, user: string, role: Role) =>
    this.#write<Sent>('PATCH', at`/conversations/${id}/members/${user}`, { role });

  /** One page of a log, by ascending seq. */
  messages = (id: string, query: { before_seq?: number; after_seq?: number; limit?: number } = {}) =>
    this.#get<MessagePage>(at`/conversations/${id}/messages`, query);
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

  search = (prefix: string, limit = 8) => this.#get<{ users: User[] }>('/users', { prefix, limit });
  users = (ids: string[]) =>
    this.#byIds(ids, (some) => this.#get<{ users: User[] }>('/users', { ids: some.join(',') })).then(
      (answers) => ({ users: answers.flatMap((answer) => answer.users) }),
    );
  presence = (ids: string[]) =>
    this.#byIds(ids, (some) =>
      this.ask<{ statuses: UserPresence[] }>('POST', '/presence', { ids: some }),
    ).then((answers) => ({ statuses: answers.flatMap((answer) => answer.statuses) }));

  /** The own connections and those of the own other devices. */
  sessions = () => this.#get<{ sessions: Session[] }>('/sessions');
  endSession = (connectionId: string) => this.ask<void>('DELETE', at`/sessions/${connectionId}`);
  endDevice = (deviceId: string) => this.ask<void>('DELETE', `/sessions${search({ device_id: deviceId })}`);
  /** Ends all sessions of this user, this one, too. */
  endAllSessions = () => this.ask<void>('DELETE', '/sessions');
  /** For tokens with the role `admin`. */
  broadcast = (content: object, id?: string) =>
    this.ask<Pick<Notice, 'id' | 'timestamp'>>('POST', '/admin/broadcast', { id: id ?? uuidv7(), content });

  /** All items of a list that comes in pages. */
  async *pages<Page extends { next?: string | null }, Item>(
    ask: (after: string | undefined) => Promise<Page>,
    items: (page: Page) => Item[],
  ): AsyncGenerator<Item> {
    let after: string | undefined;
    do {
      const page = await ask(after);
      yield* items(page);
      after = page.next ?? undefined;
    } while (after !== undefined);
  }

  /** Any other request of the API. `path` begins behind `/api/v1`. Safe to repeat, or it names a client id. */
  async ask<T>(method: string, path: string, body?: unknown, key?: string): Promise<T> {
    let isRenewed = false;
    for (let attempt = 0; ; attempt++) {
      const token = await this.#token();
      const answer = await this.#once<T>(method, path, body, key, token);
      if (!(answer instanceof RestError)) return answer.value;
      if (answer.status === 401 && token && !isRenewed && (await this.#options.renew?.(token))) {
        isRenewed = true;
        continue;
      }
      const isLater = answer.status === 0 || answer.status === 503 || answer.status === 429;
      const waitMs = this.#waitMs(attempt, answer.retryAfterMs);
      if (!isLater || attempt + 1 >= ATTEMPTS || waitMs > LONGEST_RETRY_MS) throw answer;
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }

  #get<T>(path: string, query: Query = {}): Promise<T> {
    return this.ask<T>('GET', path + search(query));
  }

  /** With a client id, so that a repeat is stored once. */
  #write<T>(method: string, path: string, body?: object, clientId = uuidv7()): Promise<T> {
    return this.ask<T>(method, path, body, clientId);
  }

  #byIds<T>(ids: string[], ask: (some: string[]) => Promise<T>): Promise<T[]> {
    const parts: Promise<T>[] = [];
    for (let from = 0; from < ids.length; from += IDS_AT_ONCE) {
      parts.push(ask(ids.slice(from, from + IDS_AT_ONCE)));
    }
    return Promise.all(parts);
  }

  async #token(): Promise<string | undefined> {
    const { token } = this.#options;
    return typeof token === 'function' ? token() : token;
  }

  async #once<T>(
    method: string,
    path: string,
    body: unknown,
    key: string | undefined,
    token: string | undefined,
  ): Promise<{ value: T } | RestError> {
    const headers: Record<string, string> = {};
    if (token) headers.authorization = `Bearer ${token}`;
    if (body !== undefined) headers['content-type'] = 'application/json';
    if (key) headers['idempotency-key'] = key;
    const request: RequestInit = { method, headers, signal: AbortSignal.timeout(ANSWER_MS) };
    if (body !== undefined) request.body = JSON.stringify(body);
    const ask = this.#options.fetch ?? ((...what: Parameters<typeof fetch>) => fetch(...what));
    const url = `${this.#options.url ?? ''}/api/v1${path}`;
    let answer: Response;
    try {
      answer = await ask(url, request);
    } catch (error) {
      return new RestError(0, 'no_answer', error instanceof Error ? error.message : 'no answer');
    }
    // biome-ignore lint/suspicious/noExplicitAny: whatever came
    const json: any = await answer.json().catch(() => undefined);
    if (answer.ok) return { value: json as T };
    const seconds = Number(answer.headers.get('retry-after') ?? Number.NaN);
    const retryAfterMs = json?.retry_after_ms ?? (seconds >= 0 ? seconds * 1_000 : undefined);
    const message = json?.message ?? (answer.statusText || `status ${answer.status}`);
    const code = json?.code ?? (answer.status === 503 ? 'unavailable' : 'internal');
    return new RestError(answer.status, code, message, retryAfterMs, json?.stored, json?.limit);
  }

  #waitMs(attempt: number, asked = FIRST_RETRY_MS * 2 ** attempt): number {
    return Math.round(asked * (1 + 0.5 * (this.#options.random ?? Math.random)()));
  }
}

/** A path with its values encoded. */
function at(parts: TemplateStringsArray, ...values: string[]): string {
  return String.raw({ raw: parts }, ...values.map(encodeURIComponent));
}

function search(query: Query): string {
  const said = Object.entries(query).filter(([, value]) => value !== undefined);
  if (said.length === 0) return '';
  return `?${new URLSearchParams(said.map(([name, value]) => [name, String(value)]))}`;
}
