// Who may pin a message, and whether it is pinned.

import type { Conversation, PinnedEntry } from '../sdk/rest';
import type { Operation } from '../sdk/types';

/** Both of a direct conversation; of a group those who lead it. */
export function mayPin({ kind, my_role }: Pick<Conversation, 'kind' | 'my_role'>): boolean {
  return kind === 'direct' || my_role !== 'member';
}

/** As it will be when what this user has asked for is done. `pending` is of one conversation or of several. */
export function isPinned(
  entry: { conversation_id: string; seq: number },
  pins: readonly PinnedEntry[],
  pending: readonly Operation[],
): boolean {
  const asked = pending.findLast(
    (one) => one.type === 'pin' && one.conversation_id === entry.conversation_id && one.seq === entry.seq,
  );
  if (asked?.type === 'pin') return asked.on;
  return pins.some((one) => one.entry.seq === entry.seq);
}
