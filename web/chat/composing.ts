// What is written in the field of the open conversation: a message, the answer to one, or another text for an own one.

import type { Entry } from '../sdk/frames';
import { loadExtras } from './parts';
import { signal } from './signals';
import { openThread } from './threading';

export interface Composing {
  as: 'reply' | 'edit';
  entry: Entry;
  /** What is in the field at first, instead of what the message says. */
  text?: string;
}

export const composing = signal<Composing | undefined>(undefined);

/** Begins to write an answer. */
export function reply(entry: Entry): void {
  void loadExtras();
  composing.value = { as: 'reply', entry };
}

/** Begins to write another text for a message. */
export function edit(entry: Entry, text?: string): void {
  void loadExtras();
  composing.value = { as: 'edit', entry, text };
}

/** Whether it belongs to the field of a conversation, or to that of one of its threads. */
export function isHere(now: Composing | undefined, id: string, thread: number | undefined): now is Composing {
  if (now?.entry.conversation_id !== id) return false;
  const open = openThread.peek();
  const isInThread = now.entry.thread !== undefined && open?.seq === now.entry.thread && open.id === id;
  return isInThread ? thread === now.entry.thread : thread === undefined;
}

export function isEdited(now: Composing | undefined, id: string, thread: number | undefined): boolean {
  return now?.as === 'edit' && isHere(now, id, thread);
}
