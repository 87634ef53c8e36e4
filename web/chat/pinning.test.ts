import { expect, test } from 'vitest';
import { conversation_id, entry } from '../sdk/fake';
import type { PinnedEntry } from '../sdk/rest';
import type { Operation } from '../sdk/types';
import { isPinned, mayPin } from './pinning';

test('both of a direct conversation may pin, and of a group those who lead it', () => {
  expect(mayPin({ kind: 'direct', my_role: 'member' })).toBe(true);
  expect(mayPin({ kind: 'group', my_role: 'owner' })).toBe(true);
  expect(mayPin({ kind: 'group', my_role: 'admin' })).toBe(true);
  expect(mayPin({ kind: 'group', my_role: 'member' })).toBe(false);
});

const pinned = (seq: number): PinnedEntry => ({ entry: entry(seq), pinned_seq: 9, pinned_at: 9, by: 'bob' });
const asked = (seq: number, on: boolean, id = conversation_id): Operation => ({
  type: 'pin',
  conversation_id: id,
  seq,
  on,
  client_id: `${seq}`,
  written_at: 0,
});

test('a message is pinned as it will be when what was asked for is done', () => {
  expect(isPinned(entry(1), [pinned(1)], [])).toBe(true);
  expect(isPinned(entry(2), [pinned(1)], [])).toBe(false);
  expect(isPinned(entry(2), [pinned(1)], [asked(2, true)])).toBe(true);
  expect(isPinned(entry(1), [pinned(1)], [asked(1, true), asked(1, false)])).toBe(false);
  expect(isPinned(entry(1), [], [asked(1, true, 'another'), asked(2, true)])).toBe(false);
});
