// An address for each conversation: Back, reload and links lead where they say. It stands behind `#`, so that it is
// the same wherever the page is served from, and no proxy writes down who talks where.

import type { Goal } from './session';
import { batch, effect, type Signal } from './signals';

const CONVERSATION = /^#\/c\/([0-9A-Za-z-]{1,64})(?:\/(\d{1,15}))?$/;

export function conversationOf(hash: string): string | undefined {
  return CONVERSATION.exec(hash)?.[1];
}

/** The message that an address leads to. */
export function messageOf(hash: string): number | undefined {
  const seq = CONVERSATION.exec(hash)?.[2];
  return seq === undefined ? undefined : Number(seq);
}

/** Leads there from anywhere: to a conversation, or to one of its messages. */
export function addressOf(id: string, seq?: number): string {
  return `${location.origin}${location.pathname}#/c/${id}${seq === undefined ? '' : `/${seq}`}`;
}

/** Keeps the open conversation and the address the same. Answers how to stop. */
export function follow(open: Signal<string | undefined>, goal: Signal<Goal | undefined>): () => void {
  const navigated = () => {
    const id = conversationOf(location.hash);
    const seq = messageOf(location.hash);
    batch(() => {
      open.value = id;
      if (id && seq !== undefined) goal.value = { id, seq };
    });
    if (seq === undefined) return;
    // The same link leads there again.
    history.replaceState(history.state, '', `#/c/${id}`);
  };
  navigated();
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
