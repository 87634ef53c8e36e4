// What concerns the whole page: notices of operators, texts that have no conversation, and what was just done.

import { said } from './copy';
import { Announcements, RefusedElsewhere } from './panels';
import type { Session } from './session';

export function Notices({ session }: { session: Session }) {
  return (
    <div class="notices">
      <div role="log" aria-label="Notices">
        {session.announcements.value.length > 0 && <Announcements session={session} />}
      </div>
      {session.refused.value.length > 0 && <RefusedElsewhere session={session} />}
      <p class="said" role="status">
        {said.value}
      </p>
    </div>
  );
}
