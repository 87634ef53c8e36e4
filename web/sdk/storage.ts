// Places where a client keeps what has to outlive it.

import type { Store } from './types';

/** `localStorage` and `sessionStorage`, or what has their methods. */
export function webStorage(storage: Storage): Store {
  return {
    getItem: (key) => storage.getItem(key),
    setItem: (key, value) => storage.setItem(key, value),
    removeItem: (key) => storage.removeItem(key),
    keys: (prefix) =>
      Array.from(storage, (_, at) => storage.key(at) ?? '').filter((key) => key.startsWith(prefix)),
  };
}

/** For as long as this program runs. Several clients may share it. */
export function memoryStorage(kept = new Map<string, string>()): Store {
  return {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
    removeItem: (key) => void kept.delete(key),
    keys: (prefix) => [...kept.keys()].filter((key) => key.startsWith(prefix)),
  };
}

/** An adapter as it is, and Web Storage through its adapter. */
export function asStore(storage: Store | Storage): Store {
  return 'keys' in storage && typeof storage.keys === 'function'
    ? (storage as Store)
    : webStorage(storage as Storage);
}
