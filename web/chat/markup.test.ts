import { expect, test } from 'vitest';
import { ALL, compose, mentionsIn, parse, piecesOf, written } from './markup';

const members = [
  { user_id: 'ann', name: 'Ann' },
  { user_id: 'bo', name: 'Bo' },
  { user_id: 'bob', name: 'Bob Olsen' },
];

test('marks become entities, whose offsets count characters', () => {
  expect(parse('😀 **bold** and `co*de`')).toEqual({
    text: '😀 bold and co*de',
    entities: [
      { type: 'bold', from: 2, length: 4 },
      { type: 'code', from: 11, length: 5 },
    ],
  });
  expect(parse('```ts\nconst a = `1`;\n```')).toEqual({
    text: 'const a = `1`;',
    entities: [{ type: 'pre', from: 0, length: 14 }],
  });
  expect(parse('**a _b_**')).toEqual({
    text: 'a b',
    entities: [
      { type: 'bold', from: 0, length: 3 },
      { type: 'italic', from: 2, length: 1 },
    ],
  });
});

test.each([
  'snake_case_name',
  '2 * 3 ** 4',
  '**',
  '__',
  '`open',
  '_ a _',
  'https://a.example/_b_/**c**',
  'a `` b',
])('%s is what it is', (text) => expect(parse(text)).toEqual({ text, entities: [] }));

test('members who are named are mentioned, by name or id, the longest name first', () => {
  const named = (text: string) =>
    mentionsIn(parse(text), members).map(({ from, length, user }) => [from, length, user]);
  expect(named('@Bob Olsen and @bo, hi @ANN!')).toEqual([
    [0, 10, 'bob'],
    [15, 3, 'bo'],
    [23, 4, 'ann'],
  ]);
  expect(named('mail@ann.example @annabel `@ann` @nobody')).toEqual([]);
});

test('what is sent has entities and mentions only where there are some', () => {
  expect(compose('hello', members)).toEqual({ content: { text: 'hello' } });
  expect(compose('**@ann** @ann', members)).toEqual({
    content: {
      text: '@ann @ann',
      entities: [
        { type: 'mention', from: 0, length: 4, user: 'ann' },
        { type: 'bold', from: 0, length: 4 },
        { type: 'mention', from: 5, length: 4, user: 'ann' },
      ],
    },
    mentions: ['ann'],
  });
});

test('all members are mentioned by a name of their own, where that may be', () => {
  expect(compose('@all look', [...members, ALL])).toEqual({
    content: { text: '@all look', entities: [{ type: 'mention', from: 0, length: 4, user: '*' }] },
    mention_all: true,
  });
  expect(compose('@all look', members)).toEqual({ content: { text: '@all look' } });
});

test.each(['😀 **bold** and `co*de` _x_', '```\nline\n```', 'plain', '**a _b_**'])(
  '%s can be written again from what was sent',
  (text) => {
    const marked = parse(text);
    expect(written(marked.text, marked.entities)).toBe(text);
    expect(parse(written(marked.text, marked.entities))).toEqual(marked);
  },
);

test('a text is parted where what covers it changes, whatever an entity says', () => {
  const bold = { type: 'bold', from: 1, length: 3 };
  const code = { type: 'code', from: 2, length: 99 };
  expect(piecesOf('😀bcde', [bold, code])).toEqual([
    { text: '😀', entities: [] },
    { text: 'b', entities: [bold] },
    { text: 'cd', entities: [bold, code] },
    { text: 'e', entities: [code] },
  ]);
  const wrong = [
    { type: 'bold', from: -1, length: 2 },
    { type: 'bold', from: 9, length: 2 },
    { type: 'x', from: 0.5, length: 1 },
  ];
  expect(piecesOf('abc', wrong)).toEqual([{ text: 'abc', entities: [] }]);
  expect(piecesOf('', [bold])).toEqual([]);
});
