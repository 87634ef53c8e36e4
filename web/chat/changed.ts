// What changes have made of the messages of the open conversation, as soon as the code for that is there: most
// conversations have none at first.

import type { MessageState } from '../sdk/fold';
import type { Entry } from '../sdk/frames';
import { contentOf } from '../sdk/kinds';
import { extras } from './parts';
import type { Session } from './session';
import { wordsOf } from './words';

const CHANGES = ['edit', 'delete', 'reaction', 'tally'];

/** Something is to be folded. */
export function isChange({ kind, thread }: Entry): boolean {
  return thread !== undefined || CHANGES.includes(kind);
}

/** Undefined where nothing has changed the message. The same object as long as nothing changes it. */
export function stateOf(session: Session, entry: Entry): MessageState | undefined {
  return extras.value?.stateOf(session, entry);
}

/** What a message says now, as plain text. */
export function wordsNow(session: Session, entry: Entry): string {
  return wordsOf({ kind: entry.kind, content: contentOf(entry, stateOf(session, entry)) });
}
