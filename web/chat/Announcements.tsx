// What operators said: to everybody who is connected, or kept until it ends.

import { clock } from './formats';
import type { Session } from './session';

export function Announcements({ session }: { session: Session }) {
  return (
    <ul>
      {session.announcements.value.map(({ id, title, body, at, isUrgent, action }) => (
        <li key={id} data-testid="announcement" class={isUrgent ? 'urgent' : undefined}>
          <p dir="auto">
            {title && <strong>{title}</strong>} {body}
          </p>
          <small>{clock(at)}</small>
          {action && (
            <a
              href={action.href}
              target="_blank"
              rel="noopener noreferrer"
              onClick={() => session.dismissAnnouncement(id, 'clicked')}
            >
              {action.label}
            </a>
          )}
          <button type="button" class="plain" onClick={() => session.dismissAnnouncement(id)}>
            Dismiss
          </button>
        </li>
      ))}
    </ul>
  );
}
