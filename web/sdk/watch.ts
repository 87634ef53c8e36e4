// What the browser says of its network and of this page: both are better reasons to look after a connection than
// a timer. Says nothing where there is no browser.

export interface Hooks {
  /** The network has come or gone, or the page is seen again: the connection may have died unnoticed. */
  doubt: () => void;
  /** The page is hidden, perhaps for good. */
  hidden: () => void;
  /** The page ends. */
  ended: () => void;
  /** It did not end, but slept. */
  woken: () => void;
}

/** Begins to listen. Answers what ends it. */
export function watch({ doubt, hidden, ended, woken }: Hooks): () => void {
  const { document } = globalThis as Partial<typeof globalThis>;
  if (!document) return () => undefined;
  const end = new AbortController();
  const on = (place: EventTarget, name: string, act: (event: Event) => void) =>
    place.addEventListener(name, act, { signal: end.signal });
  on(globalThis, 'online', doubt);
  on(globalThis, 'offline', doubt);
  on(globalThis, 'pagehide', ended);
  on(globalThis, 'pageshow', (event) => {
    if ((event as PageTransitionEvent).persisted) woken();
  });
  on(document, 'visibilitychange', () => (document.visibilityState === 'visible' ? doubt() : hidden()));
  return () => end.abort();
}
