// What the harness itself asks over REST, past the proxies and not through the SDK: conversations at the start, logs at the end.

import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Entry } from '../sdk/index';

const PATIENCE_MS = 60_000;
const ANSWER_MS = 15_000;
const AGAIN_MS = 200;
const PAGE = 200;

export class Ask {
  /** `address`: `host:port` of a server; `from`: the own address. */
  constructor(
    private readonly address: string,
    private readonly from: string,
  ) {}

  async group(token: string, members: string[], title: string): Promise<string> {
    const made = await this.ask<{ id: string }>(token, 'POST', '/conversations', {
      kind: 'group',
      members,
      title,
    });
    return made.id;
  }

  async direct(token: string, other: string): Promise<string> {
    const made = await this.ask<{ id: string }>(token, 'POST', '/conversations', {
      kind: 'direct',
      members: [other],
    });
    return made.id;
  }

  async head(token: string, conversation: string): Promise<number> {
    const path = `/conversations/${conversation}/messages?limit=1`;
    return (await this.ask<{ head: number }>(token, 'GET', path)).head;
  }

  /** The whole log, oldest first. */
  async log(token: string, conversation: string): Promise<Entry[]> {
    const entries: Entry[] = [];
    for (;;) {
      const after = entries.at(-1)?.seq ?? 0;
      const path = `/conversations/${conversation}/messages?after_seq=${after}&limit=${PAGE}`;
      const page = await this.ask<{ entries: Entry[]; more: boolean }>(token, 'GET', path);
      entries.push(...page.entries);
      if (!page.more || page.entries.length === 0) return entries;
    }
  }

  /** Asks until it is answered: servers are restarted. */
  private async ask<T>(token: string, method: string, path: string, body?: object): Promise<T> {
    const deadline = Date.now() + PATIENCE_MS;
    const key = crypto.randomUUID();
    for (;;) {
      const answer = await this.once(token, method, path, key, body).catch(() => undefined);
      if (answer && answer.status < 300) return JSON.parse(answer.text) as T;
      const isLater = !answer || answer.status === 429 || answer.status === 503;
      if (!isLater || Date.now() > deadline) {
        throw new Error(`${method} ${path}: ${answer?.status} ${answer?.text}`);
      }
      await sleep(AGAIN_MS);
    }
  }

  private once(
    token: string,
    method: string,
    path: string,
    key: string,
    body?: object,
  ): Promise<{ status: number; text: string }> {
    const headers = {
      authorization: `Bearer ${token}`,
      'idempotency-key': key,
      ...(body ? { 'content-type': 'application/json' } : {}),
    };
    const url = `http://${this.address}/api/v1${path}`;
    // Node's `fetch` does not say from where.
    const options = { method, headers, localAddress: this.from, timeout: ANSWER_MS };
    return new Promise((resolve, reject) => {
      const asked = request(url, options, (answer) => {
        text(answer).then((text) => resolve({ status: answer.statusCode ?? 0, text }), reject);
      });
      asked.once('error', reject);
      asked.once('timeout', () => asked.destroy(new Error('no answer in time')));
      asked.end(body ? JSON.stringify(body) : undefined);
    });
  }
}
