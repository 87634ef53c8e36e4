// What this user chose to be shown as. A server that has forgotten it is told again.

import type { Status } from './frames';

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
  heard(status: string | undefined): void {
    // `offline` is nothing that can be chosen.
    if (!status || status === 'offline' || status === this.value) return;
    this.value = status as Status;
    this.#isOwnChoice = false;
    this.#changed(status as Status);
  }

  /** What the server knows at the beginning of a connection. */
  welcomed(told: Status | undefined): void {
    const { value } = this;
    // `online` is what a server says that has forgotten; another word was chosen on another device.
    const isForgotten = this.#isNew || told === undefined || told === 'online';
    if (value && value !== told && this.#isOwnChoice && isForgotten)
      this.#say({ type: 'status', status: value });
    else this.heard(told);
    this.#isNew = false;
  }
}
