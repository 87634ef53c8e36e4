// The driver of the SDK for `fleet conformance-client`: does what the lines on its standard input say, and writes down
// each entry that an app is given. docs/conformance.md describes both. It ends when its input ends.

import { createInterface } from 'node:readline';
import WebSocket from 'ws';
import { Client } from '../sdk/index';

type Order =
  | { do: 'connect' }
  | { do: 'send'; conversation_id: string; text: string }
  | { do: 'read'; conversation_id: string; seq: number };

const { TIDINGS_URL = '', TIDINGS_TOKEN = '' } = process.env;

const client = new Client({
  url: TIDINGS_URL,
  token: TIDINGS_TOKEN,
  deviceId: 'driver',
  locks: null,
  WebSocket: WebSocket as unknown as new (url: string, protocols?: string[]) => unknown,
});

client.on('entry', (entry) => {
  console.log(JSON.stringify({ entry }));
});
client.on('state', (state, { error }) => console.error(state, error?.message ?? ''));
client.on('error', (error) => console.error(error.message));

function carryOut(order: Order): void {
  switch (order.do) {
    case 'connect':
      client.connect().catch((error) => console.error(String(error)));
      break;
    case 'send': {
      const { conversation_id, text } = order;
      // Nobody else says that it was refused.
      client
        .send({ conversation_id, content: { text } })
        .stored.catch((error) => console.error(String(error)));
      break;
    }
    case 'read':
      client.read(order.conversation_id, order.seq);
      break;
  }
}

const orders = createInterface({ input: process.stdin });
orders.on('line', (line) => carryOut(JSON.parse(line) as Order));
orders.on('close', () => process.exit(0));
