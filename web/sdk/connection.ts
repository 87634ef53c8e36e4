// One connection after the other: opens, signs in, keeps alive, comes back. Must not know what the frames mean
// beyond those that are about the connection itself.

import { CloseError } from './failures';
import type { Redirect, ServerFrame, Welcome } from './frames';
import { given } from './given';
import { claims, type Tokens } from './token';
import type { Options, State, StateDetail, Wire } from './types';

export interface Hooks {
  changed: (state: State, detail: StateDetail) => void;
  /** The token is known, and with it who this is. Nothing is sent before this has ended. */
  identified: (userId: string) => void | Promise<void>;
  welcomed: (welcome: Welcome) => void;
  heard: (frame: ServerFrame) => void;
  /** The server leaves: nothing new is to be sent. */
  leaving: () => void;
  /** A welcomed connection has ended. */
  lost: (error: CloseError) => void;
  /** How many requests await their answer. */
  pending: () => number;
  failed: (error: unknown) => void;
}

/** Proxies that drop the upgrade do so each time. */
const SOCKETS_BEFORE_A_STREAM = 2;
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 15_000;
/** A connection that lived so long was a good one: the next attempt comes soon. */
const GOOD_MS = 5_000;
/** How long a connection may take to be welcomed. */
const WELCOME_MS = 15_000;
const LONGEST_PING_MS = 20_000;
const PONG_MS = 8_000;
/** What the server says where a token did not come in time. */
const TOO_LATE = 'no token in time';
/** When there is a reason to doubt. */
const DOUBT_MS = 3_000;
/** How long answers are waited for before a connection that is to be left is closed. */
const LEAVE_MS = 4_000;
const LONGEST_REDIRECT_MS = 60_000;
/** After these codes nothing comes of coming again. */
const ENDS: Record<number, State> = { 4000: 'replaced', 4003: 'forbidden' };
/** Timers take no more. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

type Timer = ReturnType<typeof setTimeout>;

export class Connection {
  state: State = 'idle';
  #wire: Wire | undefined;
  #isStream = false;
  #isWelcomed = false;
  #isWanted = false;
  /** Counts what was begun: what belongs to an earlier one is not heard any more. */
  #turn = 0;
  #welcomedAt = 0;
  /** Attempts in a row whose socket did not open. */
  #unopened = 0;
  #attempts = 0;
  #redirect: Redirect | undefined;
  /** Where the next attempt goes instead; once it was made, empty until somebody welcomes. */
  #server: string | undefined;
  #pingMs = LONGEST_PING_MS;
  #retry: Timer | undefined;
  #pulse: Timer | undefined;
  #doubt: Timer | undefined;
  #patience: Timer | undefined;
  #renewal: Timer | undefined;

  readonly #options: Options;
  readonly #tokens: Tokens;
  readonly #hooks: Hooks;

  constructor(options: Options, tokens: Tokens, hooks: Hooks) {
    this.#options = options;
    this.#tokens = tokens;
    this.#hooks = hooks;
  }

  /** Welcomed, and not about to be left. */
  get isReady(): boolean {
    return this.#isWelcomed && !this.#redirect;
  }

  begin(): void {
    if (this.#isWanted && !this.#retry) return;
    this.#isWanted = true;
    this.#open();
  }

  end(): void {
    this.#isWanted = false;
    this.#drop(1000);
    this.#change('idle');
  }

  /** A new token, for this connection and all later ones. */
  authenticate(): void {
    const token = this.#tokens.value;
    if (this.#isWanted && this.#retry) this.#open();
    if (!this.#isWelcomed) return;
    if (this.#isStream) {
      this.restart('a new token');
      return;
    }
    this.say({ type: 'auth', token });
    this.#renewInTime();
  }

  say(frame: object): void {
    const wire = this.#wire;
    if (wire?.readyState !== 1) return;
    wire.send(this.#codec ? this.#codec.encode(frame) : JSON.stringify(frame));
  }

  /** Looks whether it lives. While it waits for its next attempt: now. */
  check(): void {
    if (!this.#isWanted) return;
    if (this.#retry) this.#open();
    else if (this.#isWelcomed) this.#ping(DOUBT_MS);
  }

  /** It answers nothing, or not as it should. */
  restart(reason: string): void {
    if (!this.#wire) return;
    this.#drop();
    this.#ended(new CloseError(1006, reason));
  }

  /** An answer has come: a connection that is to be left may be closed. */
  settled(): void {
    if (this.#redirect && this.#hooks.pending() === 0) this.#leave();
  }

  get #codec() {
    return this.#isStream ? undefined : this.#options.codec;
  }

  #change(state: State, detail: StateDetail = {}): void {
    this.state = state;
    this.#hooks.changed(state, detail);
  }

  #open(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#change('connecting');
    const turn = ++this.#turn;
    const token = this.#tokens.take();
    const { deviceId } = this.#options;
    // At once where nothing has to be waited for.
    if (!(token instanceof Promise) && !(deviceId instanceof Promise)) {
      this.#identify(turn, token, deviceId);
      return;
    }
    Promise.all([token, deviceId]).then(
      ([token, deviceId]) => this.#identify(turn, token, deviceId),
      (error) => {
        if (turn !== this.#turn || !this.#isWanted) return;
        this.#hooks.failed(error);
        this.#ended(new CloseError(1006, 'no token'));
      },
    );
  }

  #identify(turn: number, token: string | undefined, deviceId: string | undefined): void {
    if (turn !== this.#turn || !this.#isWanted) return;
    if (token === undefined) {
      this.#stop('signed-out', new CloseError(4001, 'no token'));
      return;
    }
    const userId = claims(token).sub ?? '';
    const dial = () => {
      if (turn === this.#turn && this.#isWanted) this.#dial(turn, token, userId, deviceId);
    };
    const ready = this.#hooks.identified(userId);
    if (ready) void ready.then(dial);
    else dial();
  }

  #dial(turn: number, token: string, userId: string, deviceId: string | undefined): void {
    const options = this.#options;
    // `user` is for load balancers alone: the token says who it is.
    const { deviceType = 'web', acknowledge, network, batch } = options;
    const query = new URLSearchParams(
      given({
        user: userId,
        device_type: deviceType,
        heads: 2,
        notices: options.notices && 1,
        redirect: this.#server === undefined ? 'on' : undefined,
        device: deviceId,
        acks: acknowledge === false ? 'off' : undefined,
        network,
        batch: batch?.frames,
        batch_ms: batch && (batch.ms ?? 0),
      }),
    );
    const url = this.#server || options.url;
    // A server that cannot be reached keeps nobody out, and nobody is sent on from there.
    this.#server &&= '';
    const open = (wire: Wire) => {
      if (turn === this.#turn && this.#isWanted) this.#listen(wire, turn, token);
      else wire.close();
    };
    const failed = (error: unknown) => {
      if (turn !== this.#turn) return;
      this.#hooks.failed(error);
      this.#ended(new CloseError(1006, 'no connection'));
    };
    try {
      const wire = this.#reach(url, query, token);
      if (wire instanceof Promise) wire.then(open, failed);
      else open(wire);
    } catch (error) {
      failed(error);
    }
  }

  /** Where there are no sockets, or none comes through, there are streams. */
  #reach(url: string, query: URLSearchParams, token: string): Wire | Promise<Wire> {
    const { codec, makeSocket, makeStream, fetch } = this.#options;
    const Socket = this.#options.WebSocket ?? globalThis.WebSocket;
    this.#isStream = this.#unopened >= SOCKETS_BEFORE_A_STREAM || !(makeSocket ?? Socket);
    if (this.#isStream)
      return makeStream
        ? makeStream(query, token)
        : // Few need it: it is loaded when it is needed.
          import('./events').then(({ EventWire }) => new EventWire(url, query, token, fetch));
    const address = `${url}?${query}`;
    const protocols = codec ? [codec.subprotocol] : [];
    const wire = makeSocket?.(address, protocols) ?? (new Socket(address, protocols) as Wire);
    wire.binaryType = 'arraybuffer';
    return wire;
  }

  #listen(wire: Wire, turn: number, token: string): void {
    const isStream = this.#isStream;
    let isOpened = false;
    this.#wire = wire;
    this.#isWelcomed = false;
    this.#patience = setTimeout(() => this.restart('no welcome'), WELCOME_MS);
    wire.onopen = () => {
      if (turn !== this.#turn) return;
      isOpened = true;
      // A stream brought its token with its request.
      if (!isStream) this.say({ type: 'auth', token });
    };
    wire.onmessage = ({ data }) => {
      if (turn === this.#turn) this.#receive(data);
    };
    // Without a listener, `ws` throws it. What matters is the end that follows.
    wire.onerror = () => undefined;
    let isEnded = false;
    wire.onclose = ({ code, reason }) => {
      if (isEnded) return;
      isEnded = true;
      // Where nothing opens, the server is away, and a socket is tried again.
      if (isStream) this.#unopened = isOpened ? this.#unopened : 0;
      else this.#unopened = isOpened ? 0 : this.#unopened + 1;
      if (turn !== this.#turn) return;
      // On a slow network the token came too late: it is as good as before.
      const isLate = code === 4001 && reason === TOO_LATE;
      if (code === 4001 && !isLate) this.#tokens.refuse(token);
      this.#drop();
      this.#ended(new CloseError(isLate ? 1006 : code, reason));
    };
  }

  #receive(data: unknown): void {
    clearTimeout(this.#doubt);
    this.#doubt = undefined;
    let frame: ServerFrame;
    try {
      const isText = typeof data === 'string';
      frame = isText ? JSON.parse(data) : this.#codec?.decode(data as ArrayBuffer);
    } catch (error) {
      this.#hooks.failed(error);
      this.restart('unreadable');
      return;
    }
    try {
      this.#hear(frame);
    } catch (error) {
      // A frame of another shape than it should have ends no program.
      this.#hooks.failed(error);
    }
  }

  #hear(frame: ServerFrame): void {
    switch (frame?.type) {
      case undefined:
        return;
      case 'batch':
        for (const one of frame.frames) this.#hear(one);
        return;
      case 'welcome':
        this.#welcome(frame);
        break;
      case 'network_optimization':
        this.#beat(frame.heartbeat_ms);
        break;
      case 'redirect':
        this.#redirected(frame);
        break;
    }
    this.#hooks.heard(frame);
  }

  #welcome(welcome: Welcome): void {
    clearTimeout(this.#patience);
    this.#server = undefined;
    this.#isWelcomed = true;
    this.#welcomedAt = Date.now();
    this.#beat(welcome.heartbeat_ms);
    this.#renewInTime();
    this.#hooks.welcomed(welcome);
    this.#change('online');
  }

  /** Often enough to be heard within each of the server's heartbeats. */
  #beat(heartbeatMs = 30_000): void {
    this.#pingMs = Math.max(1_000, Math.min(LONGEST_PING_MS, (heartbeatMs * 2) / 3));
    clearTimeout(this.#pulse);
    this.#pulse = setTimeout(() => {
      this.#ping(PONG_MS);
      this.#beat(heartbeatMs);
    }, this.#pingMs);
  }

  /** Anything that is heard afterwards is a sign of life. */
  #ping(patienceMs: number): void {
    this.say({ type: 'ping' });
    this.#doubt ??= setTimeout(() => this.restart('no answer'), patienceMs);
  }

  /** The token is renewed before it ends; the connection goes on with the new one. */
  #renewInTime(): void {
    clearTimeout(this.#renewal);
    const leftMs = this.#tokens.leftMs();
    if (!this.#tokens.canRenew || leftMs > LONGEST_TIMER_MS) return;
    this.#renewal = setTimeout(() => this.renew(), Math.max(1_000, leftMs));
  }

  /** Asks for another token, for this connection too. */
  renew(): void {
    if (!this.#tokens.canRenew) return;
    const turn = this.#turn;
    this.#tokens.renew().then(
      (token) => {
        if (token && turn === this.#turn) this.authenticate();
      },
      (error) => {
        this.#hooks.failed(error);
        if (turn === this.#turn && this.#isWelcomed) this.#renewInTime();
      },
    );
  }

  /** The server is leaving: what is under way gets its answer, then the connection is closed in order. */
  #redirected(frame: Redirect): void {
    if (this.#redirect) return;
    this.#redirect = frame;
    this.#server = frame.server;
    this.#hooks.leaving();
    if (this.#hooks.pending() === 0) this.#leave();
    else this.#patience = setTimeout(() => this.#leave(), LEAVE_MS);
  }

  #leave(): void {
    const afterMs = this.#redirect?.after_ms ?? 0;
    this.#drop(1000);
    this.#ended(new CloseError(1000, 'redirected'), Math.min(LONGEST_REDIRECT_MS, Math.max(0, afterMs)));
  }

  /** Lets go of the wire without hearing of it. */
  #drop(code?: number): void {
    const wire = this.#wire;
    this.#turn++;
    this.#wire = undefined;
    this.#redirect = undefined;
    for (const timer of [this.#retry, this.#pulse, this.#doubt, this.#patience, this.#renewal])
      clearTimeout(timer);
    this.#retry = undefined;
    this.#doubt = undefined;
    try {
      wire?.close(code);
    } catch {
      // It is gone already.
    }
    if (!this.#isWelcomed) return;
    this.#isWelcomed = false;
    if (Date.now() - this.#welcomedAt >= GOOD_MS) this.#attempts = 0;
  }

  #ended(error: CloseError, askedMs?: number): void {
    this.#hooks.lost(error);
    if (!this.#isWanted) return;
    const { closeCode } = error;
    const isSignedOut = closeCode === 4001 && !this.#tokens.canRenew;
    const end = isSignedOut ? 'signed-out' : ENDS[closeCode];
    if (end) {
      this.#stop(end, error);
      return;
    }
    // Coming again at once changes nothing.
    const isSlow = closeCode === 4008 || closeCode === 4029;
    const retryMs = Math.round(
      askedMs === undefined
        ? this.#backoffMs(isSlow)
        : // And at most half as much again.
          askedMs * (1 + 0.5 * this.#random()),
    );
    this.#retry = setTimeout(() => this.#open(), retryMs);
    const state = error.code === 'too_many_devices' ? 'too-many-devices' : 'offline';
    this.#change(state, { retryMs, error });
  }

  #stop(state: State, error: CloseError): void {
    this.#isWanted = false;
    this.#drop();
    this.#change(state, { error });
  }

  /** Full jitter, so that a restarted server is not met by everybody at once. */
  #backoffMs(isSlow: boolean): number {
    const ceiling = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(this.#attempts++, 10));
    return isSlow ? LONGEST_RETRY_MS * (1 + 0.5 * this.#random()) : 100 + ceiling * this.#random();
  }

  #random(): number {
    return (this.#options.random ?? Math.random)();
  }
}
