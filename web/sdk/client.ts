// What an app holds: one client for one user on one device. Puts the parts together and decides little itself.

import { Connection } from './connection';
import type { Cursors } from './cursors';
import { type Deferred, deferred } from './deferred';
import { Emitter, type Unsubscribe } from './emitter';
import { TidingsError } from './errors';
import type { Expiry } from './expiry';
import { type CloseError, FrameError, ListenerError, StorageError } from './failures';
import { targetsOf } from './fold';
import type {
  Act,
  Delete,
  Edit,
  Entry,
  ErrorFrame,
  Limits,
  Message,
  NewDraft,
  NewSetting,
  Notice,
  OutgoingSignal,
  Sent,
  ServerFrame,
  Status,
  SyncPage,
  Welcome,
} from './frames';
import { uuidv7 } from './ids';
import { type Lease, lease } from './lease';
import type { Log } from './log';
import { Marks } from './marks';
import { entryOf } from './operations';
import { Rest } from './rest';
import { OwnStatus } from './status';
import { asStore } from './storage';
import { Sync } from './sync';
import { claims, Tokens } from './token';
import type { Events, Handle, Operation, Options, Origin, Refused, State, StateDetail } from './types';
import { OwnTyping } from './typing';
import { watch } from './watch';
import { Writing } from './writing';

/** How often it is looked whether another tab has died and left something. */
const INHERIT_MS = 5_000;
/** Frames that are events as they are. */
const TOLD = new Set(['receipt', 'presence', 'typing', 'signal', 'notice']);
const FRAME_BYTES = 1 << 20;

export class Client {
  readonly rest: Rest;
  readonly #emitter = new Emitter<Events>();
  readonly #tokens: Tokens;
  readonly #connection: Connection;
  readonly #writing: Writing;
  readonly #sync: Sync;
  readonly #marks: Marks;
  readonly #ownTyping: OwnTyping;
  readonly #ownStatus: OwnStatus;
  #user = '';
  #selfLog: string | undefined;
  #limits: Partial<Limits> | undefined;
  #lease: Lease | undefined;
  #cursors: Cursors | undefined;
  #isIdentified = false;
  /** As long as the kept cursors are read. */
  #restoring: Promise<void> | undefined;
  #isStorageToldOf = false;
  #inheriting: ReturnType<typeof setInterval> | undefined;
  #unwatch: (() => void) | undefined;
  #first: Deferred<void> | undefined;
  #expiry: Expiry | undefined;

  readonly #options: Options;

  constructor(options: Options) {
    this.#options = options;
    const say = this.#say;
    const random = () => (options.random ?? Math.random)();
    this.#tokens = new Tokens(options);
    this.#connection = new Connection(options, this.#tokens, {
      changed: (state, detail) => this.#changed(state, detail),
      identified: (userId) => this.#identified(userId),
      welcomed: (welcome) => this.#welcomed(welcome),
      heard: (frame) => this.#hear(frame),
      leaving: () => this.#writing.queues.rest(),
      lost: (error) => this.#lost(error),
      pending: () => this.#writing.queues.pending,
      failed: (error) => this.#fail(asError(error)),
    });
    const frameBytes = () => this.#limits?.frame_bytes ?? FRAME_BYTES;
    this.#writing = new Writing({
      connection: this.#connection,
      frameBytes,
      changed: () => this.#emit('outbox'),
      refused: (operation, error) => this.#emit('refused', operation, error),
      stored: (operation, sent) => this.#stored(operation, sent),
      failed: (error) => this.#storageFailed(error),
      random,
    });
    this.#sync = new Sync({ say, random, frameBytes }, options.logEntries);
    this.#marks = new Marks(say);
    this.#ownTyping = new OwnTyping(say);
    this.#ownStatus = new OwnStatus(say, (status) => this.#emit('status', status));
    this.rest = new Rest({
      url: options.url.replace(/^ws/, 'http').replace(/\/ws$/, ''),
      token: () => this.#tokens.take(),
      renew: (refused) => this.#renewFor(refused),
      fetch: options.fetch,
      random: options.random,
      deviceType: options.deviceType ?? 'web',
    });
    this.#user = claims(options.token).sub ?? '';
    if (this.#user) this.#openStorage();
  }

  /** Calls `listener` at each of these events, until the answer is called. */
  on<Name extends keyof Events>(name: Name, listener: Events[Name]): Unsubscribe {
    return this.#emitter.on(name, listener);
  }

  get state(): State {
    return this.#connection.state;
  }

  /** Empty until there is a token. */
  get userId(): string {
    return this.#user;
  }

  /** What this user is shown as; undefined as long as it is not known. */
  get status(): Status | undefined {
    return this.#ownStatus.value;
  }

  /** The log of what this user sets; undefined as long as nothing was heard of a server that has them. */
  get selfLog(): string | undefined {
    return this.#selfLog;
  }

  /** What is held, by conversation. */
  get logs(): ReadonlyMap<string, Log> {
    return this.#sync.logs;
  }

  log(conversationId: string): Log {
    return this.#sync.log(conversationId);
  }

  /** Connects, and stays connected. Settled at the first welcome, or when it is known that there will be none. */
  connect(): Promise<void> {
    this.#first ??= deferred();
    const { promise } = this.#first;
    if (this.state === 'online') this.#first.resolve();
    this.#lease?.begin();
    this.#unwatch ??= watch({
      doubt: () => this.#connection.check(),
      hidden: () => this.#marks.flush(),
      ended: () => this.#lease?.end(),
      woken: () => {
        this.#lease?.begin();
        this.#connection.check();
      },
    });
    this.#connection.begin();
    return promise;
  }

  /** Stays away until `connect` is called. What is not answered is kept, and another tab may send it. */
  disconnect(): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.#marks.flush();
    this.#ownTyping.end();
    this.#quiet();
    this.#writing.queues.end();
    this.#connection.end();
    this.#lease?.end();
  }

  /** A new token: the connection goes on with it. After `signed-out` it connects again. */
  setToken(token: string): void {
    this.#tokens.set(token);
    if (this.state === 'signed-out') void this.connect();
    else this.#connection.authenticate();
  }

  /** Looks at once whether the connection lives; connects at once where it waits for its next attempt. */
  check(): void {
    this.#connection.check();
  }

  /**
   * Is kept until the server has answered, over reconnects and restarts, and stored once and in the order of
   * writing. A `client_id` of your own, a UUID made of what is answered, makes a restarted program answer once.
   */
  send(message: Message & { client_id?: string }): Handle {
    this.#ownTyping.sent(message.conversation_id ?? '');
    return this.#writing.write(message);
  }

  /**
   * Pins a message for all members, or unpins it: kept and stored as what `send` takes. `stored` says `unchanged` where
   * it was so already.
   */
  pin(conversation_id: string, seq: number, on = true, client_id?: string): Handle {
    return this.#writing.write({ type: 'pin', conversation_id, seq, on, client_id });
  }

  /** Puts another content in the place of that of an own message. With `base` it is refused where another edit came. */
  edit(edit: Edit & { client_id?: string }): Handle {
    return this.#writing.write({ type: 'edit', ...edit });
  }

  /** Takes a message from everybody, or several own ones at once. */
  delete(what: Delete & { client_id?: string }): Handle {
    return this.#writing.write({ type: 'delete', ...what });
  }

  /** Reacts to a message, or takes a reaction back. */
  react(conversation_id: string, seq: number, key: string, on = true, client_id?: string): Handle {
    return this.#writing.write({ type: 'react', conversation_id, seq, key, on, client_id });
  }

  /**
   * Sets something of this user's own for all of their devices: kept and stored as what `send` takes, in their self log.
   * `own.ts` has what is set.
   */
  set({ client_id, ...set }: NewSetting & { client_id?: string }): Handle {
    return this.#writing.write({ ...set, type: 'set', client_id });
  }

  /**
   * Keeps what is written and not sent for all devices of this user, or takes it back. With `base` it is refused where
   * another device has written there since.
   */
  draft({ client_id, ...draft }: NewDraft & { client_id?: string }): Handle {
    return this.#writing.write({ ...draft, type: 'draft', client_id });
  }

  /** Presses an action of a bot's card. The bot finds it in its self log; `stored` names the card. */
  act(act: Act & { client_id?: string }): Handle {
    return this.#writing.write({ ...act, type: 'act' });
  }

  /** Not answered yet, in the order of writing. */
  pending(): readonly Operation[] {
    return this.#writing.outbox.waiting().map((kept) => kept.operation);
  }

  /** Refused for good, in the order of writing. Kept until they are sent again or discarded. */
  refused(): readonly Refused[] {
    return this.#writing.outbox.refusals();
  }

  /** Tries again what was refused, at its old place before everything that is not sent yet. */
  resend(clientId: string): Handle | undefined {
    return this.#writing.resend(clientId);
  }

  /** Forgets an operation. False when it is under way, and may be stored. */
  discard(clientId: string): boolean {
    return this.#writing.discard(clientId);
  }

  /** Everything up to this entry was in view. */
  read(conversationId: string, seq: number): void {
    this.#marks.read(conversationId, seq);
  }

  /** The replies of a thread up to this entry were in view. */
  readThread(conversation_id: string, thread: number, seq: number): void {
    if (this.#connection.isReady) this.#connection.say({ type: 'read', conversation_id, seq, thread });
  }

  /** Everything up to this entry has come. The client says so by itself, unless `acknowledge` is false. */
  delivered(conversationId: string, seq: number): void {
    this.#marks.delivered(conversationId, seq);
  }

  /** May be told at each key. Ends by itself. */
  typing(conversationId: string, on: boolean): void {
    this.#ownTyping.tell(conversationId, on);
  }

  setStatus(status: Status): void {
    this.#ownStatus.choose(status);
  }

  /** Empties these when their time is over, as those of the logs: for what was read over REST. */
  expire(entries: readonly Entry[]): void {
    const ending = entries.filter((entry) => entry.expires_at);
    if (ending.length === 0) return;
    // Few need it: it is loaded when it is needed, and again later where it did not come.
    import('./expiry').then(
      ({ Expiry }) => {
        this.#expiry ??= new Expiry((ended) => this.#emit('expired', ended));
        this.#expiry.add(ending);
      },
      () => setTimeout(() => this.expire(ending), INHERIT_MS),
    );
  }

  /** A step of a call. False: there is no connection, and nobody hears it. */
  signal(signal: OutgoingSignal): boolean {
    const { isReady } = this.#connection;
    if (isReady) this.#connection.say({ type: 'signal', ref: `signal-${uuidv7()}`, ...signal });
    return isReady;
  }

  #emit<Name extends keyof Events>(name: Name, ...what: Parameters<Events[Name]>): unknown[] {
    return this.#emitter.emit(name, what, (error) => {
      // What listens to errors and throws is told nothing more.
      if (name !== 'error') this.#fail(new ListenerError(name, error));
    });
  }

  #fail(error: TidingsError): void {
    if (this.#emitter.has('error')) this.#emit('error', error);
    else if (error instanceof ListenerError) console.error(error);
  }

  #storageFailed(error: unknown): void {
    // Full storage stays full.
    if (this.#isStorageToldOf) return;
    this.#isStorageToldOf = true;
    this.#fail(new StorageError(error));
  }

  #changed(state: State, detail: StateDetail): void {
    if (state === 'online') this.#first?.resolve();
    if (state === 'signed-out' || state === 'replaced' || state === 'forbidden' || state === 'idle') {
      this.#first?.reject(detail.error ?? new TidingsError('disconnected', 'disconnected'));
      this.#first = undefined;
      this.#quiet();
    }
    this.#emit('state', state, detail);
  }

  #openStorage(): void {
    const { storage, locks = globalThis.navigator?.locks } = this.#options;
    if (!storage || this.#lease) return;
    const store = asStore(storage);
    const prefix = `tidings/${this.#user}`;
    const { outbox } = this.#writing;
    this.#lease = lease(`${prefix}/client/`, store, locks, () => outbox.own());
    this.#lease.begin();
    outbox.keepIn(store, `${prefix}/operation/`, this.#lease);
  }

  /** Before the first connection: what an earlier run has left is known. */
  #identified(userId: string): void | Promise<void> {
    if (this.#isIdentified) return this.#restoring;
    this.#isIdentified = true;
    this.#user = userId;
    this.#openStorage();
    this.#writing.begin(userId);
    const { storage, cursors, deviceId } = this.#options;
    if (storage) void this.#writing.inherit();
    if (!cursors) return;
    this.#restoring = Promise.resolve(deviceId).then(async (device = 'device') => {
      // Few need it: it is loaded when it is needed.
      const { Cursors } = await import('./cursors');
      const prefix = `tidings/${userId}/cursor/${device}/`;
      this.#cursors = new Cursors(asStore(cursors), prefix, (error) => this.#storageFailed(error));
      const left = await this.#cursors.load();
      if (!left) return;
      this.#sync.restore(left.epoch, left.cursors);
      if (this.#options.acknowledge === false) return;
      for (const [id, { seq }] of left.cursors) this.#marks.delivered(id, seq);
    });
    return this.#restoring;
  }

  #welcomed(welcome: Welcome): void {
    this.#limits = welcome.limits;
    this.#selfLog = welcome.self_log;
    this.#options.notices?.heard(welcome, this.#say);
    this.#sync.begin();
    this.#writing.queues.begin(welcome.limits?.in_flight);
    this.#marks.begin();
    this.#ownStatus.welcomed(welcome.status);
    this.#ownTyping.begin();
    if (!this.#options.storage) return;
    void this.#writing.inherit();
    clearInterval(this.#inheriting);
    this.#inheriting = setInterval(() => void this.#writing.inherit(), INHERIT_MS);
  }

  #lost(error: CloseError): void {
    this.#quiet();
    this.#writing.queues.lost(error.closeCode === 1009);
  }

  /** There is no connection: no timer asks for anything. */
  #quiet(): void {
    clearInterval(this.#inheriting);
    this.#sync.end();
    this.#marks.end();
  }

  readonly #say = (frame: object) => {
    const { isReady } = this.#connection;
    if (isReady) this.#connection.say(frame);
    return isReady;
  };

  #hear(frame: ServerFrame): void {
    if (this.#options.notices?.heard(frame)) return;
    switch (frame.type) {
      case 'pong':
        this.#writing.queues.drained();
        this.#sync.told(frame);
        break;
      case 'entry':
        this.#heardEntry(frame);
        break;
      case 'sync_page':
        this.#heardPage(frame);
        break;
      case 'synced':
        for (const [id, log] of this.logs)
          this.#took(id, log.begin(), this.#sync.isHistory ? 'history' : 'sync');
        this.#sync.synced(frame.epoch);
        this.#cursors?.epoch(frame.epoch);
        break;
      case 'sent':
        this.#writing.heard(frame);
        this.#connection.settled();
        break;
      case 'error':
        this.#heardError(frame);
        break;
      case 'receipt':
        if (frame.user_id === this.#user) this.#marks.receipt(frame);
        break;
      case 'presence':
        if (frame.user_id === this.#user) this.#ownStatus.heard(frame.status);
        break;
    }
    if (TOLD.has(frame.type)) this.#emit(frame.type as 'notice', frame as Notice);
    this.#emit('frame', frame);
  }

  #heardEntry(entry: Entry): void {
    const id = entry.conversation_id;
    this.#took(id, this.#sync.log(id).add(entry), 'live');
  }

  #heardPage(page: SyncPage): void {
    const id = page.conversation_id;
    if (page.gone) {
      this.#sync.progress(true);
      this.#forget(id);
      return;
    }
    const origin = page.reset || this.#sync.isHistory ? 'history' : 'sync';
    const { taken, isReset } = this.#sync.log(id).addPage(page);
    this.#sync.progress(isReset || taken.length > 0);
    if (isReset) {
      this.#marks.forget(id);
      this.#emit('reset', id);
    }
    this.#took(id, taken, origin);
    this.#emit('page', page);
  }

  /** New entries, in their order. */
  #took(id: string, entries: Entry[], origin: Origin): void {
    if (this.#sync.log(id).hasGap) this.#sync.miss(id);
    const last = entries.at(-1);
    if (!last) return;
    this.expire(entries);
    for (const entry of entries) {
      this.#writing.settle(entry);
      const gone = entry.kind === 'delete' ? this.#sync.log(id).blank(targetsOf(entry)) : [];
      if (gone.length > 0) this.#emit('expired', gone);
      const answers = this.#emit('entry', entry, origin);
      for (const answer of answers) {
        if (answer instanceof Promise) answer.catch((error) => this.#fail(new ListenerError('entry', error)));
      }
      // What is set is known as a whole after each sync without a cursor.
      if (id !== this.#selfLog) this.#cursors?.done(entry, origin === 'history' ? [] : answers);
    }
    if (this.#options.acknowledge !== false) this.#marks.delivered(id, last.seq);
    if (endsMembership(last, this.#user)) this.#forget(id, last);
  }

  #forget(id: string, entry?: Entry): void {
    this.#sync.forget(id);
    this.#marks.forget(id);
    this.#cursors?.forget(id);
    this.#emit('gone', id, entry);
  }

  #stored(operation: Operation, sent: Sent): void {
    if (operation.type === 'react' && sent.id === undefined) this.#emit('reacted', operation, sent);
    // The sender's own socket hears `sent` instead of the entry. An operator or moderator need not be a member: no log begins so.
    const isNotice = operation.kind === 'notice';
    const isForeign = (isNotice || operation.type === 'delete') && !this.logs.has(sent.conversation_id);
    if (sent.id === undefined || isForeign) return;
    // What a sender is follows from the token, as for the server.
    const { name, roles } = claims(this.#tokens.value);
    const type = isNotice ? 'operator' : roles?.includes('bot') ? 'bot' : 'user';
    const entry = entryOf(operation, sent, { id: this.#user, type, name });
    // Somebody else's is taken away by who may do so.
    const target = this.logs.get(sent.conversation_id)?.at(entry.target);
    if (entry.kind === 'delete' && target && target.sender.id !== this.#user) entry.content.by = 'admin';
    this.#heardEntry(entry);
  }

  #heardError(error: ErrorFrame): void {
    if (!this.#writing.failed(error)) {
      if (this.#sync.failed(error.ref, error.code, error.retry_after_ms)) return;
      if (error.client_id || error.ref || !this.#writing.queues.failedUnnamed(error))
        this.#fail(new FrameError(error));
    }
    this.#connection.settled();
  }

  /** For the connection, too. */
  async #renewFor(refused: string): Promise<string | undefined> {
    const token = await this.#tokens.renewFor(refused);
    if (token) this.#connection.authenticate();
    return token;
  }
}

/** The last thing that happened is that this user left or was removed. */
function endsMembership({ kind, content }: Entry, userId: string): boolean {
  const isEnd = /^member_(left|removed)$/.test(`${content?.event}`);
  return kind === 'system' && isEnd && content.member === userId;
}

function asError(error: unknown): TidingsError {
  if (error instanceof TidingsError) return error;
  return new TidingsError('connection', String((error as Error)?.message ?? error), { cause: error });
}
