// What the browser says of its network and of this page: both are better reasons to look after a connection than
// a timer. Says nothing where there is no browser.

export interface Hooks {
  /** The network is back, or the page is seen again: the connection may have died unnoticed. */
  back: () => void;
  /** The network is gone. */
  gone: () => void;
  /** The page is hidden, perhaps for good. */
  hidden: () => void;
  /** The page ends. */
  ended: () => void;
  /** It did not end, but slept. */
  woken: () => void;
}

/** Begins to listen. Answers what ends it. */
export function watch(hooks: Hooks): () => void {
  const { document, addEventListener } = globalThis as unknown as Partial<Window>;
  if (!document || !addEventListener) return () => undefined;
  const seen = () => (document.visibilityState === 'visible' ? hooks.back() : hooks.hidden());
  const end = new AbortController();
  const { signal } = end;
  addEventListener('online', hooks.back, { signal });
  addEventListener('offline', hooks.gone, { signal });
  addEventListener('pagehide', hooks.ended, { signal });
  addEventListener('pageshow', (event) => (event as PageTransitionEvent).persisted && hooks.woken(), {
    signal,
  });
  document.addEventListener('visibilitychange', seen, { signal });
  return () => end.abort();
}
