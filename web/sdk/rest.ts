// Questions over REST.

import type { Entry, Presence } from './frames';

export interface Member {
  user_id: string;
  role: 'owner' | 'admin' | 'member';
  delivered_seq: number;
  read_seq: number;
  name: string;
  avatar: string;
}

export interface Conversation {
  id: string;
  kind: 'direct' | 'group';
  title: string;
  head: number;
  created_at: number;
  member_count: number;
  my_role: 'owner' | 'admin' | 'member';
  my_delivered_seq: number;
  my_read_seq: number;
  unread: number;
  last_entry?: Entry;
  members: Member[];
}

export interface User {
  id: string;
  name: string;
  avatar: string;
}

export class RestError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

export class Rest {
  constructor(
    private readonly base: string,
    private readonly token: string | undefined,
  ) {}

  meta = () => this.ask<{ version: string; dev_tokens: boolean }>('GET', '/meta');
  me = () => this.ask<User>('GET', '/me');
  devToken = (user: string, name: string) =>
    this.ask<{ token: string }>('POST', '/dev/token', { user, name });
  conversations = () => this.ask<{ conversations: Conversation[] }>('GET', '/conversations?limit=100');
  conversation = (id: string) => this.ask<Conversation>('GET', `/conversations/${id}`);
  create = (kind: 'direct' | 'group', members: string[], title?: string) =>
    this.ask<Conversation>('POST', '/conversations', { kind, members, title });
  rename = (id: string, title: string) => this.ask<unknown>('PATCH', `/conversations/${id}`, { title });
  members = (id: string) => this.ask<{ members: Member[] }>('GET', `/conversations/${id}/members?limit=1000`);
  addMembers = (id: string, members: string[]) =>
    this.ask<unknown>('POST', `/conversations/${id}/members`, { members });
  removeMember = (id: string, user: string) =>
    this.ask<unknown>('DELETE', `/conversations/${id}/members/${encodeURIComponent(user)}`);
  older = (id: string, before: number) =>
    this.ask<{ entries: Entry[]; head: number; more: boolean }>(
      'GET',
      `/conversations/${id}/messages?before_seq=${before}&limit=50`,
    );
  search = (prefix: string) =>
    this.ask<{ users: User[] }>('GET', `/users?prefix=${encodeURIComponent(prefix)}&limit=8`);
  presence = (ids: string[]) =>
    this.ask<{ statuses: Omit<Presence, 'type'>[] }>(
      'GET',
      `/presence?ids=${ids.map(encodeURIComponent).join(',')}`,
    );

  private async ask<T>(method: string, path: string, body?: unknown): Promise<T> {
    const headers: Record<string, string> = {};
    if (this.token) headers.authorization = `Bearer ${this.token}`;
    if (body !== undefined) headers['content-type'] = 'application/json';
    const answer = await fetch(`${this.base}/api/v1${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const json = await answer.json().catch(() => ({}));
    if (!answer.ok)
      throw new RestError(answer.status, json.code ?? 'internal', json.message ?? answer.statusText);
    return json as T;
  }
}
