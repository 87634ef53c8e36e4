// Generated from docs/asyncapi.yaml by `npm run protocol`, and compared by protocol/protocol.test.mjs. Do not edit.

/**
 * Any frame of either side, or the last event of an event stream.
 */
export type Frame = ClientFrame | ServerFrame | CloseEvent;
/**
 * Any frame that a client sends.
 */
export type ClientFrame =
  | ClientAuth
  | ClientPing
  | ClientSend
  | ClientPin
  | ClientForward
  | ClientEdit
  | ClientDelete
  | ClientReact
  | ClientSet
  | ClientDraft
  | ClientAct
  | ClientSync
  | ClientDelivered
  | ClientRead
  | ClientTyping
  | ClientStatus
  | ClientSignal
  | ClientShow
  | ClientBroadcast;
/**
 * A UUID that a client makes for one operation and keeps until it is answered: a repeat with it is stored once.
 */
export type ClientId = string;
/**
 * The id of a conversation. That of a direct conversation follows from its two users.
 */
export type ConversationId = string;
/**
 * The id of a user: the `sub` of the user's tokens.
 */
export type UserId = string;
/**
 * The last entry up to which the device has all entries: its seq, or its seq and its id, by which the server notices that its log has another entry there.
 */
export type Cursor =
  | number
  | {
      id?: EntryId;
      seq: number;
    };
/**
 * The id of an entry of a log.
 */
export type EntryId = string;
/**
 * A UUID that a caller makes for one call; all signals of the call have it.
 */
export type CallId = string;
/**
 * A step of a call.
 *
 * - `offer`: The caller offers a call, with its session description.
 * - `answer`: The callee accepts it, with its session description.
 * - `ice`: A candidate address of the sender (ICE).
 * - `ring`: A device of the callee rings.
 * - `busy`: The callee is in another call.
 * - `decline`: The callee declines.
 * - `hangup`: The call has ended.
 */
export type SignalKind = 'offer' | 'answer' | 'ice' | 'ring' | 'busy' | 'decline' | 'hangup';
/**
 * Any frame that a server sends.
 */
export type ServerFrame =
  | ServerWelcome
  | ServerPong
  | ServerEntry
  | ServerSent
  | ServerSyncPage
  | ServerSynced
  | ServerReceipt
  | ServerThreadRead
  | ServerTyping
  | ServerPresence
  | ServerSignal
  | ServerNotice
  | ServerShown
  | ServerNoticeMark
  | ServerRedirect
  | ServerNetworkOptimization
  | ServerBatch
  | ServerError;
/**
 * The quality of a network.
 *
 * - `good`: Short round trips, no losses.
 * - `fair`: Long round trips, or some losses.
 * - `poor`: Very long round trips, or many losses.
 */
export type Quality = 'good' | 'fair' | 'poor';
/**
 * What went wrong, in terms of what the client does next.
 *
 * - `bad_frame`: The frame or request is malformed. Correct it: the same bytes fail again.
 * - `unknown_type`: The `type` of the frame is not known to this server.
 * - `invalid`: A field has a value that is not allowed. Correct it.
 * - `unsupported`: This server does not have what the request needs. Leave it out: the same request fails again.
 * - `too_large`: Larger than a limit; the message names it. Send less.
 * - `rate_limited`: A limit was reached; `limit` names it. Send again after `retry_after_ms`.
 * - `unauthenticated`: No valid token. Sign in again.
 * - `not_member`: The caller is not a member of the conversation, or it does not exist.
 * - `not_found`: What the request names does not exist.
 * - `forbidden`: The caller's role does not allow this.
 * - `conflict`: Another operation is stored under this client id, and stays stored. A new operation needs a new id.
 * - `quota_exceeded`: A quota of a day, or of a whole account, is used up; the message names it.
 * - `expired`: The request waited in a queue for longer than it is good for, and was not worked on. Send again with the same client id.
 * - `unavailable`: A backend is unavailable or the server is overloaded. Send again after `retry_after_ms` with the same client id.
 * - `internal`: A fault of the server. Send again once, then report it.
 */
export type ErrorCode =
  | 'bad_frame'
  | 'unknown_type'
  | 'invalid'
  | 'unsupported'
  | 'too_large'
  | 'rate_limited'
  | 'unauthenticated'
  | 'not_member'
  | 'not_found'
  | 'forbidden'
  | 'conflict'
  | 'quota_exceeded'
  | 'expired'
  | 'unavailable'
  | 'internal';
/**
 * The limit that was reached, with the code `rate_limited`. With `waiting` the client waits for answers to its earlier requests, with all others for `retry_after_ms`.
 *
 * - `messages`: Messages and other writing requests of one user.
 * - `states`: `typing` and `status` of one user.
 * - `signals`: Call signals of one user.
 * - `signal_bytes`: Bytes of call signals of one user.
 * - `reads`: `sync` and reading requests of one user.
 * - `broadcasts`: Broadcasts of one operator.
 * - `frames`: Frames of any type of one connection.
 * - `tenant_messages`: Messages and other writing requests of all users of one tenant.
 * - `waiting`: Too many earlier requests await their answer; no rate is exceeded.
 */
export type Limit =
  | 'messages'
  | 'states'
  | 'signals'
  | 'signal_bytes'
  | 'reads'
  | 'broadcasts'
  | 'frames'
  | 'tenant_messages'
  | 'waiting';
/**
 * Whether the request that an error answers was stored.
 *
 * - `no`: Nothing was stored, now or later.
 * - `unknown`: Unknown: send again with the same client id to find out.
 */
export type Stored = 'no' | 'unknown';
/**
 * Why the server has ended a connection.
 *
 * - `1001`: No answer to the server's pings. Reconnect.
 * - `1002`: The bytes are not the WebSocket protocol. Correct the client.
 * - `1007`: A text frame is not UTF-8. Correct the client.
 * - `1008`: A message was begun and not completed in time. Reconnect.
 * - `1009`: A frame above `limits.frame_bytes` of `welcome`. Send less; the same frame fails again.
 * - `1011`: A fault of the server. Reconnect and sync.
 * - `1012`: The server is shutting down. Reconnect.
 * - `1013`: The server cannot serve the connection at the moment. Reconnect later.
 * - `4000`: The same device has connected again. Do not reconnect by yourself.
 * - `4001`: No valid token: missing, malformed, expired or revoked. Reconnect with another token; the reason begins with `revoked` when the session was ended.
 * - `4003`: Not allowed: a page of another tenant, `/ws/{conversation_id}` without being a member, or only unknown subprotocols. Do not reconnect unchanged.
 * - `4008`: Entries were pushed four times and never acknowledged with `delivered`. Reconnect and acknowledge, or connect with `acks=off`.
 * - `4009`: The client reads more slowly than frames arrive. Reconnect and sync.
 * - `4029`: A limit of connections is reached; the reason begins with its name. Reconnect later.
 */
export type CloseCode =
  1001 | 1002 | 1007 | 1008 | 1009 | 1011 | 1012 | 1013 | 4000 | 4001 | 4003 | 4008 | 4009 | 4029;

/**
 * Presents a token: as the first frame of a connection that was opened without one, or later to extend it.
 */
export interface ClientAuth {
  type: 'auth';
  /**
   * A signed token (JWT) of the same user.
   */
  token: string;
}
/**
 * Asks for `pong`. At least one frame in each heartbeat interval shows that the client is alive.
 */
export interface ClientPing {
  type: 'ping';
}
/**
 * Appends a message to a conversation. Answered by `sent` or `error`.
 */
export interface ClientSend {
  type: 'send';
  /**
   * With `thread`: shown in the conversation as well.
   */
  also_in_main?: boolean;
  /**
   * Made by the client for this operation. A repeat of the operation has the same one, and is stored once.
   */
  client_id: ClientId;
  /**
   * Of a `text`: `{"text": "…", "entities": […]}`, the entities being optional. The protocol description has all kinds.
   */
  content: {
    [k: string]: unknown;
  };
  /**
   * The conversation. Exactly one of `conversation_id` and `to` is given.
   */
  conversation_id?: ConversationId;
  /**
   * Only devices of this type see the content; for all others the entry is blank.
   */
  device_type?: 'web' | 'ios' | 'android' | 'desktop' | 'bot';
  /**
   * A JSON object for the application; the server does not interpret it.
   */
  extra?: {
    [k: string]: unknown;
  };
  /**
   * Asks for the attention of the members.
   */
  is_important?: boolean;
  /**
   * `text` (the default), `card` or `encrypted`; `notice` and `call` need a token with the role `admin`.
   */
  kind?: string;
  /**
   * Mentions all members, of a group: its owner and its admins may, and everybody in groups of at most 50.
   */
  mention_all?: boolean;
  /**
   * Users named in the content; at most 64, all of them members.
   */
  mentions?: UserId[];
  /**
   * Repeated in the answer; at most 64 bytes.
   */
  ref?: string;
  /**
   * The seq of the entry that this message answers.
   */
  reply_to?: number;
  /**
   * The seq of a message: this one is a reply in its thread. That message is in no thread itself.
   */
  thread?: number;
  /**
   * A user: the message goes to the direct conversation with that user, which is created if it does not exist.
   */
  to?: UserId;
}
/**
 * Pins a message or unpins it. Answered by `sent` or `error`.
 */
export interface ClientPin {
  type: 'pin';
  /**
   * Made by the client for this operation. A repeat of the operation has the same one, and is stored once.
   */
  client_id: ClientId;
  /**
   * The conversation.
   */
  conversation_id: ConversationId;
  /**
   * True pins the message, false unpins it.
   */
  on: boolean;
  /**
   * Repeated in the answer; at most 64 bytes.
   */
  ref?: string;
  /**
   * The seq of the message.
   */
  seq: number;
}
/**
 * Copies a message that the user may see into another conversation, or the same one. Answered by `sent` or `error`.
 */
export interface ClientForward {
  type: 'forward';
  /**
   * Made by the client for this operation. A repeat of the operation has the same one, and is stored once.
   */
  client_id: ClientId;
  /**
   * The conversation that gets the copy.
   */
  conversation_id: ConversationId;
  /**
   * Repeated in the answer; at most 64 bytes.
   */
  ref?: string;
  /**
   * The message that is copied: its kind and its content, and nobody is mentioned.
   */
  source: Source;
}
/**
 * A message, by its place.
 */
export interface Source {
  /**
   * Its conversation.
   */
  conversation_id: ConversationId;
  /**
   * Its seq.
   */
  seq: number;
}
/**
 * Gives a message another content. Answered by `sent` or `error`.
 */
export interface ClientEdit {
  type: 'edit';
  /**
   * The seq of the last edit that the user has seen, 0 for none. When there is another one, nothing is changed: `error` with the code `conflict` and the last one in `current`.
   */
  base?: number;
  /**
   * Made by the client for this operation. A repeat of the operation has the same one, and is stored once.
   */
  client_id: ClientId;
  /**
   * The whole content, as a message of this kind has it.
   */
  content: {
    [k: string]: unknown;
  };
  /**
   * The conversation.
   */
  conversation_id: ConversationId;
  /**
   * A JSON object for the application; the server does not interpret it.
   */
  extra?: {
    [k: string]: unknown;
  };
  /**
   * Users named in the content; at most 64, all of them members.
   */
  mentions?: UserId[];
  /**
   * Repeated in the answer; at most 64 bytes.
   */
  ref?: string;
  /**
   * The seq of the message.
   */
  seq: number;
}
/**
 * Takes the content of messages away for everybody; they keep their place. Answered by `sent` or `error`.
 */
export interface ClientDelete {
  type: 'delete';
  /**
   * Made by the client for this operation. A repeat of the operation has the same one, and is stored once.
   */
  client_id: ClientId;
  /**
   * The conversation.
   */
  conversation_id: ConversationId;
  /**
   * For people; at most 500 characters.
   */
  reason?: string;
  /**
   * Repeated in the answer; at most 64 bytes.
   */
  ref?: string;
  /**
   * The seq of the message. Exactly one of `seq` and `seqs` is given.
   */
  seq?: number;
  /**
   * The seqs of 1 to 100 messages of the user's own: all of them are deleted, or none.
   */
  seqs?: number[];
}
/**
 * Reacts to a message, or does so no more. Answered by `sent` or `error`.
 */
export interface ClientReact {
  type: 'react';
  /**
   * Made by the client for this operation. A repeat of the operation has the same one, and is stored once.
   */
  client_id: ClientId;
  /**
   * The conversation.
   */
  conversation_id: ConversationId;
  /**
   * Mostly an emoji: 1 to 64 bytes of composed Unicode (NFC) without control characters.
   */
  key: string;
  /**
   * True adds the user's reaction, false takes it back.
   */
  on: boolean;
  /**
   * Repeated in the answer; at most 64 bytes.
   */
  ref?: string;
  /**
   * The seq of the message.
   */
  seq: number;
}
/**
 * Sets something of the user's own for all of their devices: an entry of kind `set` in their self log. Answered by `sent` or `error`.
 */
export interface ClientSet {
  type: 'set';
  /**
   * The seq of the last entry of the self log that the device knew. Refused as `conflict` where a later one has set the same. Absent: whatever was set before, this holds.
   */
  base?: number;
  /**
   * Made by the client for this operation. A repeat of the operation has the same one, and is stored once.
   */
  client_id: ClientId;
  /**
   * The conversation that it is for. Absent for `push` and `privacy`, which are for all.
   */
  conversation_id?: ConversationId;
  /**
   * Repeated in the answer; at most 64 bytes.
   */
  ref?: string;
  /**
   * The seq of the first message of the thread, for `follow_thread`.
   */
  thread?: number;
  /**
   * Depends on `what`; `null` is what holds where nothing was ever set.
   */
  value: {
    [k: string]: unknown;
  };
  /**
   * What is set.
   */
  what: 'mute' | 'archive' | 'pin' | 'hidden' | 'marked_unread' | 'follow_thread' | 'push' | 'privacy';
}
/**
 * Keeps what the user writes and has not sent, for all of their devices: an entry of kind `draft` in their self log. Answered by `sent` or `error`.
 */
export interface ClientDraft {
  type: 'draft';
  /**
   * The seq of the last entry of the self log that the device knew. Refused as `conflict` where a later one has another draft of the same place. Absent: whatever was there, this takes its place.
   */
  base?: number;
  /**
   * Made by the client for this operation. A repeat of the operation has the same one, and is stored once.
   */
  client_id: ClientId;
  /**
   * A JSON object, such as that of a message; absent, it takes the draft back.
   */
  content?: {
    [k: string]: unknown;
  };
  /**
   * The conversation that it is written in.
   */
  conversation_id: ConversationId;
  /**
   * Repeated in the answer; at most 64 bytes.
   */
  ref?: string;
  /**
   * The seq of the first message of the thread that it is written in.
   */
  thread?: number;
}
/**
 * Presses an action of a card: the bot that sent the card finds it in its self log, as an entry of kind `act`. Answered by `sent` or `error`.
 */
export interface ClientAct {
  type: 'act';
  /**
   * The `id` of the action.
   */
  action_id: string;
  /**
   * The sender of the card, a bot.
   */
  bot: UserId;
  /**
   * Made by the client for this operation. A repeat of the operation has the same one, and is stored once.
   */
  client_id: ClientId;
  /**
   * The conversation of the card.
   */
  conversation_id: ConversationId;
  /**
   * Repeated in the answer; at most 64 bytes.
   */
  ref?: string;
  /**
   * The seq of the card.
   */
  seq: number;
  /**
   * For an action without a `value`: what the bot is told with it; at most 2,000 characters.
   */
  value?: string;
}
/**
 * Asks for everything that the device does not have yet. Answered by `sync_page` frames and one `synced`, or by `error`.
 */
export interface ClientSync {
  type: 'sync';
  /**
   * The cursor of each conversation: the last entry up to which the device has all entries. At most 10,000.
   */
  cursors?: {
    [k: string]: Cursor;
  };
  /**
   * The `epoch` of the last `synced`; absent on a device without cursors.
   */
  epoch?: string;
  /**
   * With `states`: of a conversation of which the device lacks more entries than this, it gets the newest ones, and is told in `skipped` which are left out. From 1 to 2,000.
   */
  max_behind?: number;
  /**
   * Only this conversation; the log of notices comes only so, or when it has a cursor.
   */
  only?: ConversationId;
  /**
   * Repeated in an `error`; at most 64 bytes.
   */
  ref?: string;
  /**
   * Asks for the states of messages, beside their entries.
   */
  states?: boolean;
}
/**
 * All entries up to `seq` were delivered to this device. Cumulative; has no answer.
 */
export interface ClientDelivered {
  type: 'delivered';
  /**
   * The conversation.
   */
  conversation_id: ConversationId;
  /**
   * The seq of the last entry meant.
   */
  seq: number;
}
/**
 * All entries up to `seq` were read by the user of this device; with `thread`, the replies of that thread alone. Cumulative; has no answer.
 */
export interface ClientRead {
  type: 'read';
  /**
   * The conversation.
   */
  conversation_id: ConversationId;
  /**
   * The seq of the last entry meant.
   */
  seq: number;
  /**
   * The seq of the first message of a thread that the user follows.
   */
  thread?: number;
}
/**
 * The user has started or stopped typing. Repeated at least every 5 s while the user is typing: other clients end it 6 s after the last one. Has no answer.
 */
export interface ClientTyping {
  type: 'typing';
  /**
   * The conversation.
   */
  conversation_id: ConversationId;
  /**
   * True while the user is typing.
   */
  on: boolean;
}
/**
 * Sets the status that other users see. Stored until it is set again; has no answer.
 */
export interface ClientStatus {
  type: 'status';
  /**
   * The status; `invisible` is shown to others as `offline`.
   */
  status: 'online' | 'away' | 'busy' | 'invisible';
}
/**
 * One step of a call, sent to all devices of another user. Not stored: a user who is not connected does not get it. Answered only by an `error`.
 */
export interface ClientSignal {
  type: 'signal';
  /**
   * Made by the caller for this call.
   */
  call_id: CallId;
  /**
   * Any JSON for the other client, such as a session description; the server does not interpret it.
   */
  data?: {
    [k: string]: unknown;
  };
  /**
   * The step of the call.
   */
  kind: SignalKind;
  /**
   * Repeated in an `error`; at most 64 bytes.
   */
  ref?: string;
  /**
   * The other user.
   */
  to: UserId;
}
/**
 * Asks whether this device is to show a notice that is shown once for each user (`display` is `user`). Answered by `shown` or `error`.
 */
export interface ClientShow {
  type: 'show';
  /**
   * Made by the client for this request. A repeat of it has the same one, and the same answer.
   */
  client_id: ClientId;
  /**
   * The notice: the `client_id` of its entry.
   */
  notice_id: string;
  /**
   * Repeated in the answer; at most 64 bytes.
   */
  ref?: string;
}
/**
 * Says something to every connection of the tenant: for tokens with one of the roles that may (`limits.broadcast_roles`). Stored nowhere. Answered only by an `error`: who says it hears it, too, in a frame `notice`.
 */
export interface ClientBroadcast {
  type: 'broadcast';
  /**
   * Made by the client; the `id` of the `notice`. A repeat with it is heard once.
   */
  client_id: ClientId;
  /**
   * A JSON object for the application; the server does not interpret it.
   */
  content: {
    [k: string]: unknown;
  };
  /**
   * Repeated in an `error`; at most 64 bytes.
   */
  ref?: string;
}
/**
 * The connection is registered: entries that are committed from now on are pushed to it.
 */
export interface ServerWelcome {
  type: 'welcome';
  /**
   * Names this connection in logs; the path of an event stream's posts.
   */
  connection_id: string;
  /**
   * The epoch of the store: cursors of another epoch are not valid. Absent when the server does not know it at the moment; `synced` has it as well.
   */
  epoch?: string;
  /**
   * How often the server pings, in milliseconds.
   */
  heartbeat_ms: number;
  /**
   * What the server accepts.
   */
  limits: Limits;
  /**
   * The highest seq of the log of notices, as in `pong`.
   */
  notices?: number;
  /**
   * The log of notices: a conversation that everybody reads and nobody is a member of.
   */
  notices_id?: ConversationId;
  /**
   * The user's self log, also where there is none yet.
   */
  self_log?: ConversationId;
  /**
   * The status that the user has chosen; absent when the server does not know it at the moment.
   */
  status?: 'online' | 'away' | 'busy' | 'invisible';
  /**
   * The user of the token.
   */
  user_id: UserId;
}
/**
 * Limits told in `welcome`.
 */
export interface Limits {
  /**
   * The largest content of a message, in bytes without insignificant spaces and escapes.
   */
  content_bytes: number;
  /**
   * The largest frame, in bytes.
   */
  frame_bytes: number;
  /**
   * How many requests may await their answer at once.
   */
  in_flight: number;
  /**
   * The longest text, in characters.
   */
  text_chars: number;
}
/**
 * The answer to `ping`. Also sent unasked when pushes may have been lost.
 */
export interface ServerPong {
  type: 'pong';
  /**
   * The digest of the heads of the user's conversations; absent when the server cannot compute it at the moment.
   */
  heads?: number;
  /**
   * The same including the ids of the entries at the heads, for connections with `heads=2`.
   */
  heads2?: number;
  /**
   * The highest seq of the log of notices; a device that is behind asks for it with `sync` and `only`. Absent when the server does not know it at the moment.
   */
  notices?: number;
}
/**
 * One entry of the log of a conversation. It has the same form live, in sync pages and over REST.
 */
export interface ServerEntry {
  type: 'entry';
  /**
   * An entry of a thread that is shown in the conversation as well.
   */
  also_in_main?: boolean;
  /**
   * The `client_id` of the operation, by which the devices of the author find it in their outbox.
   */
  client_id?: ClientId;
  /**
   * Depends on `kind`; `{}` where the reader may not see the content.
   */
  content: {
    [k: string]: unknown;
  };
  /**
   * The conversation.
   */
  conversation_id: ConversationId;
  /**
   * When its content is removed for everybody, in Unix milliseconds.
   */
  expires_at?: number;
  /**
   * A JSON object of the application; the server does not interpret it.
   */
  extra?: {
    [k: string]: unknown;
  };
  /**
   * It is a copy of another message, of which this is known.
   */
  forwarded?: Forwarded;
  /**
   * The id of the entry.
   */
  id: EntryId;
  /**
   * The author asked for the attention of the members.
   */
  is_important?: boolean;
  /**
   * `text`, `notice`, `pin`, `edit`, `delete`, `reaction`, `tally`, `system`, `set`, `draft` and `act` in self logs, or a kind of a `text`, `card`, `encrypted`, `notice`, `call`, `pin`, `edit`, `delete`, `reaction`, `tally`, `system`, or a kind of a later version.
   */
  kind: string;
  /**
   * All members are mentioned.
   */
  mention_all?: boolean;
  /**
   * Users named in the content.
   */
  mentions?: UserId[];
  /**
   * The seq of the entry that this message answers.
   */
  reply_to?: number;
  /**
   * The author.
   */
  sender: Sender;
  /**
   * The place in the log, counted from 1 without gaps.
   */
  seq: number;
  /**
   * The seq of the entry that this one changes.
   */
  target?: number;
  /**
   * The seq of the first message of the thread that this entry belongs to.
   */
  thread?: number;
  /**
   * When it was stored, in Unix milliseconds.
   */
  timestamp: number;
}
/**
 * The message that was copied first.
 */
export interface Forwarded {
  /**
   * When it was stored, in Unix milliseconds.
   */
  at: number;
  /**
   * Who wrote it.
   */
  user: UserId;
}
/**
 * The author of an entry.
 */
export interface Sender {
  /**
   * The display name; absent when the token has none.
   */
  name?: string;
  /**
   * `user`; `bot` for tokens with the role `bot`; `operator` for notices of tokens with the role `admin`; `system` for events that the server writes.
   */
  type: 'user' | 'bot' | 'operator' | 'system';
  /**
   * The address of a picture; absent when the token has none.
   */
  avatar?: string;
  /**
   * The user id.
   */
  id: UserId;
}
/**
 * The operation is stored, exactly once, at this place.
 */
export interface ServerSent {
  type: 'sent';
  /**
   * As in the request.
   */
  client_id: ClientId;
  /**
   * The conversation.
   */
  conversation_id: ConversationId;
  /**
   * The id of the entry; absent with `unchanged` and with `tallied`, and of an `act`.
   */
  id?: EntryId;
  /**
   * As in the request.
   */
  ref?: string;
  /**
   * The seq of the entry; with `unchanged`, the head of the log or, of a message, the last entry that changed it, which it is with `tallied`, too; of an `act`, that of the card.
   */
  seq: number;
  /**
   * The reaction is stored, and no entry of its own tells of it: a `tally` does, together with others.
   */
  tallied?: boolean;
  /**
   * When it was stored, in Unix milliseconds.
   */
  timestamp: number;
  /**
   * Everything already was as the operation wants it, and nothing was stored.
   */
  unchanged?: boolean;
}
/**
 * Entries of one conversation that the device does not have yet.
 */
export interface ServerSyncPage {
  type: 'sync_page';
  /**
   * For a `sync` with `states`: the last entry that the page takes account of. Messages of the page without a state were not changed up to it.
   */
  as_of?: number;
  /**
   * The conversation.
   */
  conversation_id: ConversationId;
  /**
   * The entries, by ascending seq.
   */
  entries: Entry[];
  /**
   * The user is not a member any more: discard the conversation.
   */
  gone?: boolean;
  /**
   * The highest seq of the log.
   */
  head: number;
  /**
   * More pages of this conversation follow.
   */
  more: boolean;
  /**
   * On pages of the self log that the device has no valid cursor of, before those with entries: what the user has set. The pages of one sync are parts of one whole.
   */
  own?: Own;
  /**
   * The cursor is not valid: discard the entries of this conversation and continue from this page.
   */
  reset: boolean;
  /**
   * The entries behind the cursor that this sync leaves out, because there are more than `max_behind`. Messages that the device holds may have changed in them.
   */
  skipped?: Skipped;
  /**
   * On the first page of a conversation without a valid cursor: entries before this seq are not part of this sync and can be read over REST.
   */
  skipped_before?: number;
  /**
   * The states of those messages of the page that were changed, by seq.
   */
  states?: {
    [k: string]: MessageState;
  };
}
/**
 * One entry of the log of a conversation. It has the same form live, in sync pages and over REST.
 */
export interface Entry {
  /**
   * An entry of a thread that is shown in the conversation as well.
   */
  also_in_main?: boolean;
  /**
   * The `client_id` of the operation, by which the devices of the author find it in their outbox.
   */
  client_id?: ClientId;
  /**
   * Depends on `kind`; `{}` where the reader may not see the content.
   */
  content: {
    [k: string]: unknown;
  };
  /**
   * The conversation.
   */
  conversation_id: ConversationId;
  /**
   * When its content is removed for everybody, in Unix milliseconds.
   */
  expires_at?: number;
  /**
   * A JSON object of the application; the server does not interpret it.
   */
  extra?: {
    [k: string]: unknown;
  };
  /**
   * It is a copy of another message, of which this is known.
   */
  forwarded?: Forwarded;
  /**
   * The id of the entry.
   */
  id: EntryId;
  /**
   * The author asked for the attention of the members.
   */
  is_important?: boolean;
  /**
   * `text`, `notice`, `pin`, `edit`, `delete`, `reaction`, `tally`, `system`, `set`, `draft` and `act` in self logs, or a kind of a `text`, `card`, `encrypted`, `notice`, `call`, `pin`, `edit`, `delete`, `reaction`, `tally`, `system`, or a kind of a later version.
   */
  kind: string;
  /**
   * All members are mentioned.
   */
  mention_all?: boolean;
  /**
   * Users named in the content.
   */
  mentions?: UserId[];
  /**
   * The seq of the entry that this message answers.
   */
  reply_to?: number;
  /**
   * The author.
   */
  sender: Sender;
  /**
   * The place in the log, counted from 1 without gaps.
   */
  seq: number;
  /**
   * The seq of the entry that this one changes.
   */
  target?: number;
  /**
   * The seq of the first message of the thread that this entry belongs to.
   */
  thread?: number;
  /**
   * When it was stored, in Unix milliseconds.
   */
  timestamp: number;
}
/**
 * What the user has set for all of their devices.
 */
export interface Own {
  /**
   * Entries of the self log after this one are applied to it. What is not named is as where nothing was ever set.
   */
  as_of: number;
  /**
   * What the user writes and has not sent.
   */
  drafts?: KeptDraft[];
  /**
   * Settings that differ from where nothing was ever set.
   */
  settings: Setting[];
}
/**
 * What the user writes and has not sent.
 */
export interface KeptDraft {
  /**
   * The entry of the self log that has it: a `draft` of the same place with a smaller seq is older.
   */
  as_of: number;
  /**
   * A JSON object, as in the frame `draft`.
   */
  content: {
    [k: string]: unknown;
  };
  /**
   * The conversation that it is written in.
   */
  conversation_id: ConversationId;
  /**
   * The seq of the first message of the thread that it is written in.
   */
  thread?: number;
  /**
   * When it was stored, in Unix milliseconds.
   */
  timestamp: number;
}
/**
 * A setting of the user.
 */
export interface Setting {
  /**
   * The entry of the self log that set it: a `set` of the same with a smaller seq is older.
   */
  as_of: number;
  /**
   * The conversation that it is for; absent for what is for all.
   */
  conversation_id?: ConversationId;
  /**
   * The seq of the first message of the thread that it is for.
   */
  thread?: number;
  /**
   * As in the frame `set`.
   */
  value: {
    [k: string]: unknown;
  };
  /**
   * What is set, as in the frame `set`.
   */
  what: string;
}
/**
 * Entries that a sync leaves out.
 */
export interface Skipped {
  /**
   * The first one.
   */
  from_seq: number;
  /**
   * The last one.
   */
  to_seq: number;
}
/**
 * What changes have made of a message. It takes account of all entries up to `as_of`.
 */
export interface MessageState {
  /**
   * The last entry that changed the message.
   */
  as_of: number;
  /**
   * The content in place of that of the entry; with it, `mentions` and `extra` are those of the message, too.
   */
  content?: {
    [k: string]: unknown;
  };
  /**
   * By what the message was deleted.
   */
  deleted?: DeletedState;
  /**
   * The edits of the message; absent where there are none.
   */
  edited?: EditedState;
  /**
   * A JSON object of the application; the server does not interpret it.
   */
  extra?: {
    [k: string]: unknown;
  };
  /**
   * Why the content is gone: `deleted` or `expired`.
   */
  gone?: string;
  /**
   * Users named in `content`.
   */
  mentions?: UserId[];
  /**
   * The keys that the user has reacted with. Only in answers to a user, never in what is pushed.
   */
  mine?: string[];
  /**
   * By what the message is pinned; absent where it is not.
   */
  pinned?: PinnedState;
  /**
   * The reactions by key.
   */
  reactions?: {
    [k: string]: ReactionState;
  };
  /**
   * There are too many reactions to name who they are of: `reactions` has counts alone.
   */
  tallied?: boolean;
  /**
   * The replies in the thread that the message begins; absent where there are none.
   */
  thread?: ThreadState;
}
/**
 * By what a message was deleted.
 */
export interface DeletedState {
  /**
   * As what it was deleted.
   */
  by: 'sender' | 'admin' | 'moderator' | 'operator';
  /**
   * The seq of the entry that deleted it.
   */
  seq: number;
}
/**
 * The edits of a message.
 */
export interface EditedState {
  /**
   * When the last one was made, in Unix milliseconds.
   */
  at: number;
  /**
   * How many there are.
   */
  count: number;
  /**
   * The seq of the last one.
   */
  seq: number;
}
/**
 * By what a message is pinned.
 */
export interface PinnedState {
  /**
   * Who pinned it.
   */
  by: UserId;
  /**
   * The seq of the entry that pinned it.
   */
  seq: number;
}
/**
 * The reactions to a message with one key.
 */
export interface ReactionState {
  /**
   * Who they are of, the first one first; absent where reactions are tallied.
   */
  by?: UserId[];
  /**
   * How many there are.
   */
  n: number;
}
/**
 * The replies in a thread.
 */
export interface ThreadState {
  /**
   * Who wrote the last ones, at most 10 users in the order of their last replies.
   */
  by: UserId[];
  /**
   * When the last one was stored, in Unix milliseconds.
   */
  last_at: number;
  /**
   * The seq of the last one.
   */
  last_seq: number;
  /**
   * How many there are, deleted ones as well.
   */
  n: number;
}
/**
 * The sync is complete.
 */
export interface ServerSynced {
  type: 'synced';
  /**
   * How many conversations the user is a member of.
   */
  conversations: number;
  /**
   * The epoch of the cursors from now on.
   */
  epoch: string;
  /**
   * As in the `sync` that it answers.
   */
  only?: ConversationId;
}
/**
 * How far a member has received and read a conversation. Never goes back.
 */
export interface ServerReceipt {
  type: 'receipt';
  /**
   * The conversation.
   */
  conversation_id: ConversationId;
  /**
   * All entries up to here were delivered to a device of the member.
   */
  delivered_seq: number;
  /**
   * All entries up to here were read by the member.
   */
  read_seq: number;
  /**
   * The member.
   */
  user_id: UserId;
}
/**
 * How far this user has read a thread, told to all of the user's devices. Never goes back.
 */
export interface ServerThreadRead {
  type: 'thread_read';
  /**
   * The conversation.
   */
  conversation_id: ConversationId;
  /**
   * All replies up to here were read.
   */
  read_seq: number;
  /**
   * The seq of the first message of the thread.
   */
  thread: number;
}
/**
 * A member has started or stopped typing.
 */
export interface ServerTyping {
  type: 'typing';
  /**
   * The conversation.
   */
  conversation_id: ConversationId;
  /**
   * The client ends it after this time without another `typing`, in milliseconds; absent when `on` is false.
   */
  expires_ms?: number;
  /**
   * True while the member is typing.
   */
  on: boolean;
  /**
   * The member.
   */
  user_id: UserId;
}
/**
 * The status of a user, over all of the user's devices, has changed.
 */
export interface ServerPresence {
  type: 'presence';
  /**
   * How many devices are connected.
   */
  devices: number;
  /**
   * What happened: `user_online`, `user_offline`, `device_connected`, `device_disconnected` or `status_changed`.
   */
  event: string;
  /**
   * When the user was last connected, in Unix milliseconds; absent while connected and for users never seen.
   */
  last_seen?: number;
  /**
   * The status as others see it.
   */
  status: 'online' | 'away' | 'busy' | 'offline';
  /**
   * The user.
   */
  user_id: UserId;
}
/**
 * A step of a call with another user.
 */
export interface ServerSignal {
  type: 'signal';
  /**
   * The call.
   */
  call_id: CallId;
  /**
   * As the other client sent it.
   */
  data?: {
    [k: string]: unknown;
  };
  /**
   * The other user.
   */
  from: UserId;
  /**
   * The step of the call.
   */
  kind: SignalKind;
}
/**
 * A broadcast of an operator to every connected user, which is not stored; or a notice, for a connection without `notices=1`.
 */
export interface ServerNotice {
  type: 'notice';
  /**
   * A JSON object of the operator; the server does not interpret it.
   */
  content: {
    [k: string]: unknown;
  };
  /**
   * The id of the broadcast. A connection gets each one at most once.
   */
  id: string;
  /**
   * Who sent it; absent in notices that are kept.
   */
  sender?: UserId;
  /**
   * When it was sent, in Unix milliseconds.
   */
  timestamp: number;
}
/**
 * The answer to `show`: whether this device shows the notice.
 */
export interface ServerShown {
  type: 'shown';
  /**
   * As in the request.
   */
  client_id: ClientId;
  /**
   * True for the one device that shows it; repeated for the same `client_id`.
   */
  first: boolean;
  /**
   * The notice.
   */
  notice_id: string;
  /**
   * As in the request.
   */
  ref?: string;
  /**
   * When the notice was shown first, in Unix milliseconds.
   */
  timestamp: number;
}
/**
 * The user did something with a notice, on this device or another one. May be lost; `GET /api/v1/notices` says it as well.
 */
export interface ServerNoticeMark {
  type: 'notice_mark';
  /**
   * The notice.
   */
  notice_id: string;
  /**
   * What the user did.
   */
  state: 'shown' | 'read' | 'clicked' | 'dismissed';
  /**
   * When it was done first, in Unix milliseconds.
   */
  timestamp: number;
}
/**
 * The server is shutting down, or other servers have more room. The client waits for pending answers, then reconnects.
 */
export interface ServerRedirect {
  type: 'redirect';
  /**
   * How long to wait before reconnecting, in milliseconds.
   */
  after_ms: number;
  /**
   * The address of the next connection, `wss://host/ws`, for one attempt; after it the usual address is valid again. Present where the operator has configured servers.
   */
  server?: string;
}
/**
 * The settings for the measured quality of this connection's network. Sent to connections with `network`, after `welcome` and at each change.
 */
export interface ServerNetworkOptimization {
  type: 'network_optimization';
  /**
   * The most frames in one `batch`; 1 means no batches.
   */
  batch: number;
  /**
   * Whether frames are compressed, if the upgrade agreed on compression.
   */
  compression: boolean;
  /**
   * The interval of the server's pings from now on, in milliseconds; the client pings as often.
   */
  heartbeat_ms: number;
  /**
   * The quality of the network.
   */
  quality: Quality;
  /**
   * How often a client repeats an unanswered request before it reports a failure to its user.
   */
  retries: number;
}
/**
 * Several server frames in one, for connections with `batch` or `network`. None of them is a `batch`.
 */
export interface ServerBatch {
  type: 'batch';
  /**
   * The frames, in their order.
   */
  frames: ServerFrame[];
}
/**
 * The answer to a request that was refused or has failed.
 */
export interface ServerError {
  type: 'error';
  /**
   * As in the request.
   */
  client_id?: ClientId;
  /**
   * The error code.
   */
  code: ErrorCode;
  /**
   * With the code `conflict`, for a request with a `base`: the seq of the entry that came after it; 0 for none.
   */
  current?: number;
  /**
   * The limit that was reached; only with the code `rate_limited`.
   */
  limit?: Limit;
  /**
   * A text for people that says what to do.
   */
  message: string;
  /**
   * As in the request.
   */
  ref?: string;
  /**
   * How long to wait before sending again, in milliseconds.
   */
  retry_after_ms?: number;
  /**
   * Whether the request was stored.
   */
  stored: Stored;
}
/**
 * The last event of an event stream, with the SSE event name `close`: what the close frame of a WebSocket says.
 */
export interface CloseEvent {
  code: CloseCode;
  /**
   * For people; it may begin with a word for programs.
   */
  reason: string;
}
