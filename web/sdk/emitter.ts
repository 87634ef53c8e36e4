// Listeners of named events. One that throws harms no other.

export type Unsubscribe = () => void;

// biome-ignore lint/suspicious/noExplicitAny: each event has arguments of its own
export type EventMap = Record<string, (...what: any[]) => unknown>;

export class Emitter<Events extends EventMap> {
  readonly #listeners = new Map<keyof Events, Set<Events[keyof Events]>>();

  /** Calls `listener` at each event of this name, until the answer is called. */
  on<Name extends keyof Events>(name: Name, listener: Events[Name]): Unsubscribe {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    // An own function for each call: the same listener may be added twice, and removed once.
    const called = ((...what: unknown[]) => listener(...what)) as Events[Name];
    listeners.add(called);
    return () => void listeners.delete(called);
  }

  has(name: keyof Events): boolean {
    return (this.#listeners.get(name)?.size ?? 0) > 0;
  }

  /** Calls all listeners and answers what they returned. What they throw goes to `failed`. */
  emit<Name extends keyof Events>(
    name: Name,
    what: Parameters<Events[Name]>,
    failed: (error: unknown) => void,
  ): unknown[] {
    const answers: unknown[] = [];
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        answers.push(listener(...what));
      } catch (error) {
        failed(error);
      }
    }
    return answers;
  }
}
