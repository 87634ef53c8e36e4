// What this user chose to be shown as. A server that has forgotten it is told again.

import type { Status } from './frames';

/** `offline` is nothing that can be chosen. */
const STATUSES = new Set(['online', 'away', 'busy', 'invisible']);

export class OwnStatus {
  /** Undefined as long as nobody has said it. */
  value: Status | undefined;
  /** Chosen here, and not said on a connection yet. */
  #isNew = false;
  #isOwnChoice = false;

  readonly #say: (frame: { type: 'status'; status: Status }) => boolean;
  readonly #changed: (status: Status) => void;

  constructor(
    say: (frame: { type: 'status'; status: Status }) => boolean,
    changed: (status: Status) => void,
  ) {
    this.#say = say;
    this.#changed = changed;
  }

  choose(status: Status): void {
    this.value = status;
    this.#isOwnChoice = true;
    this.#isNew = !this.#say({ type: 'status', status });
    this.#changed(status);
  }

  /** Told to all devices of this user as it was chosen on one of them. */
  heard(status: string): void {
    if (!STATUSES.has(status) || status === this.value) return;
    this.value = status as Status;
    this.#isOwnChoice = false;
    this.#changed(this.value);
  }

  /** What the server knows at the beginning of a connection. */
  welcomed(told: Status | undefined): void {
    const chosen = this.#isOwnChoice ? this.value : undefined;
    // `online` is what a server says that has forgotten; another word was chosen on another device.
    const isForgotten = chosen !== undefined && chosen !== told && (told === undefined || told === 'online');
    if (chosen !== undefined && (isForgotten || (this.#isNew && chosen !== told))) {
      this.#say({ type: 'status', status: chosen });
    } else if (told !== undefined && told !== this.value) {
      this.value = told;
      this.#isOwnChoice = false;
      this.#changed(told);
    }
    this.#isNew = false;
  }
}
