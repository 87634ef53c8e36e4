// What a page asks over REST before it has a client. One place asks again, renews the token and makes errors.

import { RestError } from './errors';
import { given } from './given';
import type { Conversation, Member, MessagePage, Meta, RestOptions, User, UserPresence } from './rest';

type Query = Record<string, string | number | boolean | undefined>;

/** The most ids that one question names. */
const IDS_AT_ONCE = 200;
/** Attempts at a request that the server has no time for, or that gets no answer. */
const ATTEMPTS = 4;
const FIRST_RETRY_MS = 400;
const LONGEST_RETRY_MS = 10_000;
const ANSWER_MS = 30_000;

export class BasicRest {
  readonly #options: RestOptions;

  constructor(options: RestOptions = {}) {
    this.#options = options;
  }

  meta = () => this.get<Meta>('/meta');
  me = () => this.get<User>('/me');
  devToken = (user: string, name?: string) =>
    this.ask<{ token: string; expires_at: number }>('POST', '/dev/token', { user, name });

  /** One page, newest activity first. */
  conversationPage = (
    query: { limit?: number; after?: string; include?: 'presence'; archived?: string } = {},
  ) => this.read<{ conversations: Conversation[]; next?: string }>('/conversations', query);
  conversation = (id: string) => this.read<Conversation>(at`/conversations/${id}`);

  memberPage = (id: string, query: { limit?: number; after?: string } = {}) =>
    this.get<{ members: Member[]; next?: string }>(at`/conversations/${id}/members`, query);
  members = (id: string, limit = 1000) =>
    this.pages(
      (after) => this.memberPage(id, { limit, after }),
      (page) => page.members,
    );

  /** One page of a log, by ascending seq. */
  messages = (id: string, query: { before_seq?: number; after_seq?: number; limit?: number } = {}) =>
    this.read<MessagePage>(at`/conversations/${id}/messages`, query);

  presence = async (ids: string[]) => {
    const answers = await this.byIds(ids, (some) =>
      this.ask<{ statuses: UserPresence[] }>('POST', '/presence', { ids: some }),
    );
    return { statuses: answers.flatMap((answer) => answer.statuses) };
  };
  endDevice = (deviceId: string) => this.ask<void>('DELETE', `/sessions${search({ device_id: deviceId })}`);

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

  protected get<T>(path: string, query: Query = {}): Promise<T> {
    return this.ask<T>('GET', path + search(query));
  }

  /** What this device may see of entries. */
  protected read<T>(path: string, query: Query = {}): Promise<T> {
    return this.get(path, { ...query, device_type: this.#options.deviceType });
  }

  protected byIds<T>(ids: string[], ask: (some: string[]) => Promise<T>): Promise<T[]> {
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
    const headers = Object.fromEntries(
      given({
        authorization: token ? `Bearer ${token}` : undefined,
        'content-type': body === undefined ? undefined : 'application/json',
        'idempotency-key': key,
      }),
    );
    const signal = AbortSignal.timeout(ANSWER_MS);
    const request: RequestInit = { method, headers, signal, body: JSON.stringify(body) };
    const ask = this.#options.fetch ?? ((...what: Parameters<typeof fetch>) => fetch(...what));
    const url = `${this.#options.url ?? ''}/api/v1${path}`;
    let answer: Response;
    try {
      answer = await ask(url, request);
    } catch (error) {
      const message = error instanceof Error ? error.message : 'no answer';
      return new RestError({ status: 0, code: 'no_answer', message });
    }
    // biome-ignore lint/suspicious/noExplicitAny: whatever came
    const json: any = await answer.json().catch(() => undefined);
    const { ok, status, statusText } = answer;
    if (ok) return { value: json as T };
    const seconds = Number(answer.headers.get('retry-after') ?? Number.NaN);
    return new RestError({
      status,
      code: json?.code ?? (status === 503 ? 'unavailable' : 'internal'),
      message: json?.message ?? (statusText || `status ${status}`),
      retryAfterMs: json?.retry_after_ms ?? (seconds >= 0 ? seconds * 1_000 : undefined),
      stored: json?.stored,
      limit: json?.limit,
    });
  }

  #waitMs(attempt: number, asked = FIRST_RETRY_MS * 2 ** attempt): number {
    return Math.round(asked * (1 + 0.5 * (this.#options.random ?? Math.random)()));
  }
}

/** A path with its values encoded. */
export function at(parts: TemplateStringsArray, ...values: (string | number)[]): string {
  return String.raw({ raw: parts }, ...values.map(encodeURIComponent));
}

function search(query: Query): string {
  const text = String(new URLSearchParams(given(query)));
  return text && `?${text}`;
}
