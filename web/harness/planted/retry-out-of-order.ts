// A planted bug: each operation that was refused for now waits for a time of its own, and what comes behind it is
// sent meanwhile.

import type { ErrorFrame } from '../../sdk/frames';
import type { Kept } from '../../sdk/outbox';
import { Queues as Right } from '../../sdk/queue';

export class Queues extends Right {
  override failed(kept: Kept, error: ErrorFrame): void {
    if (error.code !== 'rate_limited' && error.code !== 'unavailable') {
      super.failed(kept, error);
      return;
    }
    this.settled(kept);
    setTimeout(() => this.add(kept), (error.retry_after_ms ?? 1_000) * (1 + Math.random()));
  }
}
