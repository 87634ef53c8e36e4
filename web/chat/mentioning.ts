// Which members are meant by what stands before the caret, and what is put there for one of them.

import type { Conversation, Member } from '../sdk/rest';
import { ALL } from './markup';
import type { Session } from './session';

type Named = Pick<Member, 'user_id' | 'name'>;

export interface Meant {
  /** Where the name begins in the text, behind its `@`. */
  from: number;
  /** The first letters of it. */
  prefix: string;
}

/** Who may be meant, and which of them is chosen. */
export interface Suggested {
  meant: Meant;
  found: readonly Named[];
  chosen: number;
}

/** In larger groups only those who lead them mention everybody. */
const MOST_FOR_ALL = 50;
/** Shown at once. */
const MOST_FOUND = 6;

/** Who can be named in a message: all members that are known and, where this user may, all of them at once. */
export function namedIn(session: Session, conversation: Conversation): readonly Named[] {
  const members = session.membersOf(conversation);
  const { kind, my_role, member_count } = conversation;
  const mayAll = kind === 'group' && (my_role !== 'member' || member_count <= MOST_FOR_ALL);
  return mayAll ? [...members, ALL] : members;
}

/** Undefined where no name is being written. */
export function meantAt(text: string, caret: number): Meant | undefined {
  const [, prefix] = /(?:^|[^\p{L}\p{N}_@])@([\p{L}\p{N}\p{M}._-]{0,40})$/u.exec(text.slice(0, caret)) ?? [];
  return prefix === undefined ? undefined : { from: caret - prefix.length, prefix };
}

/** Those whose name or id begins so, and then those of whose name a later word does. */
export function membersMeant(prefix: string, members: readonly Named[], userId: string): Named[] {
  const wanted = prefix.toLowerCase();
  const rank = ({ user_id, name }: Named) => {
    const [whole, id] = [name.toLowerCase(), user_id.toLowerCase()];
    if (whole.startsWith(wanted) || id.startsWith(wanted)) return 0;
    return whole.split(/\s+/).some((word) => word.startsWith(wanted)) ? 1 : 2;
  };
  return members
    .filter((member) => member.user_id !== userId && rank(member) < 2)
    .sort((a, b) => rank(a) - rank(b))
    .slice(0, MOST_FOUND);
}

function isNamed({ user_id, name }: Named, text: string): boolean {
  return [user_id, name].some((label) => label.toLowerCase() === text.toLowerCase());
}

/** The text with the name in it, and where the caret is then. */
export function withMember(
  text: string,
  { from, prefix }: Meant,
  { user_id, name }: Named,
): [string, number] {
  const label = `${name || user_id} `;
  return [text.slice(0, from) + label + text.slice(from + prefix.length), from + label.length];
}

/** What is shown while a name is being written; undefined where none is. */
export function suggestedAt(
  field: Pick<HTMLTextAreaElement, 'value' | 'selectionStart' | 'selectionEnd'>,
  session: Session,
  conversation: Conversation,
): Suggested | undefined {
  if (field.selectionStart !== field.selectionEnd) return undefined;
  const meant = meantAt(field.value, field.selectionStart);
  if (!meant) return undefined;
  const found = membersMeant(meant.prefix, namedIn(session, conversation), session.userId);
  // A name that is written in full needs no choice: Enter sends.
  const isWhole = found.length === 1 && found.some((one) => isNamed(one, meant.prefix));
  return found.length > 0 && !isWhole ? { meant, found, chosen: 0 } : undefined;
}
