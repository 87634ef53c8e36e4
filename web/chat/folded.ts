// What changes have made of the messages of the open conversation, as it is shown: with what this user has asked for
// and the server has not answered yet.

import { applied, type MessageState } from '../sdk/fold';
import type { Entry } from '../sdk/frames';
import { Messages } from '../sdk/messages';
import type { Operation } from '../sdk/types';
import type { Session } from './session';

/** With how much of what this user has reacted is in it. */
let open: { session: Session; id: string; messages: Messages; reacted: number } | undefined;

/** The messages of a conversation, as far as its log is held now. One conversation at a time is looked at. */
export function messagesOf(session: Session, id: string): Messages {
  const isOther = open?.session !== session || open.id !== id;
  if (!open || isOther) open = { session, id, messages: new Messages(), reacted: 0 };
  const { messages } = open;
  messages.follow(session.entries(id));
  for (const { conversation_id, seq, key, on, at, isNew } of session.reacted) {
    if (at <= open.reacted) continue;
    open.reacted = at;
    // What was said before this was opened is counted by now, or soon.
    if (conversation_id === id) messages.reacted(seq, key, on, isNew && !isOther);
  }
  return messages;
}

/** Undefined where nothing has changed the message. The same object as long as nothing changes it. */
export function stateOf(session: Session, { conversation_id, seq }: Entry): MessageState | undefined {
  const state = messagesOf(session, conversation_id).get(seq)?.state;
  const asked = session.pending.value.filter(
    (one) => one.type && 'seq' in one && one.conversation_id === conversation_id && one.seq === seq,
  );
  if (asked.length > 0)
    return asked.reduce((before, one) => wished(before, one, session.userId), state ?? { as_of: seq });
  for (const key in state) if (key !== 'as_of') return state;
  return undefined;
}

/** As it will be when the server has done what was asked for. */
function wished(state: MessageState, operation: Operation, id: string): MessageState {
  const as = (kind: string, content: object) =>
    applied(state, {
      kind,
      content,
      seq: state.as_of + 1,
      sender: { id, type: 'user' },
      timestamp: operation.written_at,
    } as Entry);
  switch (operation.type) {
    case 'react':
      return as('reaction', { key: operation.key, on: operation.on });
    case 'edit':
      return as('edit', { content: operation.content });
    default:
      return state;
  }
}

/** Keys with which this user has reacted. */
export function mineOf(state: MessageState | undefined, userId: string): string[] {
  const counted = state?.tallied ? (state.mine ?? []) : [];
  const named = Object.entries(state?.reactions ?? {}).filter(([, { by }]) => by?.includes(userId));
  return [...new Set([...named.map(([key]) => key), ...counted])];
}
