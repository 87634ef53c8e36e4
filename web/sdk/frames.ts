// The frames of the protocol. README describes them by example.

export type DeviceType = 'web' | 'ios' | 'android' | 'desktop' | 'bot';
export type Status = 'online' | 'away' | 'busy' | 'invisible';

export interface Sender {
  id: string;
  type: string;
  name?: string;
  avatar?: string;
}

/** Depends on the kind; a `text` has `text`, a `system` entry of the server has `event`. */
// biome-ignore lint/suspicious/noExplicitAny: apps put fields of their own into it
export type Content = any;

export interface Entry {
  type: 'entry';
  conversation_id: string;
  seq: number;
  id: string;
  kind: string;
  sender: Sender;
  content: Content;
  reply_to?: number;
  mentions?: string[];
  is_important?: boolean;
  extra?: Record<string, unknown>;
  client_id?: string;
  timestamp: number;
}

/** What `send` takes. Exactly one of `conversation_id` and `to` is given. */
export interface Message {
  conversation_id?: string;
  to?: string;
  content: Content;
  kind?: string;
  reply_to?: number;
  mentions?: string[];
  is_important?: boolean;
  extra?: Record<string, unknown>;
  /** Deliver to devices of this type only. */
  device_type?: DeviceType;
}

export interface Sent {
  type: 'sent';
  client_id: string;
  conversation_id: string;
  /** Absent when nothing was to be changed. */
  id?: string;
  seq: number;
  timestamp: number;
  unchanged?: boolean;
}

export interface SyncPage {
  type: 'sync_page';
  conversation_id: string;
  entries: Entry[];
  head: number;
  more: boolean;
  reset: boolean;
  /** On the first page of a tail: entries before this one are not in this sync. */
  skipped_before?: number;
  /** This user is no member any more; comes with `reset` and without entries. */
  gone?: boolean;
}

export interface Receipt {
  type: 'receipt';
  conversation_id: string;
  user_id: string;
  delivered_seq: number;
  read_seq: number;
}

export interface Presence {
  type: 'presence';
  user_id: string;
  status: 'online' | 'away' | 'busy' | 'offline';
  last_seen?: number;
  devices: number;
  event?: string;
}

export interface Typing {
  type: 'typing';
  conversation_id: string;
  user_id: string;
  on: boolean;
  /** End it by itself so many milliseconds later, unless it is said again. */
  expires_ms?: number;
}

export type SignalKind = 'offer' | 'answer' | 'ice' | 'ring' | 'busy' | 'decline' | 'hangup';

export interface Signal {
  type: 'signal';
  from: string;
  call_id: string;
  kind: SignalKind;
  data?: unknown;
}

export interface OutgoingSignal {
  to: string;
  call_id: string;
  kind: SignalKind;
  data?: unknown;
}

export interface Notice {
  type: 'notice';
  id: string;
  content: Content;
  timestamp: number;
}

export interface Limits {
  frame_bytes: number;
  in_flight: number;
  content_bytes: number;
  text_chars: number;
}

export interface Welcome {
  type: 'welcome';
  connection_id: string;
  user_id: string;
  /** What this user chose to be shown as; absent when the server does not know it now. */
  status?: Status;
  heartbeat_ms: number;
  epoch?: string;
  limits?: Partial<Limits>;
}

export interface NetworkOptimization {
  type: 'network_optimization';
  quality: 'good' | 'fair' | 'poor';
  heartbeat_ms: number;
  batch: number;
  compression: boolean;
  retries: number;
}

export interface ErrorFrame {
  type: 'error';
  ref?: string;
  client_id?: string;
  code: string;
  message: string;
  stored: 'no' | 'unknown';
  retry_after_ms?: number;
  /** With `rate_limited`: the limit that was met; `waiting` is for answers, all others for time to pass. */
  limit?:
    | 'messages'
    | 'states'
    | 'signals'
    | 'signal_bytes'
    | 'reads'
    | 'broadcasts'
    | 'frames'
    | 'tenant_messages'
    | 'waiting';
}

export interface Redirect {
  type: 'redirect';
  after_ms: number;
  /** To be connected to once, instead. */
  server?: string;
}

export type ServerFrame =
  | Welcome
  | { type: 'pong'; heads?: number }
  | { type: 'synced'; epoch: string; conversations: number }
  | Redirect
  | { type: 'batch'; frames: ServerFrame[] }
  | NetworkOptimization
  | Entry
  | Sent
  | SyncPage
  | Receipt
  | Presence
  | Typing
  | Signal
  | Notice
  | ErrorFrame;
