// Who is writing where. Each writer is forgotten by themselves when they do not say it again in time.

import { type Signal, signal } from './signals';

/** A writer says it again after some seconds, and that may come a little late. */
const MARGIN_MS = 1_500;
const DEFAULT_MS = 6_000;
const NOBODY: readonly string[] = [];

export class Typing {
  /** By conversation: users, in the order in which they began. */
  private readonly writers = new Map<string, Signal<readonly string[]>>();
  private readonly timers = new Map<string, ReturnType<typeof setTimeout>>();

  in(conversationId: string): readonly string[] {
    return this.of(conversationId).value;
  }

  heard(conversationId: string, user: string, on: boolean, expiresMs = DEFAULT_MS): void {
    const key = `${conversationId} ${user}`;
    clearTimeout(this.timers.get(key));
    this.timers.delete(key);
    const writers = this.of(conversationId);
    const isKnown = writers.peek().includes(user);
    if (on) {
      const end = () => this.heard(conversationId, user, false);
      this.timers.set(key, setTimeout(end, expiresMs + MARGIN_MS));
      if (!isKnown) writers.value = [...writers.peek(), user];
    } else if (isKnown) {
      writers.value = writers.peek().filter((writer) => writer !== user);
    }
  }

  end(): void {
    for (const timer of this.timers.values()) clearTimeout(timer);
    this.timers.clear();
  }

  private of(conversationId: string): Signal<readonly string[]> {
    let writers = this.writers.get(conversationId);
    if (!writers) {
      writers = signal(NOBODY);
      this.writers.set(conversationId, writers);
    }
    return writers;
  }
}

/** Who is writing, in words; empty for nobody. */
export function writing(users: readonly string[], nameOf: (user: string) => string): string {
  const [first, second, third] = users;
  if (!first) return '';
  if (!second) return `${nameOf(first)} is writing…`;
  if (!third) return `${nameOf(first)} and ${nameOf(second)} are writing…`;
  return 'several people are writing…';
}
