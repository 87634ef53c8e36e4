// Parts of the page that are not needed at first, so that what is needed is there sooner.

import { type ComponentChild, type ComponentType, h } from 'preact';
import { signal } from './signals';

export type Lazy<Props> = ComponentType<Props> & { load: () => Promise<void> };

/** Code that did not come is asked for again so much later, where it is still wanted. */
const AGAIN_MS = 3_000;

/** A component that shows nothing, or `meanwhile`, until its code has come. */
export function lazy<Props extends object>(
  fetch: () => Promise<ComponentType<Props>>,
  meanwhile: () => ComponentChild = () => null,
): Lazy<Props> {
  const failures = signal(0);
  const loaded = signal<ComponentType<Props> | undefined>(undefined);
  let loading: Promise<void> | undefined;
  const load = () => {
    loading ??= fetch()
      .then((component) => {
        loaded.value = component;
      })
      .catch(() => {
        // The server is away: a caller that still waits, or the next one, tries again.
        loading = undefined;
        setTimeout(() => {
          failures.value++;
        }, AGAIN_MS);
      });
    return loading;
  };
  function Later(props: Props) {
    if (loaded.value) return h(loaded.value, props);
    failures.value;
    void load();
    return meanwhile();
  }
  return Object.assign(Later, { load });
}
