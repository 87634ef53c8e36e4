// A planted bug: a sync that was refused counts as under way for as long as the connection lives.

import { Sync as Right } from '../../sdk/sync';

export class Sync extends Right {
  override failed(ref: string | undefined, code: string, retryAfterMs?: number): boolean {
    const isOurs = super.failed(ref, code, retryAfterMs);
    if (isOurs) clearTimeout((this as unknown as { timer?: ReturnType<typeof setTimeout> }).timer);
    return isOurs;
  }
}
