// Listens to the wire of a client and writes down what is about connections: their beginnings and ends, syncs, and
// how far the client says that entries have come.

import { WebSocket } from 'ws';
import { EventWire } from '../sdk/events';
import type { Wire } from '../sdk/index';
import type { Journal } from './history';

/** What is read of the frames of either side. */
interface Frame {
  type?: string;
  conversation_id?: string;
  seq?: number;
  cursors?: Record<string, number | { seq: number; id?: string }>;
  head?: number;
  reset?: boolean;
  skipped_before?: number;
  code?: string;
  client_id?: string;
}

export class Tap {
  /** Which of the client's connections it is; the first is 1. */
  epoch = 0;
  private isSyncing = false;

  constructor(
    private readonly journal: Journal,
    private readonly dev: number,
    private readonly gateway: number,
    /** Of conversations, by id. */
    private readonly numbers: ReadonlyMap<string, number>,
  ) {}

  socket(url: string, protocols: string[]): Wire {
    return new TappedWire(new WebSocket(url, protocols) as unknown as Wire, this);
  }

  stream(url: string, query: URLSearchParams, token: string): Wire {
    return new TappedWire(new EventWire(url, query, token), this);
  }

  said({ type, conversation_id, seq, cursors }: Frame): void {
    const { dev, epoch } = this;
    if (type === 'sync') {
      this.endSync(false);
      this.isSyncing = true;
      const known: [number, number][] = [];
      const entries: [number, string][] = [];
      for (const [id, at] of Object.entries(cursors ?? {})) {
        const conv = this.numbers.get(id);
        if (conv === undefined) continue;
        const place = typeof at === 'number' ? { seq: at } : at;
        known.push([conv, place.seq]);
        if (place.id) entries.push([conv, place.id]);
      }
      this.journal.write({ e: 'sync_begin', dev, epoch, cursors: known, entries });
    }
    const conv = this.numbers.get(conversation_id ?? '');
    if ((type === 'delivered' || type === 'read') && conv !== undefined && seq !== undefined) {
      this.journal.write({ e: 'cursor', dev, conv, kind: type, seq });
    }
  }

  /** Answers whether this was the beginning of a connection. */
  told({ type, conversation_id, head, reset = false, skipped_before, code, client_id }: Frame): boolean {
    const { dev } = this;
    if (type === 'welcome') {
      this.isSyncing = false;
      this.journal.write({ e: 'open', dev, epoch: ++this.epoch, gateway: this.gateway });
      return true;
    }
    const conv = this.numbers.get(conversation_id ?? '');
    if (type === 'sync_page' && conv !== undefined && head !== undefined) {
      this.journal.write({ e: 'sync_page', dev, conv, head, reset });
      if (skipped_before !== undefined) this.journal.write({ e: 'skipped', conv, before: skipped_before });
    }
    if (type === 'synced') this.endSync(true);
    if (type === 'error' && (code === 'rate_limited' || code === 'unavailable')) {
      this.journal.write({ e: 'for_now', what: client_id ? 'send' : 'sync' });
    }
    return false;
  }

  closed(code: number, isByPeer: boolean): void {
    this.isSyncing = false;
    this.journal.write({ e: 'close', dev: this.dev, epoch: this.epoch, code, by_peer: isByPeer });
  }

  private endSync(done: boolean): void {
    if (this.isSyncing) this.journal.write({ e: 'sync_end', dev: this.dev, epoch: this.epoch, done });
    this.isSyncing = false;
  }
}

class TappedWire implements Wire {
  onopen: Wire['onopen'] = null;
  onmessage: Wire['onmessage'] = null;
  onclose: Wire['onclose'] = null;
  onerror: Wire['onerror'] = null;
  private isOpen = false;

  constructor(
    private readonly inner: Wire,
    private readonly tap: Tap,
  ) {
    inner.onopen = () => this.onopen?.();
    inner.onmessage = (event) => {
      if (this.tap.told(JSON.parse(String(event.data)) as Frame)) this.isOpen = true;
      this.onmessage?.(event);
    };
    inner.onclose = ({ code, reason }) => {
      this.ended(code, true);
      this.onclose?.({ code, reason: String(reason) });
    };
    inner.onerror = (event) => this.onerror?.(event);
  }

  get readyState(): number {
    return this.inner.readyState;
  }

  send(data: string | Uint8Array<ArrayBuffer>): void {
    this.tap.said(JSON.parse(String(data)) as Frame);
    this.inner.send(data);
  }

  close(code?: number): void {
    this.ended(code ?? 1005, false);
    this.inner.close(code);
  }

  private ended(code: number, isByPeer: boolean): void {
    if (this.isOpen) this.tap.closed(code, isByPeer);
    this.isOpen = false;
  }
}
