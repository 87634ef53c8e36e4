// What concerns the whole page: notices of operators, texts that have no conversation, and what was just done.

import { said } from './copy';
import { RefusedElsewhere } from './panels';
import type { Session } from './session';
import { clock } from './text';

export function Notices({ session }: { session: Session }) {
  return (
    <div class="notices">
      <div role="log" aria-label="Notices">
        <ul>
          {session.announcements.value.map((notice) => (
            <li key={notice.id} data-testid="announcement">
              <p dir="auto">{String(notice.content?.text ?? notice.content?.title ?? '')}</p>
              <small>{clock(notice.timestamp)}</small>
              <button type="button" class="plain" onClick={() => session.dismissAnnouncement(notice.id)}>
                Dismiss
              </button>
            </li>
          ))}
        </ul>
      </div>
      {session.refused.value.length > 0 && <RefusedElsewhere session={session} />}
      <p class="said" role="status">
        {said.value}
      </p>
    </div>
  );
}
