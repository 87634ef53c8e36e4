// The connection where no WebSocket comes through: events of one long answer down, posts up. Behaves like a
// socket, and says nothing of what the frames mean.

import type { Wire } from './types';

/** Frames of one post. */
const FRAMES_AT_ONCE = 32;
const MISDIRECTED = 421;
/** Posts in a row that may come to other gateways: where a balancer goes in turns, the next is the right one. */
const TURNS = 8;
const BROKEN = 1006;
const SIGNED_OUT = 4001;

export class EventWire implements Wire {
  readyState = 0;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  #id = '';
  #waiting: string[] = [];
  #posting = false;
  readonly #hangUp = new AbortController();
  readonly #url: string;

  /** `url` is that of the socket; the stream is beside it. */
  readonly #query: URLSearchParams;
  readonly #token: string;
  readonly #ask: typeof fetch;

  constructor(
    url: string,
    query: URLSearchParams,
    token: string,
    ask: typeof fetch = (...what) => fetch(...what),
  ) {
    this.#query = query;
    this.#token = token;
    this.#ask = ask;
    this.#url = url.replace(/^ws/, 'http').replace(/\/ws$/, '/sse');
    void this.#listen().catch(() => this.#end(BROKEN, ''));
  }

  send(text: string | Uint8Array): void {
    this.#waiting.push(String(text));
    void this.#post();
  }

  close(code = 1005): void {
    this.#end(code, '');
  }

  get #headers() {
    return { authorization: `Bearer ${this.#token}` };
  }

  async #listen(): Promise<void> {
    const headers = this.#headers;
    const answer = await this.#ask(`${this.#url}?${this.#query}`, { headers, signal: this.#hangUp.signal });
    if (answer.status === 401) return this.#end(SIGNED_OUT, 'sign in again');
    if (!answer.ok || !answer.body) return this.#end(BROKEN, '');
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let unread = '';
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return this.#end(BROKEN, '');
      const events = (unread + value).split('\n\n');
      unread = events.pop() ?? '';
      for (const event of events) this.#hear(event);
    }
  }

  #hear(event: string): void {
    let name = 'message';
    let data = '';
    for (const line of event.split('\n')) {
      if (line.startsWith('event: ')) name = line.slice(7);
      if (line.startsWith('data: ')) data = line.slice(6);
    }
    if (!data) return;
    if (name === 'close') {
      const { code, reason } = JSON.parse(data);
      this.#end(code, reason);
    } else {
      if (this.readyState === 0) this.#opened(data);
      this.onmessage?.({ data });
    }
  }

  /** The first frame is the welcome. */
  #opened(welcome: string): void {
    this.#id = JSON.parse(welcome).connection_id;
    this.readyState = 1;
    this.onopen?.();
  }

  /** One post after the other: that keeps the order. */
  async #post(): Promise<void> {
    if (this.#posting) return;
    this.#posting = true;
    const user = this.#query.get('user') ?? '';
    const url = `${this.#url}/${this.#id}?${new URLSearchParams({ user })}`;
    let turns = 0;
    while (this.#waiting.length > 0 && this.readyState === 1) {
      const frames = this.#waiting.slice(0, FRAMES_AT_ONCE);
      const headers = this.#headers;
      const sent = { method: 'POST', headers, body: `[${frames.join(',')}]` };
      const answer = await this.#ask(url, sent).catch(() => undefined);
      turns = answer?.status === MISDIRECTED ? turns + 1 : 0;
      if (answer?.status === 202) this.#waiting.splice(0, frames.length);
      // Nothing was taken.
      else if (turns > 0 && turns < TURNS) continue;
      else if (answer?.status === 429) await pause(Number(answer.headers.get('retry-after') ?? 1));
      // Taken or not: what is unanswered is sent again on the next connection.
      else this.#end(BROKEN, '');
    }
    this.#posting = false;
  }

  #end(code: number, reason: string): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.#hangUp.abort();
    this.onclose?.({ code, reason });
  }
}

function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
}
