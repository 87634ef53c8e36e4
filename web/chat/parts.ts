// The code for what few messages have: reactions, formatting, quotations, threads. It comes when the first of them is
// to be drawn, and the list is drawn again then, in its place.

import { signal } from './signals';

export type Extras = typeof import('./extras');

export const extras = signal<Extras | undefined>(undefined);

/** Code that did not come is asked for again so much later. */
const AGAIN_MS = 3_000;
let loading: Promise<Extras | undefined> | undefined;

export function loadExtras(): Promise<Extras | undefined> {
  loading ??= import('./extras').then(
    (all) => {
      extras.value = all;
      return all;
    },
    () => {
      loading = undefined;
      setTimeout(() => void loadExtras(), AGAIN_MS);
      return undefined;
    },
  );
  return loading;
}
