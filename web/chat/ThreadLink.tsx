// Leads from a message to the thread that it begins or stands in.

import type { MessageState } from '../sdk/fold';
import type { Entry } from '../sdk/frames';
import { clock } from './formats';
import { openThread } from './threading';

export function ThreadLink({ entry, state }: { entry: Entry; state: MessageState | undefined }) {
  const { n = 0, last_at = 0 } = state?.thread ?? {};
  const root = entry.thread ?? entry.seq;
  if (entry.thread === undefined && n === 0) return null;
  return (
    <button
      type="button"
      class="plain thread-link"
      data-testid="thread-link"
      tabIndex={-1}
      onClick={() => {
        openThread.value = { id: entry.conversation_id, seq: root };
      }}
    >
      {entry.thread !== undefined
        ? 'In a thread'
        : `${n === 1 ? '1 reply' : `${n} replies`}, ${clock(last_at)}`}
    </button>
  );
}
