// The clipboard, and saying what was done to those who do not see it.

import { signal } from './signals';

/** Said once by screen readers, and shown for a moment. */
export const said = signal('');

const SHOWN_MS = 4_000;
let end: ReturnType<typeof setTimeout> | undefined;

export function say(text: string): void {
  said.value = text;
  clearTimeout(end);
  end = setTimeout(() => {
    said.value = '';
  }, SHOWN_MS);
}

/** Copies a text. Where the page was not served with https there is no clipboard but the old one. */
export async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = document.createElement('textarea');
    field.value = text;
    document.body.append(field);
    field.select();
    const isDone = document.execCommand('copy');
    field.remove();
    if (!isDone) {
      say('The text could not be copied.');
      return;
    }
  }
  say('Copied.');
}
