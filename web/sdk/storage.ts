// Places where a client keeps what has to outlive it.

import type { Store } from './types';

/** `localStorage` and `sessionStorage`, or what has their methods. */
export function webStorage(storage: Storage): Store {
  return {
    getItem: (key) => storage.getItem(key),
    setItem: (key, value) => storage.setItem(key, value),
    removeItem: (key) => storage.removeItem(key),
    keys(prefix) {
      const keys: string[] = [];
      for (let at = 0; at < storage.length; at++) {
        const key = storage.key(at);
        if (key?.startsWith(prefix)) keys.push(key);
      }
      return keys;
    },
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

/** More room than `localStorage` has; answers later. */
export function indexedDbStorage(name = 'tidings', factory: IDBFactory = indexedDB): Store {
  let opened: Promise<IDBDatabase> | undefined;
  const open = () => {
    opened ??= new Promise<IDBDatabase>((resolve, reject) => {
      const request = factory.open(name, 1);
      request.onupgradeneeded = () => request.result.createObjectStore('kept');
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
    // Where it did not open, the next one tries again.
    opened.catch(() => {
      opened = undefined;
    });
    return opened;
  };
  const run = async <T>(mode: IDBTransactionMode, ask: (kept: IDBObjectStore) => IDBRequest<T>) => {
    const database = await open();
    return new Promise<T>((resolve, reject) => {
      const transaction = database.transaction('kept', mode);
      const request = ask(transaction.objectStore('kept'));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error);
    });
  };
  return {
    getItem: (key) => run('readonly', (kept) => kept.get(key)).then((value) => value ?? null),
    setItem: (key, value) => run('readwrite', (kept) => kept.put(value, key)).then(() => undefined),
    removeItem: (key) => run('readwrite', (kept) => kept.delete(key)).then(() => undefined),
    keys: (prefix) =>
      run('readonly', (kept) => kept.getAllKeys()).then((keys) =>
        keys.map(String).filter((key) => key.startsWith(prefix)),
      ),
  };
}

/** An adapter as it is, and Web Storage through its adapter. */
export function asStore(storage: Store | Storage): Store {
  return 'keys' in storage && typeof storage.keys === 'function'
    ? (storage as Store)
    : webStorage(storage as Storage);
}
