// The frames of the protocol, as far as this client uses them.

export interface Sender {
  id: string;
  type: string;
  name?: string;
  avatar?: string;
}

export interface Entry {
  type: 'entry';
  conversation_id: string;
  seq: number;
  id: string;
  kind: string;
  sender: Sender;
  // biome-ignore lint/suspicious/noExplicitAny: depends on the kind
  content: any;
  client_id?: string;
  timestamp: number;
}

export interface Sent {
  type: 'sent';
  client_id: string;
  conversation_id: string;
  id: string;
  seq: number;
  timestamp: number;
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
}

export interface Typing {
  type: 'typing';
  conversation_id: string;
  user_id: string;
  on: boolean;
  /** End it by itself so many milliseconds later, unless it is said again. */
  expires_ms?: number;
}

export interface ErrorFrame {
  type: 'error';
  client_id?: string;
  code: string;
  message: string;
  stored: 'no' | 'unknown';
  retry_after_ms?: number;
  /** With `rate_limited`: the limit that was met; `waiting` is for answers, all others for time to pass. */
  limit?: 'messages' | 'states' | 'signals' | 'signal_bytes' | 'reads' | 'broadcasts' | 'frames' | 'waiting';
}

export type ServerFrame =
  | {
      type: 'welcome';
      connection_id: string;
      user_id: string;
      heartbeat_ms: number;
      epoch?: string;
    }
  | { type: 'pong'; heads?: number }
  | { type: 'synced'; epoch: string; conversations: number }
  | { type: 'redirect'; after_ms: number }
  | Entry
  | Sent
  | SyncPage
  | Receipt
  | Presence
  | Typing
  | ErrorFrame;
