// Frames are taken in together: those of one picture that the browser draws, and in a burst those of a tenth of a
// second, so that many messages cost few renderings.

import { batch } from './signals';

/** The first frame after so long a pause is shown with the next picture; others wait until it is over. */
const BURST_MS = 100;
/** Where nothing is drawn, in a tab in the background, frames wait at most so long. */
const HIDDEN_MS = 250;

export class Frames<T> {
  private waiting: T[] = [];
  private isPlanned = false;
  private flushedAt = Number.NEGATIVE_INFINITY;
  private timers: ReturnType<typeof setTimeout>[] = [];

  constructor(private readonly take: (together: T[]) => void) {}

  add(frame: T): void {
    this.waiting.push(frame);
    if (this.isPlanned) return;
    this.isPlanned = true;
    const pause = this.flushedAt + BURST_MS - performance.now();
    const draw = () => requestAnimationFrame(this.flush);
    this.timers = [setTimeout(this.flush, HIDDEN_MS)];
    if (pause > 0) this.timers.push(setTimeout(draw, pause));
    else draw();
  }

  end(): void {
    this.waiting = [];
    this.flush();
  }

  private readonly flush = () => {
    if (!this.isPlanned) return;
    this.isPlanned = false;
    this.flushedAt = performance.now();
    for (const timer of this.timers) clearTimeout(timer);
    const together = this.waiting;
    this.waiting = [];
    if (together.length > 0) batch(() => this.take(together));
  };
}
