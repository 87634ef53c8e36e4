// Parts of the page that are not needed at first, so that what is needed is there sooner.

import { signal } from '@preact/signals';
import { type ComponentType, h } from 'preact';

export type Lazy<Props> = ComponentType<Props> & { load: () => Promise<void> };

/** A component that shows nothing until its code has come. */
export function lazy<Props extends object>(fetch: () => Promise<ComponentType<Props>>): Lazy<Props> {
  const loaded = signal<ComponentType<Props> | undefined>(undefined);
  let loading: Promise<void> | undefined;
  const load = () => {
    loading ??= fetch()
      .then((component) => {
        loaded.value = component;
      })
      .catch(() => {
        // The server is away: the next one who asks tries again.
        loading = undefined;
      });
    return loading;
  };
  function Later(props: Props) {
    if (loaded.value) return h(loaded.value, props);
    void load();
    return null;
  }
  return Object.assign(Later, { load });
}
