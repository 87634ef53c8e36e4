// The thread that is open beside its conversation.

import { signal } from './signals';

export interface Open {
  id: string;
  /** The first message of it. */
  seq: number;
  /** The reply that somebody wants to see. */
  goal?: number;
}

export const openThread = signal<Open | undefined>(undefined);
