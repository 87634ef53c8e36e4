// What is unread, on the tab itself: in its title and on its icon.

import type { Session } from './session';
import { effect } from './signals';

const NAME = 'Tidings';
/** What makes the icon of the page, which is an image in its address, one with a dot. */
const END = '%3C/svg%3E';
const DOT = "%3Ccircle cx='24' cy='8' r='8' fill='%23cf5240'/%3E";

export function titleOf(unread: number, conversation: string | undefined): string {
  const place = conversation ? `${conversation} · ${NAME}` : NAME;
  return unread > 0 ? `(${unread > 99 ? '99+' : unread}) ${place}` : place;
}

/** Keeps the tab as the session is. Answers how to stop. */
export function follow(session: Session): () => void {
  const icon = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
  const plain = icon?.href;
  const stop = effect(() => {
    const unread = session.conversations.unread.value;
    const id = session.open.value;
    const conversation = id ? session.conversations.get(id) : undefined;
    document.title = titleOf(unread, conversation && session.title(conversation));
    const href = unread > 0 ? plain?.replace(END, DOT + END) : plain;
    if (icon && href && icon.href !== href) icon.href = href;
  });
  return () => {
    stop();
    document.title = NAME;
    if (icon && plain) icon.href = plain;
  };
}
