import { expect, test } from 'vitest';
import type { Entry } from '../sdk/frames';
import { describe } from './text';

const nameOf = (user: string) => user.toUpperCase();

function system(content: object): Entry {
  const sender = { id: 'ann', type: 'user', name: 'Ann' };
  const of = { type: 'entry', conversation_id: 'c', id: 'e', kind: 'system' } as const;
  return { ...of, seq: 1, sender, content, timestamp: 0 } as Entry;
}

test('an entry that names some of many says how many more there are', () => {
  const added = { event: 'members_added', members: ['bob', 'cleo'], count: 500 };
  expect(describe(system(added), nameOf)).toBe('ANN added BOB, CLEO and 498 more');
});

test('an entry that names all says no number', () => {
  const added = { event: 'members_added', members: ['bob'], count: 1 };
  expect(describe(system(added), nameOf)).toBe('ANN added BOB');
  // Of a version before there was a count.
  const older = { event: 'members_added', members: ['bob', 'cleo'] };
  expect(describe(system(older), nameOf)).toBe('ANN added BOB, CLEO');
});
