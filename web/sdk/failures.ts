// What can go wrong with a connection and what is said on it.

import { TidingsError } from './errors';
import type { ErrorFrame } from './frames';

/** A connection has ended. docs/protocol.md lists the codes; 1006 means that no reason was given. */
export class CloseError extends TidingsError {
  override readonly name = 'CloseError';
  constructor(
    readonly closeCode: number,
    readonly reason: string,
  ) {
    super(closeName(closeCode, reason), reason || `the connection has ended (${closeCode})`);
  }
}

/** The server has refused an operation for good; or the operation was discarded here (`discarded`). */
export class RefusedError extends TidingsError {
  override readonly name = 'RefusedError';
  constructor(
    readonly clientId: string,
    readonly frame: ErrorFrame,
  ) {
    super(frame.code, frame.message || frame.code);
  }
}

/** The server has answered another frame than an operation with an error, such as `signal` or `typing`. */
export class FrameError extends TidingsError {
  override readonly name = 'FrameError';
  constructor(readonly frame: ErrorFrame) {
    super(frame.code, frame.message || frame.code);
  }
}

/** Storage is full or forbidden: what is written is sent, and lost if this program ends before that. */
export class StorageError extends TidingsError {
  override readonly name = 'StorageError';
  constructor(cause: unknown) {
    super('storage', 'storage cannot be used', { cause });
  }
}

/** A listener of the app has thrown. */
export class ListenerError extends TidingsError {
  override readonly name = 'ListenerError';
  constructor(event: string, cause: unknown) {
    super('listener', `a listener of "${event}" has thrown`, { cause });
  }
}

const CLOSE_CODES: Record<number, string> = {
  1009: 'too_large',
  4000: 'replaced',
  4001: 'unauthenticated',
  4003: 'forbidden',
  4008: 'unacknowledged',
  4009: 'too_slow',
  4029: 'limited',
};

function closeName(code: number, reason: string): string {
  if (code === 4029 && reason.startsWith('user_connections')) return 'too_many_devices';
  return CLOSE_CODES[code] ?? 'closed';
}
