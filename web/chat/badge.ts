// What is unread, on the tab itself: in its title and on its icon.

import { effect } from '@preact/signals';
import type { Session } from './session';

const NAME = 'Tidings';
/** The icon with a dot, as an image of its own: it is drawn by the browser at any size. */
const DOTTED = `data:image/svg+xml,${encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="9" fill="#2f6f5e"/>' +
    '<path d="M8 10h16v10H15l-5 4v-4H8z" fill="#fff"/>' +
    '<circle cx="24" cy="8" r="8" fill="#cf5240"/></svg>',
)}`;

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
    const href = unread > 0 ? DOTTED : plain;
    if (icon && href && icon.href !== href) icon.href = href;
  });
  return () => {
    stop();
    document.title = NAME;
    if (icon && plain) icon.href = plain;
  };
}
