// A store in IndexedDB, beside the rest so that only those who use it load it.

import type { Store } from './types';

/** More room than `localStorage` has; answers later. */
export function indexedDbStorage(name = 'tidings', factory: IDBFactory = indexedDB): Store {
  let opened: Promise<IDBDatabase> | undefined;
  const forget = () => {
    opened = undefined;
  };
  const open = () => {
    opened ??= new Promise<IDBDatabase>((resolve, reject) => {
      const request = factory.open(name, 1);
      request.onupgradeneeded = () => request.result.createObjectStore('kept');
      request.onsuccess = () => {
        const database = request.result;
        // The browser has cleared this site's storage, or another tab deletes the database: it is opened anew.
        database.onclose = forget;
        database.onversionchange = () => {
          database.close();
          forget();
        };
        resolve(database);
      };
      request.onerror = () => reject(request.error);
    });
    // Where it did not open, the next one tries again.
    opened.catch(forget);
    return opened;
  };
  const run = async <T>(mode: IDBTransactionMode, ask: (kept: IDBObjectStore) => IDBRequest<T>) => {
    const begin = async () => (await open()).transaction('kept', mode);
    // It may be closed and not have said so yet.
    const transaction = await begin().catch(() => {
      forget();
      return begin();
    });
    return new Promise<T>((resolve, reject) => {
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
