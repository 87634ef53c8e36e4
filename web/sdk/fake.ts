// A server that says what a test tells it to.

import { Client } from './client';
import type { TidingsError } from './errors';
import type { Entry, ServerFrame } from './frames';
import type { Options, Wire } from './types';

export class FakeSocket {
  static all: FakeSocket[] = [];
  readyState = 1;
  said: { type: string; [key: string]: unknown }[] = [];
  closedWith?: number;
  onopen?: () => void;
  onmessage?: (event: { data: string }) => void;
  onclose?: (event: { code: number; reason: string }) => void;
  constructor() {
    FakeSocket.all.push(this);
  }
  send(text: string) {
    this.said.push(JSON.parse(text));
  }
  close(code?: number) {
    this.readyState = 3;
    this.closedWith = code;
    this.onclose?.({ code: code ?? 1005, reason: '' });
  }
  hear(frame: object) {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
  drop(code = 1006, reason = '') {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }
  sends() {
    return this.saidOf('send');
  }
  saidOf(type: string) {
    return this.said.filter((frame) => frame.type === type);
  }
}

export class FakeStream extends FakeSocket {}

/** Says whose it is, and when it ends. */
export function tokenOf(sub: string, exp?: number): string {
  return `x.${btoa(JSON.stringify({ sub, exp }))}.${exp ?? 'x'}`;
}

export const token = tokenOf('ann');
export const conversation_id = '0198c0de-0000-7000-8000-0000000000c1';
export const welcome = { type: 'welcome', connection_id: 'x', user_id: 'ann', heartbeat_ms: 30_000 };

export function entry(seq: number): Entry {
  return {
    type: 'entry',
    conversation_id,
    seq,
    id: `id-${seq}`,
    kind: 'text',
    sender: { id: 'bob', type: 'user' },
    content: { text: `number ${seq}` },
    timestamp: seq,
  };
}

export function start(options: Partial<Options> = {}) {
  const heard: ServerFrame[] = [];
  const states: string[] = [];
  const refused: [string, string][] = [];
  const errors: TidingsError[] = [];
  const client = new Client({
    url: 'ws://test/ws',
    token,
    deviceId: 'd',
    locks: null,
    makeSocket: () => new FakeSocket() as unknown as Wire,
    makeStream: () => new FakeStream() as unknown as Wire,
    random: () => 0,
    ...options,
  });
  client.on('frame', (frame) => heard.push(frame));
  client.on('state', (state) => states.push(state));
  client.on('refused', (operation, error) => refused.push([operation.client_id, error.code]));
  client.on('error', (error) => errors.push(error));
  void client.connect();
  return { client, heard, states, refused, errors };
}

export function latest(): FakeSocket {
  const socket = FakeSocket.all.at(-1);
  if (!socket) throw new Error('no socket');
  return socket;
}

export function online() {
  const socket = latest();
  socket.onopen?.();
  socket.hear(welcome);
  return socket;
}

/** Somebody has pinned or unpinned a message. */
export function pin(seq: number, target: number, on = true, sender = 'bob'): Entry {
  return { ...entry(seq), kind: 'pin', target, content: { on }, sender: { id: sender, type: 'user' } };
}

/** What a server answers to the operation of this client id. */
export function sent(client_id: unknown, seq: number) {
  return { type: 'sent', client_id, conversation_id, id: `id-${seq}`, seq, timestamp: seq };
}

export function error(client_id: unknown, code: string, more: object = {}) {
  return { type: 'error', client_id, code, message: code, stored: 'no', ...more };
}

export const text = (words: string) => ({ conversation_id, content: { text: words } });
