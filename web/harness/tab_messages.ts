// What a tab is started with, and what it and its parent tell each other.

import type { LockAsked, LockTold } from './locks';

/** A conversation as one person sees it. */
export interface Room {
  conv: number;
  id: string;
  /** The other one, where it is a direct conversation. */
  to?: string;
}

export interface TabOptions {
  dev: number;
  nonce: number;
  user: { name: string; number: number };
  /** Number of each user, by name. */
  people: Record<string, number>;
  token: string;
  url: string;
  gateway: number;
  rooms: Room[];
  /** A folder that all tabs of a person share. */
  storage: string;
  /** Web Locks; without them clients find another way. */
  hasLocks: boolean;
  /** The file of this tab's lines. */
  history: string;
  /** Between two messages, on average. */
  everyMs: number;
  seed: number;
}

/** How a tab is; sent from time to time. */
export interface TabState {
  state: string;
  /** It was told to write nothing more. */
  isQuiet: boolean;
  pending: number;
  /** Promises of `send` that nobody has kept or broken. */
  unsettled: number;
  written: number;
  /** By number of the conversation. */
  cursors: Record<number, number>;
}

export type FromTab = LockAsked | TabState;
export type ToTab = LockTold | { order: 'quiet' | 'burst' | 'large' | 'end' };
