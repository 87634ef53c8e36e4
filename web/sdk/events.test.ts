import { expect, test, vi } from 'vitest';
import { EventWire } from './events';

const WELCOME = '{"type":"welcome","connection_id":"gateway-1.5"}';

/** A server that plays one stream and takes posts. */
function server(statuses: number[] = []) {
  const posted: { url: string; frames: unknown[] }[] = [];
  let tell: (text: string) => void = () => {};
  const ask = vi.fn(async (url: string, request: RequestInit) => {
    if (request.method === 'POST') {
      const status = statuses.shift() ?? 202;
      if (status === 202) posted.push({ url, frames: JSON.parse(String(request.body)) });
      return new Response(null, { status, headers: { 'retry-after': '0' } });
    }
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        tell = (text) => controller.enqueue(new TextEncoder().encode(text));
      },
    });
    return new Response(body);
  });
  const wire = new EventWire(
    'wss://chat.test/ws',
    new URLSearchParams({ user: 'ann' }),
    't',
    ask as unknown as typeof fetch,
  );
  const heard: unknown[] = [];
  const closed: unknown[] = [];
  wire.onmessage = (event) => heard.push(JSON.parse(String(event.data)));
  wire.onclose = (event) => closed.push(event);
  return { wire, ask, posted, heard, closed, tell: (text: string) => tell(text) };
}

test('events become messages, however they are cut, and comments none', async () => {
  const { wire, ask, heard, tell } = server();
  await vi.waitFor(() => expect(ask).toHaveBeenCalled());
  expect(ask.mock.calls[0]?.[0]).toBe('https://chat.test/sse?user=ann');
  expect(ask.mock.calls[0]?.[1].headers).toEqual({ authorization: 'Bearer t' });
  tell(`data: ${WELCOME}\n\n:\n\nda`);
  tell('ta: {"n":1}\n');
  tell('\ndata: {"n":2}\n\n');
  await vi.waitFor(() => expect(heard).toEqual([JSON.parse(WELCOME), { n: 1 }, { n: 2 }]));
  expect(wire.readyState).toBe(1);
});

/** Three frames have gone up, in their order, to a server that answers posts like this. */
async function threePosted(answers: number[]) {
  const parts = server(answers);
  await vi.waitFor(() => expect(parts.ask).toHaveBeenCalled());
  parts.tell(`data: ${WELCOME}\n\n`);
  await vi.waitFor(() => expect(parts.heard).toHaveLength(1));
  for (const n of [1, 2, 3]) parts.wire.send(JSON.stringify({ n }));
  await vi.waitFor(() =>
    expect(parts.posted.flatMap((post) => post.frames)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]),
  );
  return parts;
}

test('frames are posted in order, again when there was no room', async () => {
  const { posted } = await threePosted([429, 202]);
  expect(posted[0]?.url).toBe('https://chat.test/sse/gateway-1.5?user=ann');
});

test('the last event says why it ended', async () => {
  const { wire, closed, tell, ask } = server();
  await vi.waitFor(() => expect(ask).toHaveBeenCalled());
  tell(`data: ${WELCOME}\n\nevent: close\ndata: {"code":4009,"reason":"slow"}\n\n`);
  await vi.waitFor(() => expect(closed).toEqual([{ code: 4009, reason: 'slow' }]));
  expect(wire.readyState).toBe(3);
});

test.each([
  ['that is refused', [404]],
  ['that comes to other gateways all the time', Array(8).fill(421)],
])('a post %s ends the connection', async (_, statuses) => {
  const { wire, closed, heard, tell, ask } = server([...statuses]);
  await vi.waitFor(() => expect(ask).toHaveBeenCalled());
  tell(`data: ${WELCOME}\n\n`);
  await vi.waitFor(() => expect(heard).toHaveLength(1));
  wire.send('{}');
  await vi.waitFor(() => expect(closed).toEqual([{ code: 1006, reason: '' }]));
  expect(ask).toHaveBeenCalledTimes(1 + statuses.length);
});

test('a post that came to another gateway is repeated in its place', async () => {
  const { closed } = await threePosted([421, 421, 202, 421, 202]);
  expect(closed).toEqual([]);
});

test('a refused token signs out', async () => {
  const ask = async () => new Response(null, { status: 401 });
  const wire = new EventWire('ws://chat.test/ws', new URLSearchParams(), 't', ask as typeof fetch);
  const closed: number[] = [];
  wire.onclose = (event) => closed.push(event.code);
  await vi.waitFor(() => expect(closed).toEqual([4001]));
});
