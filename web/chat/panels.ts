// What opens only when it is asked for: loaded when the page has nothing else to do, so that it opens offline, too.

import { lazy } from './lazy';

export const Devices = lazy(async () => (await import('./Devices')).Devices);
export const Members = lazy(async () => (await import('./Members')).Members);
export const NewConversation = lazy(async () => (await import('./NewConversation')).NewConversation);
export const Menu = lazy(async () => (await import('./Menu')).Menu);
export const Refused = lazy(async () => (await import('./Refused')).Refused);
export const RefusedElsewhere = lazy(async () => (await import('./Refused')).RefusedElsewhere);

const SOON_MS = 5_000;

/** Answers how to give up. */
export function preload(): () => void {
  const timer = setTimeout(() => {
    for (const panel of [Devices, Members, NewConversation, Menu, Refused, RefusedElsewhere])
      void panel.load();
  }, SOON_MS);
  return () => clearTimeout(timer);
}
