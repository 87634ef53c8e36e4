// Words for people.

import type { Entry } from '../sdk/frames';

/** What was done to a conversation, as a sentence. */
export function describe(entry: Entry, nameOf: (user: string) => string): string {
  const who = nameOf(entry.sender.id);
  const { kind, content } = entry;
  if (kind === 'pin') return `${who} ${content.on ? 'pinned' : 'unpinned'} a message`;
  const names = (users: string[] = [], count = users.length) => {
    const others = count - users.length;
    return users.map(nameOf).join(', ') + (others > 0 ? ` and ${others} more` : '');
  };
  switch (content.event) {
    case 'created':
      return content.title ? `${who} made “${content.title}”` : `${who} began this conversation`;
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
      return 'Something happened';
  }
}

/** A text in plain pieces and links; never HTML. What ends a sentence does not belong to its link. */
export function pieces(text: string): { text: string; link: boolean }[] {
  return text
    .split(/(https?:\/\/[^\s<>"]+)/g)
    .flatMap((piece, at) => {
      if (at % 2 === 0) return [{ text: piece, link: false }];
      const link = withoutEnd(piece);
      return [
        { text: link, link: true },
        { text: piece.slice(link.length), link: false },
      ];
    })
    .filter((piece) => piece.text);
}

const OPENS: Record<string, string> = { ')': '(', ']': '[', '}': '{' };

/** Without trailing marks, and without a closing bracket that was not opened within the link. */
function withoutEnd(link: string): string {
  let end = link.length;
  for (; end > 0; end--) {
    const last = link[end - 1] ?? '';
    const opens = OPENS[last];
    const inside = link.slice(0, end);
    if (
      opens
        ? inside.split(opens).length >= inside.split(last).length
        : !/[.,;:!?'’”»…*_。，、！？；：）」』]/.test(last)
    )
      break;
  }
  return link.slice(0, end);
}

/** Characters as the server counts them. */
export function characters(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}
