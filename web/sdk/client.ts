// A connection that comes back by itself, a log that is whole, and an outbox that loses nothing.

import { Emitter, type Unsubscribe } from './emitter';
import { CloseError, ListenerError, RefusedError } from './errors';
import { EventWire } from './events';
import type { Entry, ErrorFrame, Message, OutgoingSignal, Sent, ServerFrame, Status } from './frames';
import { digest } from './heads';
import { uuidv7 } from './ids';
import { Log } from './log';
import { Outbox } from './outbox';
import { Rest } from './rest';
import type { Events, Handle, Operation, Options, Refused, State, Wire } from './types';

/** Proxies that drop the upgrade do so each time. */
const SOCKETS_BEFORE_A_STREAM = 2;
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 15_000;
const PING_MS = 20_000;
const PONG_DEADLINE_MS = 8_000;
const DELIVERED_MS = 250;
/** How long answers are waited for before a connection that is to be left is closed. */
const LEAVE_MS = 4_000;

export class Client {
  readonly logs = new Map<string, Log>();
  readonly rest: Rest;
  private readonly outbox: Outbox;
  private readonly emitter = new Emitter<Events>();
  private readonly userId: string;
  private currentState: State = 'idle';
  private token: string;
  private refusals: Refused[] = [];
  private waiting = new Map<string, { resolve: (sent: Sent) => void; reject: (error: Error) => void }>();
  private epoch: string | undefined;
  private socket: Wire | undefined;
  /** Attempts in a row whose socket did not open. */
  private unopened = 0;
  private welcomed = false;
  private syncing = false;
  private syncAgain = false;
  private attempts = 0;
  private stopped = false;
  private timers = new Set<ReturnType<typeof setTimeout>>();
  private pong: ReturnType<typeof setTimeout> | undefined;
  private delivered = new Map<string, number>();
  /** Client ids sent on this connection and not answered. */
  private unanswered = new Set<string>();
  /** The server asked to come back so much later; nothing new is sent until then. */
  private redirect: { afterMs: number; leave: () => void } | undefined;

  constructor(private readonly options: Options) {
    this.token = options.token ?? '';
    this.userId = JSON.parse(atob(this.token.split('.')[1] ?? '') || '{}').sub ?? '';
    this.outbox = new Outbox(options.storage as Storage, `tidings.outbox.${this.userId}`);
    this.rest = new Rest({
      url: options.url.replace(/^ws/, 'http').replace(/\/ws$/, ''),
      token: () => this.token,
      fetch: options.fetch,
    });
  }

  on<Name extends keyof Events>(name: Name, listener: Events[Name]): Unsubscribe {
    return this.emitter.on(name, listener);
  }

  private emit<Name extends keyof Events>(name: Name, ...what: Parameters<Events[Name]>): void {
    this.emitter.emit(name, what, (error) => {
      if (name !== 'error') this.emit('error', new ListenerError(name, error));
    });
  }

  get state(): State {
    return this.currentState;
  }

  private changed(state: State, detail: { retryMs?: number; error?: CloseError } = {}): void {
    this.currentState = state;
    this.emit('state', state, detail);
  }

  setToken(token: string): void {
    this.token = token;
    if (this.welcomed) this.say({ type: 'auth', token });
  }

  /** Not answered yet, in the order of writing. */
  pending(): readonly Operation[] {
    return this.outbox.all();
  }

  /** Refused for good; kept until they are sent again or discarded. */
  refused(): readonly Refused[] {
    return this.refusals;
  }

  resend(clientId: string): void {
    const refused = this.refusals.find((one) => one.operation.client_id === clientId);
    if (!refused) return;
    this.discard(clientId);
    this.outbox.add(refused.operation);
    this.emit('outbox');
    if (this.welcomed) this.transmit(refused.operation);
  }

  discard(clientId: string): void {
    this.refusals = this.refusals.filter((one) => one.operation.client_id !== clientId);
    this.emit('outbox');
  }

  /** Settled at the first welcome. */
  connect(): Promise<void> {
    this.stopped = false;
    this.open();
    return Promise.resolve();
  }

  private open(): void {
    this.changed('connecting');
    // `user` is for load balancers alone: the token says who it is.
    const query = new URLSearchParams({
      user: this.userId,
      device: String(this.options.deviceId ?? ''),
      device_type: 'web',
    });
    const isStream = this.unopened >= SOCKETS_BEFORE_A_STREAM;
    const socket = isStream ? this.stream(query) : this.webSocket(query);
    let isOpened = false;
    this.socket = socket;
    this.welcomed = false;
    this.redirect = undefined;
    this.unanswered.clear();
    socket.onopen = () => {
      isOpened = true;
      // A stream brought its token with its request.
      if (!isStream) this.say({ type: 'auth', token: this.token });
    };
    socket.onmessage = (event) => this.hear(JSON.parse(String(event.data)) as ServerFrame);
    socket.onclose = (event) => {
      // Where nothing opens, the server is away, and a socket is tried again.
      if (isStream) this.unopened = isOpened ? this.unopened : 0;
      else this.unopened = isOpened ? 0 : this.unopened + 1;
      if (this.socket === socket) this.closed(event.code, event.reason);
    };
  }

  private webSocket(query: URLSearchParams): Wire {
    const url = `${this.options.url}?${query}`;
    return this.options.makeSocket?.(url, []) ?? (new WebSocket(url) as unknown as Wire);
  }

  private stream(query: URLSearchParams): Wire {
    const { url, makeStream } = this.options;
    return makeStream?.(query, this.token) ?? new EventWire(url, query, this.token);
  }

  /** Stays away until `connect` is called. */
  disconnect(): void {
    this.stopped = true;
    for (const timer of this.timers) clearTimeout(timer);
    clearTimeout(this.pong);
    this.socket?.close();
  }

  /** Is kept until the server has answered, over reconnects and reloads, and stored once. */
  send(message: Message & { client_id?: string }): Handle {
    const kept = { ...message, client_id: message.client_id ?? uuidv7(), written_at: Date.now() };
    const stored = new Promise<Sent>((resolve, reject) => {
      this.waiting.set(kept.client_id, { resolve, reject });
    });
    stored.catch(() => undefined);
    this.outbox.add(kept);
    this.emit('outbox');
    if (this.welcomed) this.transmit(kept);
    return { clientId: kept.client_id, stored };
  }

  read(conversationId: string, seq: number): void {
    if (this.welcomed) this.say({ type: 'read', conversation_id: conversationId, seq });
  }

  typing(conversationId: string, on: boolean): void {
    if (this.welcomed) this.say({ type: 'typing', conversation_id: conversationId, on });
  }

  setStatus(status: Status): void {
    if (this.welcomed) this.say({ type: 'status', status });
  }

  signal(signal: OutgoingSignal): void {
    if (this.welcomed) this.say({ type: 'signal', ...signal });
  }

  /** Says again at once whether the connection lives, and asks for what is missing. */
  check(): void {
    if (this.welcomed) this.say({ type: 'ping' });
  }

  log(conversationId: string): Log {
    let log = this.logs.get(conversationId);
    if (!log) {
      log = new Log();
      this.logs.set(conversationId, log);
    }
    return log;
  }

  private say(frame: object): void {
    if (this.socket?.readyState === 1) this.socket.send(JSON.stringify(frame));
  }

  private transmit(operation: Operation): void {
    // Where the server leaves, the next connection begins with it.
    if (this.redirect) return;
    this.unanswered.add(operation.client_id);
    this.say({ type: 'send', ...operation });
  }

  private later(ms: number, run: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      if (!this.stopped) run();
    }, ms);
    this.timers.add(timer);
  }

  private closed(code: number, reason: string): void {
    this.welcomed = false;
    clearTimeout(this.pong);
    if (this.stopped) return;
    if (code === 4001 || code === 4000) {
      this.stopped = true;
      this.changed(code === 4000 ? 'replaced' : 'signed-out', { error: new CloseError(code, reason) });
      return;
    }
    const retryMs = this.redirect ? this.returnMs(this.redirect.afterMs) : this.backoffMs();
    this.redirect = undefined;
    this.changed('offline', { retryMs, error: new CloseError(code, reason) });
    this.later(retryMs, () => this.open());
  }

  /** Full jitter, so that a restarted server is not met by everybody at once. */
  private backoffMs(): number {
    const ceiling = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.attempts++);
    return Math.round(100 + ceiling * (this.options.random ?? Math.random)());
  }

  /** What the server asked for and at most half as much again. */
  private returnMs(afterMs: number): number {
    const asked = Math.min(60_000, Math.max(0, afterMs));
    return Math.round(asked * (1 + 0.5 * (this.options.random ?? Math.random)()));
  }

  /** The server is leaving: what is under way gets its answer, then the connection is closed in order. */
  private leave(afterMs: number): void {
    if (this.redirect) return;
    const socket = this.socket;
    const leave = () => {
      if (this.socket !== socket || !socket) return;
      this.socket = undefined;
      socket.close(1000);
      this.closed(1000, 'redirected');
    };
    this.redirect = { afterMs, leave };
    if (this.unanswered.size === 0) leave();
    else this.later(LEAVE_MS, leave);
  }

  /** An answer came, whatever it says. */
  private heardOf(clientId: string): void {
    this.unanswered.delete(clientId);
    if (this.unanswered.size === 0) this.redirect?.leave();
  }

  /** All that was missed, then whatever is still unanswered, oldest first. */
  private sync(): void {
    if (this.syncing) {
      this.syncAgain = true;
      return;
    }
    this.syncing = true;
    const cursors: Record<string, number> = {};
    for (const [id, log] of this.logs) if (log.cursor > 0) cursors[id] = log.cursor;
    this.say({ type: 'sync', epoch: this.epoch, cursors });
  }

  private heads(): number {
    const heads: [string, number][] = [];
    for (const [id, log] of this.logs) {
      if (!log.hasLeft(this.userId)) heads.push([id, log.cursor]);
    }
    return digest(heads);
  }

  private hear(frame: ServerFrame): void {
    switch (frame.type) {
      case 'welcome':
        this.welcomed = true;
        this.attempts = 0;
        this.syncing = false;
        this.sync();
        for (const operation of this.outbox.all()) this.transmit(operation);
        this.heartbeat();
        this.changed('online');
        break;
      case 'pong':
        clearTimeout(this.pong);
        if (frame.heads !== undefined && frame.heads !== this.heads()) this.sync();
        break;
      case 'entry':
        if (!this.log(frame.conversation_id).add(frame)) this.sync();
        this.acknowledge(frame.conversation_id);
        break;
      case 'sync_page':
        this.log(frame.conversation_id).addPage(frame.entries, frame.reset);
        this.acknowledge(frame.conversation_id);
        break;
      case 'synced':
        this.epoch = frame.epoch;
        this.syncing = false;
        if (this.syncAgain) {
          this.syncAgain = false;
          this.sync();
        }
        break;
      case 'sent':
        this.answered(frame.client_id, frame);
        this.heardOf(frame.client_id);
        break;
      case 'error':
        if (frame.client_id) {
          this.failed(frame.client_id, frame);
          this.heardOf(frame.client_id);
        }
        break;
      case 'redirect':
        this.leave(frame.after_ms);
        break;
    }
    this.emit('frame', frame);
    if (frame.type === 'receipt') this.emit('receipt', frame);
    if (frame.type === 'presence') this.emit('presence', frame);
    if (frame.type === 'typing') this.emit('typing', frame);
    if (frame.type === 'signal') this.emit('signal', frame);
    if (frame.type === 'notice') this.emit('notice', frame);
    if (frame.type === 'entry') this.emit('entry', frame, 'live');
    if (frame.type === 'sync_page') this.emit('page', frame);
  }

  private answered(clientId: string, frame: Extract<ServerFrame, { type: 'sent' }>): void {
    const operation = this.outbox.settle(clientId);
    if (!operation) return;
    // The sender's own socket hears `sent` instead of the entry.
    this.waiting.get(clientId)?.resolve(frame);
    this.waiting.delete(clientId);
    const entry: Entry = {
      id: '',
      ...frame,
      type: 'entry' as const,
      kind: 'text',
      sender: { id: this.userId, type: 'user' },
      content: operation.content,
    };
    if (!this.log(frame.conversation_id).add(entry)) this.sync();
    this.emit('outbox');
  }

  private failed(clientId: string, error: ErrorFrame): void {
    const operation = this.outbox.all().find((kept) => kept.client_id === clientId);
    if (!operation) return;
    if (error.code === 'unavailable' || error.code === 'rate_limited') {
      // Unknown or not stored: the same client id makes sending again harmless.
      this.later(this.returnMs(error.retry_after_ms ?? 1_000), () => {
        if (this.welcomed && this.outbox.all().includes(operation)) this.transmit(operation);
      });
      return;
    }
    this.outbox.settle(clientId);
    this.emit('outbox');
    this.refusals = [...this.refusals, { operation, error }];
    const refusal = new RefusedError(clientId, error);
    this.waiting.get(clientId)?.reject(refusal);
    this.waiting.delete(clientId);
    this.emit('refused', operation, refusal);
  }

  /** Notices a connection that is only half there. */
  private heartbeat(): void {
    const socket = this.socket;
    this.later(PING_MS, () => {
      if (this.socket !== socket || !this.welcomed) return;
      this.say({ type: 'ping' });
      clearTimeout(this.pong);
      this.pong = setTimeout(() => {
        this.socket = undefined;
        socket?.close();
        this.closed(1006, 'no answer');
      }, PONG_DEADLINE_MS);
      this.heartbeat();
    });
  }

  /** Cumulative and coalesced: one word for many entries. */
  private acknowledge(conversationId: string): void {
    const cursor = this.log(conversationId).cursor;
    if (this.delivered.size === 0) this.later(DELIVERED_MS, () => this.flushDelivered());
    this.delivered.set(conversationId, cursor);
  }

  private flushDelivered(): void {
    for (const [conversation_id, seq] of this.delivered) {
      if (this.welcomed && seq > 0) this.say({ type: 'delivered', conversation_id, seq });
    }
    this.delivered.clear();
  }
}
