// Where the focus goes when what had it goes away: to where the user looks then.

import { OpenThread } from './panels';
import type { Session } from './session';
import { effect } from './signals';

/** After the page was drawn anew. */
export function focusSoon(...selectors: string[]): void {
  requestAnimationFrame(() => {
    for (const selector of selectors) {
      const element = document.querySelector<HTMLElement>(selector);
      if (!element || element.offsetParent === null) continue;
      element.focus({ preventScroll: true });
      return;
    }
  });
}

/** Keeps the focus with the user of a session. Answers how to stop. */
export function follow(session: Session): () => void {
  let before: string | undefined;
  // A user who has just signed in is to choose.
  const list = ['.conversation[tabindex="0"]', '.new'];
  const stop = effect(() => {
    const id = session.open.value;
    // What it is opened at takes the focus.
    const isLed = session.goal.peek() !== undefined;
    // On a phone the keyboard would cover what was opened to be read.
    const isTyping = matchMedia('(hover: hover)').matches;
    const thread = [...(isTyping ? ['.thread textarea'] : []), '.thread h2'];
    if (id) void OpenThread.load().then(() => session.open.peek() === id && !isLed && focusSoon(...thread));
    else focusSoon(...(before ? [`.conversation[data-id="${before}"]`] : []), ...list);
    before = id;
  });
  return stop;
}
