import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { RestError } from './errors';
import { entry } from './fake';
import { Rest, type RestOptions } from './rest';

interface Asked {
  method: string;
  path: string;
  key: string | undefined;
  token: string | undefined;
  body: unknown;
}

type Answer = [status: number, body?: unknown, headers?: Record<string, string>] | 'none';

/** A server that gives these answers, the last of them for ever. */
function server(answers: Answer[], options: RestOptions = {}) {
  const asked: Asked[] = [];
  const ask = async (url: string, { method = 'GET', headers, body }: RequestInit) => {
    const { authorization, 'idempotency-key': key } = headers as Record<string, string | undefined>;
    const path = url.slice('http://test/api/v1'.length);
    asked.push({
      method,
      path,
      key,
      token: authorization,
      body: body ? JSON.parse(String(body)) : undefined,
    });
    const answer = (answers.length > 1 ? answers.shift() : answers[0]) ?? 'none';
    if (answer === 'none') throw new TypeError('fetch failed');
    const [status, json = {}, more = {}] = answer;
    return new Response(status === 204 ? null : JSON.stringify(json), { status, headers: more });
  };
  const rest = new Rest({
    url: 'http://test',
    token: 't',
    fetch: ask as unknown as typeof fetch,
    random: () => 0,
    ...options,
  });
  return { rest, asked };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** The answer, however often it has to be asked for. */
async function settled<T>(asked: Promise<T>): Promise<T> {
  asked.catch(() => undefined);
  await vi.advanceTimersByTimeAsync(60_000);
  return asked;
}

test('what the server has no time for is asked for again, when it says', async () => {
  const { rest, asked } = server([
    [503, { code: 'unavailable', retry_after_ms: 700 }],
    [200, { id: 'ann' }],
  ]);
  const me = rest.me();
  await vi.advanceTimersByTimeAsync(690);
  expect(asked).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(20);
  expect(await me).toEqual({ id: 'ann' });
});

test.each([
  ['no answer', 'none' as Answer, { status: 0, code: 'no_answer' }],
  ['503 without a body', [503, ''] as Answer, { status: 503, code: 'unavailable' }],
  [
    '429',
    [429, { code: 'rate_limited', limit: 'reads' }, { 'retry-after': '2' }] as Answer,
    { limit: 'reads' },
  ],
])('after %s it is asked for some times, and then told', async (_, answer, error) => {
  const { rest, asked } = server([answer]);
  await expect(settled(rest.me())).rejects.toMatchObject({ name: 'RestError', ...error });
  expect(asked).toHaveLength(4);
});

test('what is to wait for long is told at once', async () => {
  const { rest, asked } = server([[429, { code: 'rate_limited', retry_after_ms: 50_000 }]]);
  await expect(settled(rest.me())).rejects.toMatchObject({ retryAfterMs: 50_000 });
  expect(asked).toHaveLength(1);
});

test('what is refused for good is told at once', async () => {
  const { rest, asked } = server([[403, { code: 'not_member', message: 'no', stored: 'no' }]]);
  const error = await settled(rest.conversation('c')).catch((reason) => reason);
  expect(error).toBeInstanceOf(RestError);
  expect(error).toMatchObject({ status: 403, code: 'not_member', message: 'no', stored: 'no' });
  expect(asked).toHaveLength(1);
});

test('a change is repeated under one client id', async () => {
  const { rest, asked } = server(['none', [503], [201, { seq: 1 }]]);
  await settled(rest.send({ to: 'bob', content: { text: 'x' } }));
  expect(asked.map(({ method, path }) => `${method} ${path}`)).toEqual(Array(3).fill('POST /messages'));
  expect(asked[0]?.key).toMatch(/^[0-9a-f-]{36}$/);
  expect(new Set(asked.map(({ key }) => key)).size).toBe(1);
  expect(asked[0]?.body).toEqual({ to: 'bob', content: { text: 'x' } });
});

test('a refused token is renewed once', async () => {
  let token = 'old';
  const renew = async () => {
    token = 'new';
    return token;
  };
  const { rest, asked } = server([[401], [200, { id: 'ann' }]], { token: () => token, renew });
  await settled(rest.me());
  expect(asked.map((one) => one.token)).toEqual(['Bearer old', 'Bearer new']);
  const refused = server([[401, { code: 'unauthenticated' }]], { token: () => token, renew });
  await expect(settled(refused.rest.me())).rejects.toMatchObject({ status: 401 });
  expect(refused.asked).toHaveLength(2);
});

test('lists come page by page', async () => {
  const { rest, asked } = server([
    [200, { conversations: [{ id: '1' }, { id: '2' }], next: 'a+b' }],
    [200, { conversations: [{ id: '3' }], next: null }],
  ]);
  const ids: string[] = [];
  for await (const conversation of rest.conversations(2)) ids.push(conversation.id);
  expect(ids).toEqual(['1', '2', '3']);
  expect(asked.map((one) => one.path)).toEqual([
    '/conversations?limit=2',
    '/conversations?limit=2&after=a%2Bb',
  ]);
});

test('a log is walked in both directions', async () => {
  const page = (seqs: number[], more: boolean) =>
    [200, { entries: seqs.map(entry), head: 5, more }] as Answer;
  const walk = async (entries: AsyncIterable<{ seq: number }>) => {
    const seqs: number[] = [];
    for await (const { seq } of entries) seqs.push(seq);
    return seqs;
  };
  const forward = server([page([1, 2], true), page([3], false)]);
  expect(await walk(forward.rest.messagesAfter('c', 0, 2))).toEqual([1, 2, 3]);
  expect(forward.asked[1]?.path).toBe('/conversations/c/messages?after_seq=2&limit=2');
  const back = server([page([4, 5], true), page([3], false)]);
  expect(await walk(back.rest.messagesBefore('c', undefined, 2))).toEqual([5, 4, 3]);
  expect(back.asked[1]?.path).toBe('/conversations/c/messages?before_seq=4&limit=2');
});

test('many ids are asked for in portions', async () => {
  const { rest, asked } = server([[200, { statuses: [{ user_id: 'x' }] }]]);
  const { statuses } = await rest.presence(Array.from({ length: 450 }, (_, n) => `user-${n}`));
  expect(asked).toHaveLength(3);
  expect(statuses).toHaveLength(3);
});

test('names in a path are encoded', async () => {
  const { rest, asked } = server([[200]]);
  await rest.removeMember('a/b?', 'ann+1@x');
  expect(asked[0]?.path).toBe('/conversations/a%2Fb%3F/members/ann%2B1%40x');
});

test('an answer without a body is one', async () => {
  const { rest } = server([[204]]);
  expect(await rest.endSession('c')).toBeUndefined();
});

test('reads of entries say for which type of device, and nothing else does', async () => {
  const { rest, asked } = server([[200, { conversations: [], entries: [], pins: [] }]], {
    deviceType: 'web',
  });
  await rest.conversationPage({ limit: 5 });
  await rest.conversation('c');
  await rest.messages('c', { after_seq: 3 });
  await rest.pins('c', { limit: 100 });
  await rest.memberPage('c');
  await rest.search('b');
  expect(asked.map(({ path }) => path)).toEqual([
    '/conversations?limit=5&device_type=web',
    '/conversations/c?device_type=web',
    '/conversations/c/messages?after_seq=3&device_type=web',
    '/conversations/c/pins?limit=100&device_type=web',
    '/conversations/c/members',
    '/users?prefix=b&limit=8',
  ]);
});

test('threads, mentions and who has read a message are asked for by their paths', async () => {
  const { rest, asked } = server([[200, { threads: [], mentions: [], members: [], entries: [] }]], {
    deviceType: 'web',
  });
  await rest.threads({ unread: true, limit: 100 });
  await rest.mentions({ after: 'a+b' });
  await rest.message('c', 7);
  await rest.replies('c', 7, { before_seq: 90, limit: 100 });
  await rest.messagesNow('c', { around_seq: 7, limit: 100 });
  await rest.reads('c', 7, { after: 'bob' });
  expect(asked.map(({ path }) => path)).toEqual([
    '/threads?unread=true&limit=100&device_type=web',
    '/me/mentions?after=a%2Bb&device_type=web',
    '/conversations/c/messages/7?device_type=web',
    '/conversations/c/messages?before_seq=90&limit=100&thread=7&device_type=web',
    '/conversations/c/messages?around_seq=7&limit=100&view=messages&device_type=web',
    '/conversations/c/messages/7/reads?after=bob',
  ]);
});

test('a reader of no type says none', async () => {
  const { rest, asked } = server([[200, {}]]);
  await rest.conversation('c');
  expect(asked[0]?.path).toBe('/conversations/c');
});

test('pinning over REST names a client id, which a repeat has again', async () => {
  const { rest, asked } = server(['none', [200, {}]]);
  await settled(rest.pin('c', 7, true));
  await rest.pin('c', 7, false, 'mine');
  expect(asked.map(({ method, path }) => `${method} ${path}`)).toEqual([
    'PUT /conversations/c/pins/7',
    'PUT /conversations/c/pins/7',
    'DELETE /conversations/c/pins/7',
  ]);
  expect(asked[0]?.key).toBe(asked[1]?.key);
  expect(asked[2]?.key).toBe('mine');
});
