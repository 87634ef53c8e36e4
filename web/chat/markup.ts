// Text with marks, as people write it, and text with entities, as it is sent: `**bold**`, `_italic_`, `` `code` ``, three
// backticks around a block of code, and `@name` of a member. Offsets count Unicode characters. Pure.

import type { Member } from '../sdk/rest';

export interface Entity {
  type: string;
  from: number;
  length: number;
  user?: string;
  url?: string;
}

export interface Marked {
  text: string;
  entities: Entity[];
}

type Named = Pick<Member, 'user_id' | 'name'>;

/** Stands for all members, where somebody may mention them. */
export const ALL: Named = { user_id: '*', name: 'all' };

/** More are not sent. */
const MOST_ENTITIES = 100;
const MOST_MENTIONS = 64;
const WORD = /[\p{L}\p{N}\p{M}_]/u;
const count = (text: string) => [...text].length;

/** Of each: what stands around it, and whether marks within mean something. */
const MARKS = [
  { type: 'pre', at: /^```(?:[\w+-]*\n)?(.+?)\n?```/s, isFlat: true },
  { type: 'code', at: /^`([^`\n]+)`/, isFlat: true },
  { type: 'bold', at: /^\*\*(?=\S)(.+?\S|\S)\*\*/s, isFlat: false },
  { type: 'italic', at: /^_(?=\S)([^_]*[^\s_])_(?![\p{L}\p{N}_])/u, isFlat: false },
] as const;

/** Reads marks. */
export function parse(written: string): Marked {
  const entities: Entity[] = [];
  let text = '';
  let rest = written;
  let before = '';
  while (rest) {
    const found = entities.length < MOST_ENTITIES ? markAt(rest, before) : undefined;
    if (found) {
      const { type, whole, inner } = found;
      const from = count(text);
      const { text: words, entities: within } = found.isFlat ? { text: inner, entities: [] } : parse(inner);
      entities.push({ type, from, length: count(words) });
      for (const one of within) entities.push({ ...one, from: from + one.from });
      text += words;
      rest = rest.slice(whole.length);
      before = whole.at(-1) ?? '';
    } else {
      // Links are taken as they are.
      const plain = /^https?:\/\/\S+/.exec(rest)?.[0] ?? String.fromCodePoint(rest.codePointAt(0) ?? 0);
      text += plain;
      rest = rest.slice(plain.length);
      before = plain;
    }
  }
  return { text, entities: entities.slice(0, MOST_ENTITIES) };
}

function markAt(rest: string, before: string) {
  if (!'`*_'.includes(rest.charAt(0))) return undefined;
  for (const { type, at, isFlat } of MARKS) {
    const [whole, inner] = at.exec(rest) ?? [];
    // Within a word they are part of it, as in snake_case.
    const isWithin = type === 'italic' && WORD.test(before.slice(-1));
    if (whole && inner && !isWithin) return { type, whole, inner, isFlat };
  }
  return undefined;
}

/** Finds the members who are named, the longest names first. */
export function mentionsIn({ text, entities }: Marked, members: readonly Named[]): Entity[] {
  const names = members
    .flatMap(({ user_id: user, name }) => [...new Set([name, user])].map((label) => ({ user, label })))
    .filter(({ label }) => label)
    .sort((a, b) => b.label.length - a.label.length);
  const isCode = (at: number) =>
    entities.some(
      ({ type, from, length }) => (type === 'code' || type === 'pre') && at >= from && at < from + length,
    );
  const found: Entity[] = [];
  for (const { index } of text.matchAll(/@/g)) {
    const rest = text.slice(index + 1);
    const named = names.find(
      ({ label }) =>
        rest.toLowerCase().startsWith(label.toLowerCase()) && !WORD.test(rest.charAt(label.length)),
    );
    const from = count(text.slice(0, index));
    const isWithin = WORD.test(text.charAt(index - 1)) || isCode(from);
    if (named && !isWithin && found.length < MOST_MENTIONS)
      found.push({ type: 'mention', from, length: count(named.label) + 1, user: named.user });
  }
  return found;
}

/** What is sent of what was written. */
export function compose(written: string, members: readonly Named[]) {
  const marked = parse(written);
  const mentions = mentionsIn(marked, members);
  const entities = [...mentions, ...marked.entities]
    .slice(0, MOST_ENTITIES)
    .sort((a, b) => a.from - b.from || b.length - a.length);
  const named = [...new Set(mentions.flatMap(({ user }) => user ?? []))];
  const users = named.filter((user) => user !== ALL.user_id);
  return {
    content: entities.length > 0 ? { text: marked.text, entities } : { text: marked.text },
    mentions: users.length > 0 ? users : undefined,
    mention_all: named.length > users.length || undefined,
  };
}

const AROUND: Record<string, [string, string]> = {
  bold: ['**', '**'],
  italic: ['_', '_'],
  code: ['`', '`'],
  pre: ['```\n', '\n```'],
};

/** As it can be written again. */
export function written(text: string, entities: readonly Entity[] = []): string {
  const characters = [...text];
  const opens = new Map<number, string>();
  const closes = new Map<number, string>();
  for (const { type, from, length } of entities) {
    const [open, close] = AROUND[type] ?? ['', ''];
    opens.set(from, (opens.get(from) ?? '') + open);
    closes.set(from + length, close + (closes.get(from + length) ?? ''));
  }
  let whole = '';
  for (let at = 0; at <= characters.length; at++)
    whole += (closes.get(at) ?? '') + (opens.get(at) ?? '') + (characters[at] ?? '');
  return whole;
}

export interface Piece {
  text: string;
  /** What covers it. */
  entities: readonly Entity[];
}

/** A text in pieces, each of which is covered by the same entities. What is out of the text counts no more. */
export function piecesOf(text: string, entities: readonly Entity[] = []): Piece[] {
  const characters = [...text];
  const known = entities.filter(
    ({ from, length }) =>
      Number.isInteger(from) &&
      Number.isInteger(length) &&
      from >= 0 &&
      length > 0 &&
      from < characters.length,
  );
  const ends = known.flatMap(({ from, length }) => [from, Math.min(characters.length, from + length)]);
  const edges = [...new Set([0, ...ends, characters.length])].sort((a, b) => a - b);
  return edges.slice(0, -1).map((from, at) => ({
    text: characters.slice(from, edges[at + 1]).join(''),
    entities: known.filter((one) => one.from <= from && from < one.from + one.length),
  }));
}
