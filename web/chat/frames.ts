// Frames are taken in together, once for each picture that the browser draws: a burst of messages costs one rendering.

import { batch } from '@preact/signals';

/** Where nothing is drawn, in a tab in the background, frames wait at most so long. */
const HIDDEN_MS = 200;

export class Frames<T> {
  private waiting: T[] = [];
  private isPlanned = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly take: (together: T[]) => void) {}

  add(frame: T): void {
    this.waiting.push(frame);
    if (this.isPlanned) return;
    this.isPlanned = true;
    this.timer = setTimeout(this.flush, HIDDEN_MS);
    requestAnimationFrame(this.flush);
  }

  end(): void {
    clearTimeout(this.timer);
    this.waiting = [];
  }

  private readonly flush = () => {
    if (!this.isPlanned) return;
    clearTimeout(this.timer);
    this.isPlanned = false;
    const together = this.waiting;
    this.waiting = [];
    if (together.length > 0) batch(() => this.take(together));
  };
}
