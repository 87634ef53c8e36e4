// A bot that says again what it is told. It goes on where it was when it is started again, and answers nothing twice.
// TIDINGS_URL=ws://localhost:8080/ws TIDINGS_TOKEN=$(tidings token --user bot) node bot.mjs

import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '@tidings/client';

const folder = process.env.BOT_FOLDER ?? 'bot';
mkdirSync(folder, { recursive: true });
const pathOf = (key) => join(folder, encodeURIComponent(key));

/** One file for each key. */
const files = {
  getItem: (key) => (files.keys(key).includes(key) ? readFileSync(pathOf(key), 'utf8') : null),
  setItem: (key, value) => writeFileSync(pathOf(key), value),
  removeItem: (key) => rmSync(pathOf(key), { force: true }),
  keys: (prefix) =>
    readdirSync(folder)
      .map(decodeURIComponent)
      .filter((key) => key.startsWith(prefix)),
};

/** The same id for the answer to the same entry: it is stored once, however often it is sent. */
const answerTo = (entry) =>
  createHash('sha256')
    .update(entry.id)
    .digest('hex')
    .replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*/, '$1-$2-8$3-8$4-$5');

const client = new Client({
  url: process.env.TIDINGS_URL,
  token: process.env.TIDINGS_TOKEN,
  deviceId: 'bot',
  storage: files,
  cursors: files,
  WebSocket: globalThis.WebSocket ?? (await import('ws')).default,
});

client.on('entry', (entry, origin) => {
  if (origin === 'history' || entry.kind !== 'text' || entry.sender.id === client.userId) return;
  const { conversation_id, seq, content } = entry;
  const answer = { conversation_id, reply_to: seq, content: { text: `you said: ${content.text}` } };
  return client.send({ ...answer, client_id: answerTo(entry) }).stored;
});
client.on('error', (error) => console.error(error.message));

await client.connect();
console.log(`${client.userId} listens`);
