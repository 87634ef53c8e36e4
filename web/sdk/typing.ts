// That this user is writing. An app may tell it at each key: others hear of it often enough and no more, and of its
// end when nothing was told for a while.

/** Others take it for ended after six seconds. */
const SAY_EVERY_MS = 3_000;
const ENDS_MS = 5_000;

interface Written {
  saidAt: number;
  end: ReturnType<typeof setTimeout>;
}

export class OwnTyping {
  readonly #written = new Map<string, Written>();

  readonly #say: (frame: { type: 'typing'; conversation_id: string; on: boolean }) => void;

  constructor(say: (frame: { type: 'typing'; conversation_id: string; on: boolean }) => void) {
    this.#say = say;
  }

  tell(id: string, on: boolean): void {
    const known = this.#written.get(id);
    clearTimeout(known?.end);
    if (!on) {
      if (known) this.#stop(id);
      return;
    }
    const isDue = !known || Date.now() - known.saidAt >= SAY_EVERY_MS;
    const saidAt = isDue ? Date.now() : known.saidAt;
    this.#written.set(id, { saidAt, end: setTimeout(() => this.#stop(id), ENDS_MS) });
    if (isDue) this.#tell(id, true);
  }

  /** A message of this user ends it for others, too. */
  sent(id: string): void {
    clearTimeout(this.#written.get(id)?.end);
    this.#written.delete(id);
  }

  /** Said again on a new connection. */
  begin(): void {
    for (const [id, written] of this.#written) {
      written.saidAt = Date.now();
      this.#tell(id, true);
    }
  }

  end(): void {
    for (const { end } of this.#written.values()) clearTimeout(end);
    this.#written.clear();
  }

  #stop(id: string): void {
    this.#written.delete(id);
    this.#tell(id, false);
  }

  #tell(id: string, on: boolean): void {
    this.#say({ type: 'typing', conversation_id: id, on });
  }
}
