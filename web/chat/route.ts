// An address for each conversation: Back, reload and links lead where they say. It stands behind `#`, so that it is
// the same wherever the page is served from, and no proxy writes down who talks where.

import { effect, type Signal } from './signals';

const CONVERSATION = /^#\/c\/([0-9A-Za-z-]{1,64})$/;

export function conversationOf(hash: string): string | undefined {
  return CONVERSATION.exec(hash)?.[1];
}

/** Leads there from anywhere. */
export function addressOf(id: string): string {
  return `${location.origin}${location.pathname}#/c/${id}`;
}

/** Keeps the open conversation and the address the same. Answers how to stop. */
export function follow(open: Signal<string | undefined>): () => void {
  open.value = conversationOf(location.hash);
  const navigated = () => {
    open.value = conversationOf(location.hash);
  };
  const stop = effect(() => {
    const id = open.value;
    if (id === conversationOf(location.hash)) return;
    if (id) history.pushState({ isFromList: !conversationOf(location.hash) }, '', `#/c/${id}`);
    // Closing is going back to the list, where the conversation was opened from it.
    else if (history.state?.isFromList) history.back();
    else history.pushState(null, '', location.pathname + location.search);
  });
  addEventListener('popstate', navigated);
  addEventListener('hashchange', navigated);
  return () => {
    stop();
    removeEventListener('popstate', navigated);
    removeEventListener('hashchange', navigated);
  };
}
