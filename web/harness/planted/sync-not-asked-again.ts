// A planted bug: after a sync that was refused none is asked for any more, as long as the connection lives.

import { Sync as Right } from '../../sdk/sync';

export class Sync extends Right {
  override failed(ref: string | undefined, code: string, retryAfterMs?: number): boolean {
    const isOurs = super.failed(ref, code, retryAfterMs);
    if (isOurs) this.end();
    return isOurs;
  }
}
