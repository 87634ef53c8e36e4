// The frames of the protocol by the names that apps know. The types themselves are generated (protocol.ts);
// docs/protocol.md has the rules.

import type {
  ClientDraft,
  ClientPin,
  ClientSend,
  ClientSet,
  ClientSignal,
  ClientStatus,
  ErrorCode,
  Limits,
  Sender,
  ServerBatch,
  ServerEntry,
  ServerError,
  ServerNetworkOptimization,
  ServerNotice,
  ServerNoticeMark,
  ServerPong,
  ServerPresence,
  ServerReceipt,
  ServerRedirect,
  ServerSent,
  ServerShown,
  ServerSignal,
  ServerSynced,
  ServerSyncPage,
  ServerThreadRead,
  ServerTyping,
  ServerWelcome,
} from './protocol';

export type { Limits, Sender, SignalKind } from './protocol';

export type DeviceType = NonNullable<ClientSend['device_type']>;
export type Status = ClientStatus['status'];

/** `operator`: a token with the role `admin`, who need not be a member; `system`: the server itself. */
export type SenderType = Sender['type'];

/**
 * Depends on the kind: a `text` has `text`, a `notice` has `body` and perhaps a `title` (older ones have `text`), a
 * `pin` has `on`, a `system` entry has `event`. It is `{}` where this device may not see it, or not any more.
 */
// biome-ignore lint/suspicious/noExplicitAny: apps put fields of their own into it
export type Content = any;

type WithContent<Frame> = Omit<Frame, 'content' | 'extra'> & {
  content: Content;
  extra?: Record<string, unknown>;
};

/** One entry of a log. Kinds that this version does not know are kept, and neither shown nor counted. */
export interface Entry extends WithContent<ServerEntry> {
  /** The message that begins the thread in which it stands. */
  thread?: number;
  /** It stands in its thread and among all messages. */
  also_in_main?: boolean;
  /** It is a copy of a message: who wrote that one, and when. */
  forwarded?: { user: string; at: number };
}

/** What `send` takes. Exactly one of `conversation_id` and `to` is given. */
export interface Message
  extends Omit<WithContent<ClientSend>, 'type' | 'ref' | 'client_id' | 'kind' | 'is_important'> {
  kind?: string;
  is_important?: boolean;
  thread?: number;
  also_in_main?: boolean;
  mention_all?: boolean;
}

/** What `pin` asks for. */
export type Pin = Omit<ClientPin, 'type' | 'ref' | 'client_id'>;

/** What `edit` asks for: another content of the same kind in place of the present one. */
export interface Edit {
  conversation_id: string;
  seq: number;
  content: Content;
  mentions?: string[];
  extra?: Record<string, unknown>;
  /** The last edit that its writer has seen, 0 for none: it is refused where there is another one by now. */
  base?: number;
}

/** What `delete` asks for: of one message, or of several own ones. */
export interface Delete {
  conversation_id: string;
  seq?: number;
  seqs?: number[];
  reason?: string;
}

/** What `react` asks for. */
export interface React {
  conversation_id: string;
  seq: number;
  key: string;
  on: boolean;
}

/** What `act` asks for: an action of a bot's card is pressed. */
export interface Act {
  conversation_id: string;
  seq: number;
  /** Who has sent the card. */
  bot: string;
  action_id: string;
  /** For an action without a value of its own. */
  value?: string;
}

/** What `set` asks for: something of the user's own. */
export type NewSetting = Omit<ClientSet, 'type' | 'ref' | 'client_id' | 'value'> & { value: unknown };

/** What `draft` asks for: what is written and not sent is kept, or taken back where it is null. */
export type NewDraft = Omit<ClientDraft, 'type' | 'ref' | 'client_id' | 'content'> & {
  content: Content | null;
};

/** What `signal` takes. */
export type OutgoingSignal = Omit<ClientSignal, 'type' | 'ref'>;

export type Sent = ServerSent;
/** The entries of a page are given their `type` where they are read. */
export type SyncPage = Omit<ServerSyncPage, 'entries'> & { entries: Entry[] };
export type Receipt = ServerReceipt;
/** `event` is missing where a status was read over REST. */
export type Presence = Omit<ServerPresence, 'event'> & { event?: string };
export type ThreadRead = ServerThreadRead;
export type Typing = ServerTyping;
export type Signal = ServerSignal;
export interface Notice extends Omit<ServerNotice, 'content'> {
  content: Content;
}
/** Older servers say fewer limits. */
export type Welcome = Omit<ServerWelcome, 'limits'> & { limits?: Partial<Limits> };
export type NetworkOptimization = ServerNetworkOptimization;
/** Later servers may have further codes. */
export type ErrorFrame = Omit<ServerError, 'code'> & { code: ErrorCode | (string & {}) };
export type Pong = ServerPong;
export type Redirect = ServerRedirect;
export type Batch = Omit<ServerBatch, 'frames'> & { frames: ServerFrame[] };

export type ServerFrame =
  | Welcome
  | Pong
  | ServerSynced
  | Redirect
  | Batch
  | NetworkOptimization
  | Entry
  | Sent
  | SyncPage
  | Receipt
  | ThreadRead
  | Presence
  | Typing
  | Signal
  | Notice
  | ServerShown
  | ServerNoticeMark
  | ErrorFrame;
