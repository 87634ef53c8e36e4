// The message that another one answers, above it. A press leads there.

import type { Entry } from '../sdk/frames';
import { isBlank } from '../sdk/kinds';
import { wordsNow } from './changed';
import { messagesOf } from './folded';
import type { Session } from './session';

const MOST_CHARACTERS = 160;

export function Quoted({ session, entry }: { session: Session; entry: Entry }) {
  const { conversation_id, reply_to = 0 } = entry;
  const quoted = messagesOf(session, conversation_id).get(reply_to)?.entry;
  const isThere = quoted && !isBlank(quoted);
  return (
    <button
      type="button"
      class="plain quoted"
      data-testid="quoted"
      tabIndex={-1}
      onClick={() => session.lead(conversation_id, reply_to)}
    >
      <span class="for-ears">In answer to </span>
      {quoted && (
        <b>
          <bdi>{quoted.sender.id === session.userId ? 'You' : session.nameOf(quoted.sender.id)}</bdi>
        </b>
      )}{' '}
      <span dir="auto">
        {isThere
          ? wordsNow(session, quoted).slice(0, MOST_CHARACTERS)
          : quoted
            ? 'a message that was deleted'
            : 'an earlier message'}
      </span>
    </button>
  );
}
