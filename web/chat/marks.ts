// What a message of one's own is marked with: how many of those who may see it have received and read it.

import type { Member } from '../sdk/rest';

export interface Mark {
  word: 'sent' | 'delivered' | 'read';
  /** For the eye: with numbers where it is true of some only. */
  text: string;
  /** Who has read it and who has not. */
  detail: string;
}

const SENT: Mark = { word: 'sent', text: 'sent', detail: '' };
/** Names that are told of each kind. */
const MOST_NAMES = 8;

export interface Marked {
  isGroup: boolean;
  /** The others; undefined while they are not all known. */
  others: readonly Member[] | undefined;
  nameOf: (user: string) => string;
}

/** `read` and `delivered` stand for everybody: of a part it is said how large. */
export function markOf(seq: number, { isGroup, others, nameOf }: Marked): Mark {
  if (!others) return SENT;
  // A member who joined later does not see it, whatever their cursor says.
  const able = others.filter((member) => (member.from_seq ?? 1) <= seq);
  const readers = able.filter((member) => member.read_seq >= seq);
  const holders = able.filter((member) => member.delivered_seq >= seq || member.read_seq >= seq);
  if (able.length === 0) return SENT;
  const isRead = readers.length > 0 && (isGroup || readers.length === able.length);
  const some = isRead ? readers : holders;
  if (some.length === 0) return SENT;
  const isAll = some.length === able.length;
  const word = isRead ? 'read' : 'delivered';
  const of = `${some.length} of ${able.length}`;
  const detail = told(able, readers, holders, nameOf);
  if (isAll) return { word, text: word, detail };
  return {
    word: isRead ? 'delivered' : 'sent',
    text: isRead ? `read by ${of}` : `delivered to ${of}`,
    detail,
  };
}

function told(
  able: readonly Member[],
  readers: readonly Member[],
  holders: readonly Member[],
  nameOf: (user: string) => string,
): string {
  const list = (what: string, members: readonly Member[]) => {
    if (members.length === 0) return '';
    const names = members.slice(0, MOST_NAMES).map((member) => nameOf(member.user_id));
    const more = members.length - names.length;
    return `${what} ${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
  };
  const delivered = holders.filter((member) => !readers.includes(member));
  const waiting = able.filter((member) => !holders.includes(member));
  return [list('Read by', readers), list('Delivered to', delivered), list('Not yet delivered to', waiting)]
    .filter(Boolean)
    .join('. ');
}
