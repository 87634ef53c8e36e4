// A connection that comes back by itself, a log that is whole, and an outbox that loses nothing.

import { EventWire, type Wire } from './events';
import type { ErrorFrame, ServerFrame } from './frames';
import { digest } from './heads';
import { Log } from './log';
import { type Operation, Outbox, type Storage, uuidv7 } from './outbox';

export type State = 'connecting' | 'online' | 'offline' | 'signed-out';

export interface Options {
  url: string;
  token: string;
  userId: string;
  deviceId: string;
  storage: Storage;
  /** For tests. */
  makeSocket?: (url: string) => Wire;
  makeStream?: (query: URLSearchParams) => Wire;
  random?: () => number;
}

export interface Listener {
  /** The connection's state; when offline, how long until the next attempt. */
  state?: (state: State, detail: { retryMs?: number; reason?: string }) => void;
  /** Every frame, after the log has taken it. */
  frame?: (frame: ServerFrame) => void;
  /** Operations were added or answered. */
  outbox?: (operations: readonly Operation[]) => void;
  /** An operation was refused for good. */
  refused?: (operation: Operation, error: ErrorFrame) => void;
}

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
  readonly outbox: Outbox;
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

  constructor(
    private readonly options: Options,
    private readonly listener: Listener,
  ) {
    this.outbox = new Outbox(options.storage, `tidings.outbox.${options.userId}`);
  }

  connect(): void {
    this.stopped = false;
    this.listener.state?.('connecting', {});
    // `user` is for load balancers alone: the token says who it is.
    const query = new URLSearchParams({
      user: this.options.userId,
      device: this.options.deviceId,
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
      if (!isStream) this.say({ type: 'auth', token: this.options.token });
    };
    socket.onmessage = (event) => this.hear(JSON.parse(String(event.data)));
    socket.onclose = (event) => {
      // Where nothing opens, the server is away, and a socket is tried again.
      if (isStream) this.unopened = isOpened ? this.unopened : 0;
      else this.unopened = isOpened ? 0 : this.unopened + 1;
      if (this.socket === socket) this.closed(event.code, event.reason);
    };
  }

  private webSocket(query: URLSearchParams): Wire {
    const url = `${this.options.url}?${query}`;
    return this.options.makeSocket?.(url) ?? (new WebSocket(url) as unknown as Wire);
  }

  private stream(query: URLSearchParams): Wire {
    const { url, token, makeStream } = this.options;
    return makeStream?.(query) ?? new EventWire(url, query, token);
  }

  /** Ends for good. */
  close(): void {
    this.stopped = true;
    for (const timer of this.timers) clearTimeout(timer);
    clearTimeout(this.pong);
    this.socket?.close();
  }

  send(operation: Omit<Operation, 'client_id'>): string {
    const kept = { ...operation, client_id: uuidv7() };
    this.outbox.add(kept);
    this.listener.outbox?.(this.outbox.all());
    if (this.welcomed) this.transmit(kept);
    return kept.client_id;
  }

  read(conversationId: string, seq: number): void {
    if (this.welcomed) this.say({ type: 'read', conversation_id: conversationId, seq });
  }

  typing(conversationId: string, on: boolean): void {
    if (this.welcomed) this.say({ type: 'typing', conversation_id: conversationId, on });
  }

  status(status: string): void {
    if (this.welcomed) this.say({ type: 'status', status });
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
      this.listener.state?.('signed-out', { reason });
      return;
    }
    const retryMs = this.redirect ? this.returnMs(this.redirect.afterMs) : this.backoffMs();
    this.redirect = undefined;
    this.listener.state?.('offline', { retryMs });
    this.later(retryMs, () => this.connect());
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
      if (!log.hasLeft(this.options.userId)) heads.push([id, log.cursor]);
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
        this.listener.state?.('online', {});
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
    this.listener.frame?.(frame);
  }

  private answered(clientId: string, frame: Extract<ServerFrame, { type: 'sent' }>): void {
    const operation = this.outbox.settle(clientId);
    if (!operation) return;
    // The sender's own socket hears `sent` instead of the entry.
    const entry = {
      ...frame,
      type: 'entry' as const,
      kind: 'text',
      sender: { id: this.options.userId, type: 'user' },
      content: operation.content,
    };
    if (!this.log(frame.conversation_id).add(entry)) this.sync();
    this.listener.outbox?.(this.outbox.all());
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
    this.listener.outbox?.(this.outbox.all());
    this.listener.refused?.(operation, error);
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
