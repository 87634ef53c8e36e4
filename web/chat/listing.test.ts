import { expect, test } from 'vitest';
import { Listing } from './listing';

const keyed = (...keys: string[]) => keys.map((key) => ({ key }));

/** A list of which the server gives these pages. */
function listOf(pages: Record<string, { keys: string[]; next?: string }>) {
  return new Listing(async (after) => {
    const page = pages[after ?? ''];
    if (!page) throw new Error('away');
    return { items: keyed(...page.keys), next: page.next };
  });
}
const keysOf = ({ items }: ReturnType<typeof listOf>) => items.value.map(({ key }) => key);

test('pages follow each other, and what stands in two of them is there once', async () => {
  const list = listOf({ '': { keys: ['c', 'b'], next: '2' }, 2: { keys: ['b', 'a'] } });
  await list.look();
  expect(list.next.value).toBe('2');
  await list.more();
  expect(keysOf(list)).toEqual(['c', 'b', 'a']);
  expect(list.next.value).toBeUndefined();
});

test('what is new comes before what was read, which stays', async () => {
  const pages = { '': { keys: ['b'], next: '2' }, 2: { keys: ['a'], next: '3' } };
  const list = listOf(pages);
  await list.look();
  await list.more();
  pages[''] = { keys: ['c', 'a'], next: '9' };
  await list.look();
  expect(keysOf(list)).toEqual(['c', 'a', 'b']);
  expect(list.next.value).toBe('3');
});

test('a server that is away is said, and what was read stays', async () => {
  const pages: Parameters<typeof listOf>[0] = { '': { keys: ['a'], next: '2' } };
  const list = listOf(pages);
  await list.look();
  await list.more();
  expect([list.problem.value, ...keysOf(list)]).toEqual(['away', 'a']);
  await list.look();
  expect(list.problem.value).toBe('');
});

test('what a whole list has no more is gone', async () => {
  const pages: Parameters<typeof listOf>[0] = { '': { keys: ['b', 'a'] } };
  const list = listOf(pages);
  await list.look();
  pages[''] = { keys: ['a'] };
  await list.look();
  expect(keysOf(list)).toEqual(['a']);
});
