// One message of a conversation, or one that is on its way.

import type { Entry } from '../sdk/frames';
import type { Conversation } from '../sdk/rest';
import type { Operation } from '../sdk/types';
import type { Session } from './session';
import { clock, describe, pieces } from './text';

interface MessageProps {
  session: Session;
  conversation: Conversation;
  entry: Entry;
  marks: { delivered: number; read: number };
}

export function Message({ session, conversation, entry, marks }: MessageProps) {
  if (entry.kind === 'system') {
    return <li class="system">{describe(entry, (user) => session.nameOf(user))}</li>;
  }
  const mine = entry.sender.id === session.userId;
  const mark = marks.read >= entry.seq ? 'read' : marks.delivered >= entry.seq ? 'delivered' : 'sent';
  return (
    <li class={mine ? 'message mine' : 'message'} data-testid="message" data-seq={entry.seq}>
      {!mine && conversation.kind === 'group' && <b>{session.nameOf(entry.sender.id)}</b>}
      <p>
        {pieces(String(entry.content?.text ?? '')).map((piece) =>
          piece.link ? (
            <a key={piece.text} href={piece.text} target="_blank" rel="noopener noreferrer">
              {piece.text}
            </a>
          ) : (
            piece.text
          ),
        )}
      </p>
      <small>
        {clock(entry.timestamp)}
        {mine && (
          <span class={`mark ${mark}`} data-testid="mark">
            {mark}
          </span>
        )}
      </small>
    </li>
  );
}

/** A message that the server has not answered yet. */
export function Waiting({ operation }: { operation: Operation }) {
  return (
    <li class="message mine waiting" data-testid="message">
      <p>{operation.content.text}</p>
      <small>sending…</small>
    </li>
  );
}
