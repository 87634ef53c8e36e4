// Words for people.

import type { Entry } from '../sdk/frames';

export { clock } from './formats';

/** A system entry as a sentence. */
export function describe(entry: Entry, nameOf: (user: string) => string): string {
  const who = nameOf(entry.sender.id);
  const content = entry.content ?? {};
  const names = (users: string[] = [], count = users.length) => {
    const others = count - users.length;
    return users.map(nameOf).join(', ') + (others > 0 ? ` and ${others} more` : '');
  };
  switch (content.event) {
    case 'created':
      return `${who} made “${content.title || 'this conversation'}”`;
    case 'members_added':
      return `${who} added ${names(content.members, content.count)}`;
    case 'member_removed':
      return `${who} removed ${nameOf(content.member)}`;
    case 'member_left':
      return `${who} left`;
    case 'role_changed':
      return `${who} made ${nameOf(content.member)} ${content.role}`;
    case 'renamed':
      return `${who} named it “${content.title}”`;
    default:
      return String(content.text ?? 'Something happened');
  }
}

/** A text in plain pieces and links; never HTML. */
export function pieces(text: string): { text: string; link: boolean }[] {
  return text
    .split(/(https?:\/\/[^\s<>"]+)/g)
    .filter(Boolean)
    .map((piece) => ({ text: piece, link: /^https?:\/\//.test(piece) }));
}
