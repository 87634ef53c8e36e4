// A receiver of webhooks: checks the signature, drops repeats, and says when a sequence has a gap. Node 20, no packages.
//
//   WEBHOOK_SECRET=whsec_… PORT=8080 node webhook-receiver.mjs
//
// A receiver of yours keeps ids and sequences in its database, in the transaction that works on the event.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';

const secret = Buffer.from((process.env.WEBHOOK_SECRET ?? '').replace(/^whsec_/, ''), 'base64');
const port = Number(process.env.PORT ?? 8080);
const tooOldSeconds = 300;
const tooLarge = 1 << 20;

const lastSequence = new Map();

function isSigned(headers, body) {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures } = headers;
  if (!id || !timestamp || !signatures) return false;
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > tooOldSeconds) return false;
  const expected = createHmac('sha256', secret).update(`${id}.${timestamp}.`).update(body).digest();
  return signatures.split(' ').some((signature) => {
    const [version, value] = signature.split(',');
    const given = Buffer.from(value ?? '', 'base64');
    return version === 'v1' && given.length === expected.length && timingSafeEqual(given, expected);
  });
}

function take(event) {
  if (event.sequence === undefined) return console.log(`${event.type}`);
  const last = lastSequence.get(event.partitionkey);
  const sequence = Number(event.sequence);
  if (last !== undefined && sequence <= last) return console.log(`repeat of ${sequence}, left out`);
  if (last !== undefined && sequence !== last + 1) {
    // With types ["*"] this does not happen; ask GET /api/v1/events for what is between.
    console.error(`gap in ${event.partitionkey}: ${sequence} after ${last}`);
  }
  lastSequence.set(event.partitionkey, sequence);
  console.log(`${event.type} ${event.partitionkey} ${sequence}`);
}

createServer((request, response) => {
  const parts = [];
  let size = 0;
  request.on('data', (part) => {
    size += part.length;
    if (size > tooLarge) request.destroy();
    else parts.push(part);
  });
  request.on('end', () => {
    const body = Buffer.concat(parts);
    if (!isSigned(request.headers, body)) return response.writeHead(401).end();
    take(JSON.parse(body));
    response.writeHead(204).end();
  });
}).listen(port, () => console.log(`listening on ${port}`));
