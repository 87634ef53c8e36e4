// What operators said, as the page shows it: notices that are kept, and broadcasts, of which nothing is kept.

import type { Notice as Broadcast } from '../sdk/frames';
import { addressOf, type Notice, Notices } from '../sdk/notices';

export interface Announcement {
  id: string;
  title: string;
  body: string;
  /** Unix milliseconds. */
  at: number;
  isUrgent: boolean;
  /** The server keeps it, and what the user does with it. */
  isKept: boolean;
  action?: { label: string; href: string };
}

export function ofBroadcast({ id, content, timestamp }: Broadcast): Announcement {
  const body = String(content?.text ?? content?.body ?? '');
  const title = String(content?.title ?? '');
  return { id, title, body, at: timestamp, isUrgent: false, isKept: false };
}

export function ofNotice(notice: Notice, base: string): Announcement {
  const { id, title = '', body, at, priority, action } = notice;
  const shown: Announcement = { id, title, body, at, isUrgent: priority === 'high', isKept: true };
  if (!action) return shown;
  try {
    return { ...shown, action: { label: action.label, href: addressOf(notice, base).href } };
  } catch {
    // What it says is shown all the same.
    return shown;
  }
}

/** How far this browser has come is kept: what it showed before is not shown again. */
export function noticesOf(
  userId: string,
  show: (announcement: Announcement) => void,
  standing: (ids: ReadonlySet<string>) => void,
  done: (id: string) => void,
): Notices {
  const key = `tidings/${userId}/notices`;
  const [seq, id] = (localStorage.getItem(key) ?? '').split(' ');
  const notices = new Notices({
    place: Number(seq) > 0 ? { seq: Number(seq), id } : undefined,
    reached: ({ seq, id }) => localStorage.setItem(key, `${seq} ${id ?? ''}`),
    changed: () => standing(new Set(notices.list.map((notice) => notice.id))),
    marked: (id, state) => {
      if (state !== 'shown') done(id);
    },
    show: (notice) => {
      const announcement = ofNotice(notice, location.href);
      show(announcement);
      notify(announcement);
    },
  });
  return notices;
}

/** As a notification of the browser, where the user has allowed these and looks elsewhere. */
function notify({ id, title, body }: Announcement): void {
  if (!document.hidden || globalThis.Notification?.permission !== 'granted') return;
  try {
    new Notification(title || body, title ? { body, tag: id } : { tag: id });
  } catch {
    // Some browsers want them from a service worker alone.
  }
}
