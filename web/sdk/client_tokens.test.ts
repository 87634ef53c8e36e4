import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { FakeSocket, latest, online, start, token, tokenOf } from './fake';

beforeEach(() => {
  FakeSocket.all = [];
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('a refused token is replaced by the one that the app has', async () => {
  const tokens = [tokenOf('ann', 1), tokenOf('ann', 2)];
  const asked: string[] = [];
  const getToken = () => {
    const token = tokens.shift() ?? '';
    asked.push(token);
    return token;
  };
  const { states } = start({ token: undefined, getToken });
  await vi.advanceTimersByTimeAsync(0);
  latest().onopen?.();
  expect(latest().said[0]).toEqual({ type: 'auth', token: asked[0] });
  latest().drop(4001, 'revoked');
  await vi.advanceTimersByTimeAsync(1_000);
  latest().onopen?.();
  expect(latest().said[0]).toEqual({ type: 'auth', token: asked[1] });
  expect(states).not.toContain('signed-out');
});

test('the same token again after it was refused ends the session', async () => {
  const { states } = start({ getToken: () => token });
  latest().drop(4001, 'revoked');
  await vi.advanceTimersByTimeAsync(1_000);
  expect(states.at(-1)).toBe('signed-out');
});

test('a token is renewed before it ends, on the same connection', async () => {
  const now = Date.now() / 1_000;
  const first = tokenOf('ann', Math.floor(now) + 600);
  const second = tokenOf('ann', Math.floor(now) + 1_200);
  start({ token: first, getToken: () => second });
  const socket = online();
  const live = setInterval(() => socket.hear({ type: 'pong' }), 1_000);
  await vi.advanceTimersByTimeAsync(530_000);
  expect(socket.said.filter((frame) => frame.type === 'auth')).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(12_000);
  clearInterval(live);
  expect(socket.said.filter((frame) => frame.type === 'auth').at(-1)).toEqual({
    type: 'auth',
    token: second,
  });
  expect(FakeSocket.all.length).toBe(1);
});

test('a new token of the app goes to the connection, and signs in again after a refusal', () => {
  const { client } = start();
  const socket = online();
  client.setToken('x.y.z');
  expect(socket.said.at(-1)).toEqual({ type: 'auth', token: 'x.y.z' });
  socket.drop(4001, 'revoked');
  client.setToken(token);
  expect(FakeSocket.all.length).toBe(2);
});
