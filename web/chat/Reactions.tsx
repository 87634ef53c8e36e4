// Who reacted to a message with what. A press adds the own reaction, or takes it back.

import type { MessageState } from '../sdk/fold';
import type { Entry } from '../sdk/frames';
import { mineOf } from './folded';
import type { Session } from './session';

/** Names that are told of each key. */
const MOST_NAMES = 8;

export function react(session: Session, { conversation_id, seq }: Entry, key: string, on: boolean): void {
  session.problem.value = '';
  session.plan((client) => client.react(conversation_id, seq, key, on));
}

/** Who they are, as far as that is known. */
export function namesOf(session: Session, state: MessageState, key: string): string {
  const { n = 0, by = [] } = state.reactions?.[key] ?? {};
  const isMine = mineOf(state, session.userId).includes(key);
  const others = by.filter((user) => user !== session.userId).map((user) => session.nameOf(user));
  const named = [...(isMine ? ['you'] : []), ...others].slice(0, MOST_NAMES);
  const more = n - named.length;
  if (named.length === 0) return String(n);
  return named.join(', ') + (more > 0 ? ` and ${more} more` : '');
}

export function Reactions({
  session,
  entry,
  state,
}: {
  session: Session;
  entry: Entry;
  state: MessageState;
}) {
  const mine = mineOf(state, session.userId);
  const keys = Object.entries(state.reactions ?? {});
  if (keys.length === 0) return null;
  return (
    <span class="reactions" data-testid="reactions">
      {keys.map(([key, { n }]) => {
        const isMine = mine.includes(key);
        const names = namesOf(session, state, key);
        return (
          <button
            key={key}
            type="button"
            tabIndex={-1}
            data-testid="reaction"
            aria-pressed={isMine}
            aria-label={`${key} ${n}: ${names}`}
            title={names}
            onClick={() => react(session, entry, key, !isMine)}
          >
            <span aria-hidden="true">{key}</span> {n.toLocaleString()}
          </button>
        );
      })}
    </span>
  );
}
