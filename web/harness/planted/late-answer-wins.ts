// A planted bug: what the server answers takes the place of what is held, also where newer entries have come meanwhile.

import type { Entry } from '../../sdk/frames';
import { Messages as Right, type States } from '../../sdk/messages';

export class Messages extends Right {
  private cursor = 0;

  override follow(log: readonly Entry[]): void {
    this.cursor = log.at(-1)?.seq ?? 0;
    super.follow(log);
  }

  override page(answer: States & { entries: readonly Entry[] }): void {
    super.page({ ...answer, as_of: Math.max(answer.as_of, this.cursor + 1) });
  }
}
