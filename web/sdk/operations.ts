// What the operations are that wait in an outbox: what each leaves behind when it is refused, and which entry each
// becomes. Must not know how they are kept or sent.

import { directId } from './direct';
import { rangesOf } from './fold';
import type { Entry, ErrorFrame, Sender, Sent } from './frames';
import type { Operation, SendOperation } from './types';

/** Somebody wrote it, and decides what becomes of it. Anything else is done again as easily as it was done. */
export function isMessageOperation(operation: Operation): operation is SendOperation {
  return operation.type === undefined;
}

/** What is to be stored in its order has the same queue: that of its conversation, or of what the user sets. */
export function queueOf({ type, conversation_id, to = '' }: Operation, userId: string): string {
  return type === 'set' || type === 'draft' ? 'own' : (conversation_id ?? directId(userId, to));
}

/** As the server refuses an operation, where it is refused here. */
export function refusal(client_id: string, code: string, message: string): ErrorFrame {
  return { type: 'error', client_id, code, message, stored: 'no' };
}

/**
 * The entry that a stored operation has become: what was said here, and over it what the answer says of the entry, its
 * id at least. The server tells its sender `sent` instead of the entry.
 */
export function entryOf(operation: Operation, answer: Sent, sender: Sender): Entry {
  return { ...said(operation), sender, ...answer, type: 'entry' } as Entry;
}

function said(operation: Operation): Pick<Entry, 'kind' | 'content' | 'target'> {
  const { seq: target } = operation as { seq?: number };
  switch (operation.type) {
    case 'pin':
      return { kind: 'pin', content: { on: operation.on }, target };
    case 'react':
      return { kind: 'reaction', content: { key: operation.key, on: operation.on }, target };
    case 'edit': {
      const { content, mentions, extra } = operation;
      return { kind: 'edit', content: { content, mentions, extra }, target };
    }
    case 'delete': {
      const { seqs, reason } = operation;
      return { kind: 'delete', content: { by: 'sender', seqs: seqs && rangesOf(seqs), reason }, target };
    }
    case 'draft': {
      const { conversation_id, thread, content } = operation;
      return { kind: 'draft', content: { conversation_id, thread, content } };
    }
    case 'act':
      // Its entry is the bot's alone.
      return { kind: 'act', content: {} };
    case 'set': {
      const { what, conversation_id, thread, value } = operation;
      return { kind: 'set', content: { what, conversation_id, thread, value } };
    }
  }
  const { written_at: _, to: _to, device_type: _type, kind = 'text', ...message } = operation;
  return { ...message, kind };
}
