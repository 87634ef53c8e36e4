// One tab: a process with one client of the SDK, which writes down all that it says and is told. Its parent may
// kill it at any moment.

import { Client, type Entry, type Handle, type Options, RefusedError, type ServerFrame } from '../sdk/index';
import { isBlank, isMessage } from '../sdk/kinds';
import { Changing, plain } from './changing';
import { FileStore } from './file_store';
import { Journal, type Seen, textHash } from './history';
import { TabLocks } from './locks';
import { type Author, authorOf, clientId } from './names';
import { Random } from './random';
import type { FromTab, Room, TabOptions, ToTab } from './tab_messages';
import { Tap } from './tap';

/** A text that no frame holds. */
const LARGE_CHARS = 1_100_000;
const MOST_BURST = 40;
const STATE_EVERY_MS = 150;
/** Of what is written so much changes a message that is there. */
const CHANGES = 0.25;
/** How often messages are asked for as they are now. */
const LOOKS = 0.15;

export class Tab {
  private readonly journal: Journal;
  private readonly random: Random;
  private readonly client: Client;
  private readonly locks = new TabLocks((message) => this.say(message));
  private readonly tap: Tap;
  /** Of conversations, by id. */
  private readonly numbers: Map<string, number>;
  /** What was answered, so that it is written down once. */
  private readonly answered = new Set<string>();
  private readonly changing: Changing;
  private n = 0;
  private unsettled = 0;
  private isQuiet = false;

  constructor(private readonly options: TabOptions) {
    this.journal = new Journal(options.history);
    this.random = new Random(options.seed);
    this.numbers = new Map(options.rooms.map((room) => [room.id, room.conv]));
    const tap = new Tap(this.journal, options.dev, options.gateway, this.numbers);
    this.tap = tap;
    this.client = new Client({
      url: options.url,
      token: options.token,
      deviceId: `tab-${options.dev}`,
      storage: this.store() as unknown as NonNullable<Options['storage']>,
      locks: options.hasLocks ? (this.locks as unknown as LockManager) : null,
      makeSocket: (url, protocols) => tap.socket(url, protocols),
      makeStream: (query, token) => tap.stream(options.url, query, token),
    });
    this.changing = new Changing(this.client, this.random);
    this.listen();
  }

  /** Connects, and writes until it is told to be quiet. */
  begin(): void {
    process.on('message', (message: ToTab) => this.hear(message));
    // Without its parent nobody reads what it writes.
    process.on('disconnect', () => process.exit(0));
    this.client.connect().catch(() => undefined);
    setInterval(() => this.tellState(), STATE_EVERY_MS);
    this.writeSoon();
  }

  private say(message: FromTab): void {
    process.send?.(message);
  }

  private hear(message: ToTab): void {
    if ('lock' in message) this.locks.hear(message);
    else if (message.order === 'quiet') this.isQuiet = true;
    else if (message.order === 'burst') for (let i = 0; i < MOST_BURST; i++) this.write();
    else if (message.order === 'large') this.writeLarge();
    else if (message.order === 'end') this.end();
  }

  /** Storage that says when it has taken a message. */
  private store(): FileStore {
    const { nonce, dev, storage } = this.options;
    const journal = this.journal;
    return new (class extends FileStore {
      override setItem(key: string, value: string): void {
        super.setItem(key, value);
        const author = authorOf(nonce, key.slice(key.lastIndexOf('/') + 1));
        if (author?.dev === dev) journal.write({ e: 'kept', n: author.n });
      }
    })(storage);
  }

  private writeSoon(): void {
    const ms = this.options.everyMs * 2 * this.random.next();
    setTimeout(() => {
      if (this.isQuiet) return;
      this.write();
      this.writeSoon();
    }, ms);
  }

  private write(): void {
    const room = this.random.pick(this.options.rooms);
    if (this.random.next() < CHANGES && this.change(room)) return;
    if (this.random.next() < LOOKS) this.changing.look(room.id).catch(() => undefined);
    this.send(room, `${this.options.dev}.${this.n} ${'x'.repeat(this.random.between(0, 200))}`);
  }

  /** What is too large for a frame, and what comes after it. */
  private writeLarge(): void {
    const [room] = this.options.rooms;
    if (!room) return;
    this.send(room, `${this.options.dev}.${this.n} `.padEnd(LARGE_CHARS, 'x'));
    this.send(room, `${this.options.dev}.${this.n} after the large one`);
  }

  private send(room: Room, text: string): void {
    const { dev, nonce } = this.options;
    const n = this.n++;
    const cid = clientId(nonce, { dev, n });
    const { conv } = room;
    this.journal.write({ e: 'invoke', dev, conv, n, cid, hash: textHash(text), again: false });
    // A direct conversation has two names.
    const isByName = room.to !== undefined && this.random.next() < 0.5;
    const where = isByName ? { to: room.to } : { conversation_id: room.id };
    this.settle({ dev, n }, cid, this.client.send({ ...where, client_id: cid, content: { text } }));
  }

  /** An edit, a delete or a reaction: to the checker an operation without a text. False: there is nothing to change. */
  private change(room: Room): boolean {
    const { dev, nonce } = this.options;
    const n = this.n;
    const cid = clientId(nonce, { dev, n });
    const { conv } = room;
    const change = this.changing.pick(room.id, cid);
    if (!change) return false;
    this.n++;
    this.journal.write({ e: 'invoke', dev, conv, n, cid, hash: textHash(''), again: false });
    this.settle({ dev, n }, cid, change());
    return true;
  }

  private settle({ dev, n }: Author, cid: string, { stored }: Handle): void {
    this.unsettled++;
    stored.then(
      (sent) => {
        if (sent.id) this.ok(cid, sent.conversation_id, sent.seq, sent.id);
        else this.journal.write({ e: 'fail', dev, n, code: 'unchanged' });
      },
      (error) => {
        const code = error instanceof RefusedError ? error.code : String(error);
        this.journal.write({ e: 'fail', dev, n, code });
      },
    );
    stored.catch(() => undefined).finally(() => this.unsettled--);
  }

  private listen(): void {
    this.client.on('frame', (frame) => this.heardFrame(frame));
    this.client.on('entry', (entry, origin) => this.show(entry, origin === 'live' ? 'live' : 'sync'));
    // What another tab has left behind is refused here, and nobody else hears of it.
    this.client.on('refused', ({ client_id }, { code }) => {
      const author = this.author(client_id);
      if (author && author.dev !== this.options.dev) this.journal.write({ e: 'fail', ...author, code });
    });
  }

  private heardFrame(frame: ServerFrame): void {
    if (frame.type !== 'sent') return;
    const author = this.author(frame.client_id);
    // Also for what another tab has left behind.
    if (frame.id === undefined && author && author.dev !== this.options.dev)
      this.journal.write({ e: 'fail', ...author, code: 'unchanged' });
    else this.ok(frame.client_id, frame.conversation_id, frame.seq, frame.id);
  }

  private author(cid: string): Author | undefined {
    return authorOf(this.options.nonce, cid);
  }

  private ok(cid: string, conversation: string, seq: number, id: string | undefined): void {
    const author = this.author(cid);
    const conv = this.numbers.get(conversation);
    const answer = `${cid} ${seq} ${id}`;
    if (!author || conv === undefined || !id || this.answered.has(answer)) return;
    this.answered.add(answer);
    this.journal.write({ e: 'ok', dev: author.dev, n: author.n, conv, cid, seq, id });
  }

  /** An entry as the app is given it. */
  private show(entry: Entry, via: 'live' | 'sync'): void {
    const { dev } = this.options;
    const conv = this.numbers.get(entry.conversation_id);
    if (conv === undefined) {
      this.journal.write({ e: 'leak', dev, conversation: entry.conversation_id });
      return;
    }
    this.changing.heard(entry.conversation_id);
    this.journal.write({
      e: 'recv',
      dev,
      epoch: this.tap.epoch,
      entry: this.seen(entry, conv),
      via,
      shown: true,
    });
    // An own entry is an answer, too: perhaps the only one, to what another tab has left behind.
    if (entry.client_id && entry.sender.id === this.options.user.name) {
      this.ok(entry.client_id, entry.conversation_id, entry.seq, entry.id);
    }
  }

  private seen(entry: Entry, conv: number): Seen {
    const { seq, id, kind, sender, client_id: cid } = entry;
    const from = kind === 'system' ? -1 : (this.options.people[sender.id] ?? -2);
    const blank = isMessage(entry) && isBlank(entry);
    const hash = textHash(entry.content?.text ?? '');
    return { conv, seq, id, ...(cid ? { cid } : {}), from, hash, ...(blank ? { blank } : {}) };
  }

  private tellState(): void {
    const { client, n, unsettled } = this;
    const cursors: Record<number, number> = {};
    for (const [id, conv] of this.numbers) cursors[conv] = client.log(id).cursor;
    const { state } = client;
    const pending = client.pending().length;
    this.say({ state, isQuiet: this.isQuiet, pending, unsettled, written: n, cursors });
  }

  private end(): void {
    const { dev } = this.options;
    if (this.unsettled > 0) {
      this.journal.write({ e: 'doubt', text: `client ${dev}: ${this.unsettled} promises were not settled` });
    }
    for (const [id, conv] of this.numbers) {
      for (const [seq, state] of this.changing.states(id))
        this.journal.write({ e: 'folded', conv, seq, state: plain(state) });
    }
    this.journal.write({ e: 'end', dev, reached: this.client.state === 'online' });
    this.client.disconnect();
    this.journal.close();
    process.exit(0);
  }
}

new Tab(JSON.parse(process.env.TAB ?? '{}') as TabOptions).begin();
