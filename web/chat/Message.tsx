// One message of a conversation, or one that is on its way.

import type { Entry } from '../sdk/frames';
import type { Operation } from '../sdk/types';
import { timeOf } from './formats';
import type { Mark } from './marks';
import { memo } from './memo';
import type { Session } from './session';
import { describe, pieces } from './text';

interface MessageProps {
  session: Session;
  entry: Entry;
  isGroup: boolean;
  /** Of one's own. */
  mark: Mark | undefined;
  /** The first and the last of a group of messages of one sender. */
  starts: boolean;
  ends: boolean;
}

/** Drawn again only when something of it has changed: there are many. */
export const Message = memo(OneMessage);

function OneMessage({ session, entry, isGroup, mark, starts }: MessageProps) {
  if (entry.kind === 'system') {
    return (
      <li class="system" data-seq={entry.seq}>
        {describe(entry, (user) => session.nameOf(user))}
      </li>
    );
  }
  const mine = entry.sender.id === session.userId;
  return (
    <li class={mine ? 'message mine' : 'message'} data-testid="message" data-seq={entry.seq}>
      {!mine && isGroup && starts && <b>{session.nameOf(entry.sender.id)}</b>}
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
        {timeOf(entry.timestamp)}
        {mark && (
          <span class={`mark ${mark.word}`} data-testid="mark" title={mark.detail || undefined}>
            {mark.text}
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
