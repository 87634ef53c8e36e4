// What an app gives to a client and gets from it.

import type { TidingsError } from './errors';
import type { CloseError, RefusedError } from './failures';
import type {
  Act,
  Delete,
  DeviceType,
  Edit,
  Entry,
  ErrorFrame,
  Message,
  NewDraft,
  NewSetting,
  Notice,
  Pin,
  Presence,
  React,
  Receipt,
  Sent,
  ServerFrame,
  Signal,
  Status,
  SyncPage,
  Typing,
} from './frames';
import type { NoticesHook } from './notices';

/**
 * - `idle`: not asked to connect
 * - `connecting`: on its way
 * - `online`: welcomed
 * - `offline`: tries again by itself, in `retryMs`
 * - `too-many-devices`: as `offline`; the app can end another session (`client.rest.endSession`), then `connect()`
 * - `signed-out`: the token was refused and there is no other; `setToken` or `connect` go on
 * - `replaced`: the same device has connected elsewhere; `connect` takes it back
 * - `forbidden`: the server does not serve this page or this kind of client (4003); `connect` tries again
 */
export type State =
  | 'idle'
  | 'connecting'
  | 'online'
  | 'offline'
  | 'too-many-devices'
  | 'signed-out'
  | 'replaced'
  | 'forbidden';

export interface StateDetail {
  /** How long until the next attempt. */
  retryMs?: number;
  /** Why the last connection has ended. */
  error?: CloseError;
}

/** What every operation has: the id under which it is stored once, and when it was written, in Unix milliseconds. */
interface Written {
  client_id: string;
  written_at: number;
}

/** A message. That it has no type is how it always was kept in storage. */
export type SendOperation = Message & Written & { type?: undefined };
type Changing<Type, Asked> = Asked & Written & { type: Type; to?: undefined; kind?: undefined };
export type PinOperation = Changing<'pin', Pin>;
export type EditOperation = Changing<'edit', Edit>;
export type DeleteOperation = Changing<'delete', Delete>;
export type ReactOperation = Changing<'react', React>;
export type SetOperation = Changing<'set', NewSetting>;
export type DraftOperation = Changing<'draft', NewDraft>;
export type ActOperation = Changing<'act', Act>;

/** What is kept until it is answered. All but messages have the type of their frame. */
export type Operation =
  | SendOperation
  | PinOperation
  | EditOperation
  | DeleteOperation
  | ReactOperation
  | SetOperation
  | DraftOperation
  | ActOperation;

/** A message that was refused for good. Of other operations the event `refused` tells, and nothing is kept. */
export interface Refused {
  operation: SendOperation;
  error: ErrorFrame;
}

/** What `send`, `edit` and the like answer. Nobody has to wait for `stored`. */
export interface Handle {
  clientId: string;
  /** Settled when the server has stored it, or refused it for good (`RefusedError`). */
  stored: Promise<Sent>;
}

/**
 * How an entry came: `live`; by `sync`, missed while away; or as `history`, from before this client knew
 * anything. A bot answers the first two.
 */
export type Origin = 'live' | 'sync' | 'history';

export type Events = {
  state: (state: State, detail: StateDetail) => void;
  /** Every frame of the server, after the log has taken it. */
  frame: (frame: ServerFrame) => void;
  /** An own reaction is stored and no entry tells of it alone (`tallied`), or it was there already (`unchanged`). */
  reacted: (operation: ReactOperation, sent: Sent) => void;
  /** Each entry once and in the order of its log, however it came; own ones, too. */
  entry: (entry: Entry, origin: Origin) => unknown;
  /** A page of a sync was taken into its log. */
  page: (page: SyncPage) => void;
  /** What was held of a conversation was forgotten: its log begins anew. */
  reset: (conversationId: string) => void;
  /** This user is no member of the conversation any more; `entry` says how that came, where it is known. */
  gone: (conversationId: string, entry?: Entry) => void;
  receipt: (receipt: Receipt) => void;
  presence: (presence: Presence) => void;
  typing: (typing: Typing) => void;
  signal: (signal: Signal) => void;
  notice: (notice: Notice) => void;
  /** The own status, as chosen here or on another device. */
  status: (status: Status) => void;
  /** `pending()` or `refused()` have changed. */
  outbox: () => void;
  refused: (operation: Operation, error: RefusedError) => void;
  /** The content of these entries is gone, wherever they are held: their time is over, or they were deleted. */
  expired: (entries: readonly Entry[]) => void;
  error: (error: TidingsError) => void;
};

/** A place for texts by key: `localStorage`, or one of the adapters of `storage.ts`. */
export interface Store {
  getItem(key: string): string | null | Promise<string | null>;
  setItem(key: string, value: string): void | Promise<void>;
  removeItem(key: string): void | Promise<void>;
  /** All keys that begin so. */
  keys(prefix: string): string[] | Promise<string[]>;
}

/** What a client needs of a socket. `WebSocket` of browsers, of Node and of the package `ws` fit. */
export interface Wire {
  readyState: number;
  onopen: ((event?: unknown) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  onerror?: ((event?: unknown) => void) | null;
  binaryType?: string;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number): void;
}

/** Another form of frames than JSON text, such as that of `msgpack.ts`. */
export interface Codec {
  subprotocol: string;
  encode(frame: object): Uint8Array<ArrayBuffer>;
  decode(data: ArrayBuffer): unknown;
}

export interface Options {
  /** Of the socket, such as `wss://chat.example.org/ws`. */
  url: string;
  token?: string;
  /**
   * Asked when there is no token, when it ends soon and when it was refused. Nothing: there is none any more, and the
   * state is `signed-out`. When it throws it is asked again later.
   */
  getToken?: () => string | undefined | Promise<string | undefined>;
  /** Names this device for the server: one connection each. By default another one for each client. */
  deviceId?: string | Promise<string>;
  deviceType?: DeviceType;
  /** Where the outbox is kept, such as `localStorage`; several tabs may share it. By default in memory. */
  storage?: Store | Storage;
  /** Where the cursors are kept, so that a restarted program goes on where it was. By default nowhere. */
  cursors?: Store | Storage;
  codec?: Codec;
  /** Keeps the log of notices of operators: a `Notices`. */
  notices?: NoticesHook;
  /** Several frames may come as one. */
  batch?: { frames: number; ms?: number };
  network?: 'good' | 'fair' | 'poor' | 'auto';
  /** False: this device listens only and acknowledges nothing. */
  acknowledge?: boolean;
  /** The most entries held of each conversation; older ones are read over REST. */
  logEntries?: number;
  /** `WebSocket` of the package `ws`, where there is none built in. */
  WebSocket?: new (
    url: string,
    protocols?: string[],
  ) => unknown;
  makeSocket?: (url: string, protocols: string[]) => Wire;
  makeStream?: (query: URLSearchParams, token: string) => Wire;
  fetch?: typeof fetch;
  random?: () => number;
  /** Web Locks; null: another way is taken. */
  locks?: LockManager | null;
}
