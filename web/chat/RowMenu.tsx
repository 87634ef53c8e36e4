// What can be done with a conversation of the list: it is set for all devices of the user.

import type { Choice } from './choices';
import type { Listed } from './conversations';
import { Choices } from './Menu';
import type { Session } from './session';
import { isMuted } from './settings';

/** The longest mute with an end. */
const HOURS = 8;
const HOUR_MS = 3_600_000;

function choicesOf(session: Session, conversation: Listed): Choice[] {
  const { id, head, unread } = conversation;
  const { settings } = session;
  const { mute, isArchived, isPinned, isMarkedUnread } = settings.of(conversation);
  const choices: Choice[] = [
    { label: isPinned ? 'Unpin' : 'Pin to the top', run: () => settings.set(id, 'pin', !isPinned) },
  ];
  if (isMuted(mute)) {
    choices.push({ label: 'Unmute', run: () => settings.set(id, 'mute', null) });
  } else {
    const quiet = (until: number | null) => settings.set(id, 'mute', { until, mentions: true });
    choices.push({ label: 'Mute', run: () => quiet(null) });
    choices.push({ label: `Mute for ${HOURS} hours`, run: () => quiet(Date.now() + HOURS * HOUR_MS) });
  }
  choices.push({
    label: isArchived ? 'Take out of the archive' : 'Archive',
    run: () => settings.set(id, 'archive', !isArchived),
  });
  if (isMarkedUnread) {
    choices.push({ label: 'Mark as read', run: () => settings.set(id, 'marked_unread', false) });
  } else if (unread === 0) {
    choices.push({ label: 'Mark as unread', run: () => settings.set(id, 'marked_unread', true) });
  }
  choices.push({
    label: 'Hide until the next message',
    run: () => settings.set(id, 'hidden', { before_seq: head + 1 }),
  });
  return choices;
}

interface RowMenuProps {
  session: Session;
  conversation: Listed;
  /** The menu is to go; the focus goes back to where it came from. */
  onClose: () => void;
}

export function RowMenu({ session, conversation, onClose }: RowMenuProps) {
  return (
    <Choices
      label="Conversation"
      choices={choicesOf(session, conversation)}
      within=".rows"
      onClose={onClose}
    />
  );
}
