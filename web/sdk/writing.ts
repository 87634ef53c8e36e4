// What this user writes: kept until it is answered, sent in its turn, and each promise comes to an end. Must not know
// what comes from others.

import type { Connection } from './connection';
import { type Deferred, deferred } from './deferred';
import { RefusedError } from './failures';
import type {
  Act,
  Delete,
  Edit,
  Entry,
  ErrorFrame,
  Message,
  NewDraft,
  NewSetting,
  Pin,
  React,
  Sent,
} from './frames';
import { uuidv7 } from './ids';
import { queueOf, refusal } from './operations';
import { type Kept, Outbox } from './outbox';
import { Queues } from './queue';
import type { Handle, Operation } from './types';

export interface Hooks {
  connection: Pick<Connection, 'say' | 'renew' | 'restart'>;
  /** What a frame may have at most, in bytes. */
  frameBytes: () => number;
  /** What waits or was refused is not the same any more. */
  changed: () => void;
  refused: (operation: Operation, error: RefusedError) => void;
  /** For the first time, as far as is known. */
  stored: (operation: Operation, sent: Sent) => void;
  /** Storage takes nothing. */
  failed: (error: unknown) => void;
  random: () => number;
}

/** What an app asks for, before it is an operation. */
export type Asked = (
  | Message
  | (Pin & { type: 'pin' })
  | (Edit & { type: 'edit' })
  | (Delete & { type: 'delete' })
  | (React & { type: 'react' })
  | (NewSetting & { type: 'set' })
  | (NewDraft & { type: 'draft' })
  | (Act & { type: 'act' })
) & { client_id?: string };

/** The most operations that may wait: beyond it, the next one is refused. */
const MOST_WAITING = 10_000;
/** UTF-8 takes at most three bytes for a UTF-16 unit. */
const BYTES_PER_UNIT = 3;

export class Writing {
  readonly outbox: Outbox;
  readonly queues: Queues;
  readonly #promised = new Map<string, Deferred<Sent>>();
  /** As soon as it is known who writes, and so what belongs together. */
  #user: string | undefined;

  readonly #hooks: Hooks;

  constructor(hooks: Hooks) {
    this.#hooks = hooks;
    this.outbox = new Outbox(hooks.changed, hooks.failed);
    this.queues = new Queues({
      ...hooks,
      keyOf: ({ operation }) => queueOf(operation, this.#user ?? ''),
      transmit: (kept) => this.#transmit(kept),
      stored: ({ operation }, sent) => {
        this.outbox.remove(operation.client_id);
        this.#promise(sent.client_id)?.resolve(sent);
        hooks.stored(operation, sent);
      },
      refused: (kept, error) => {
        this.outbox.refuse(kept, error);
        hooks.refused(kept.operation, this.#reject(kept.operation.client_id, error));
      },
    });
  }

  begin(user: string): void {
    this.#user = user;
    for (const kept of this.outbox.waiting()) this.queues.add(kept);
  }

  /** Takes over what dead clients have left. */
  async inherit(): Promise<void> {
    for (const kept of await this.outbox.inherit()) this.queues.add(kept);
  }

  write({ client_id = uuidv7(), ...asked }: Asked): Handle {
    const kept = this.outbox.get(client_id);
    if (kept?.refused) return this.#again(kept);
    const handle = this.#handle(client_id);
    // Waits already, perhaps since an earlier run of this program.
    if (kept) return handle;
    if (this.outbox.size >= MOST_WAITING) {
      this.#reject(client_id, refusal(client_id, 'outbox_full', 'outbox_full'));
      return handle;
    }
    this.#enqueue(this.outbox.add({ ...asked, client_id, written_at: Date.now() }));
    return handle;
  }

  resend(clientId: string): Handle | undefined {
    const kept = this.outbox.get(clientId);
    return kept?.refused && this.#again(kept);
  }

  discard(clientId: string): boolean {
    const kept = this.outbox.get(clientId);
    if (!kept || (!kept.refused && !this.queues.discard(kept))) return false;
    this.outbox.remove(clientId);
    this.#reject(clientId, refusal(clientId, 'discarded', 'discarded'));
    return true;
  }

  /** An answer. */
  heard(sent: Sent): void {
    const kept = this.outbox.get(sent.client_id);
    if (kept) this.queues.answered(kept, sent);
  }

  /** True when this error was the answer to an operation. */
  failed(error: ErrorFrame): boolean {
    const kept = this.outbox.get(error.client_id ?? error.ref ?? '');
    if (kept) this.queues.failed(kept, error);
    return kept !== undefined;
  }

  /** What came back in the log is stored, by whichever client it was sent. */
  settle(entry: Entry): void {
    const { sender, client_id } = entry;
    if (!client_id || sender.id !== this.#user) return;
    const kept = this.outbox.get(client_id);
    if (kept) {
      this.outbox.remove(client_id);
      this.queues.settled(kept);
    }
    this.#promise(client_id)?.resolve({ ...entry, client_id, type: 'sent' });
  }

  #again(kept: Kept): Handle {
    // Something else is stored under the old id.
    const isTaken = kept.refused?.code === 'conflict';
    const again = this.outbox.restore(kept, isTaken ? uuidv7() : undefined);
    const handle = this.#handle(again.operation.client_id);
    this.#enqueue(again);
    return handle;
  }

  #enqueue(kept: Kept): void {
    if (this.#user !== undefined) this.queues.add(kept);
  }

  /** With the promise that is kept when it is stored. */
  #handle(clientId: string): Handle {
    const promised = this.#promised.get(clientId) ?? deferred<Sent>();
    this.#promised.set(clientId, promised);
    return { clientId, stored: promised.promise };
  }

  /** Comes to its end now. */
  #promise(clientId: string): Deferred<Sent> | undefined {
    const promised = this.#promised.get(clientId);
    this.#promised.delete(clientId);
    return promised;
  }

  #reject(clientId: string, frame: ErrorFrame): RefusedError {
    const error = new RefusedError(clientId, frame);
    this.#promise(clientId)?.reject(error);
    return error;
  }

  #transmit({ operation: { written_at: _, ...operation } }: Kept): boolean {
    const frame = { type: 'send', ref: operation.client_id, ...operation };
    const text = JSON.stringify(frame);
    const most = this.#hooks.frameBytes();
    const isSmall = text.length * BYTES_PER_UNIT <= most;
    if (!isSmall && new TextEncoder().encode(text).length > most) return false;
    this.#hooks.connection.say(frame);
    return true;
  }
}
