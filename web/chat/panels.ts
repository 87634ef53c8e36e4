// What opens only when it is asked for: the conversation in one file, the panels in another. Both are loaded when the
// page has nothing else to do, so that they open offline, too.

import { h } from 'preact';
import { lazy } from './lazy';

const load = () => import('./later');

export const OpenThread = lazy(
  async () => (await import('./OpenThread')).OpenThread,
  () => h('section', { class: 'thread nothing' }, 'Loading…'),
);
export const Devices = lazy(async () => (await load()).Devices);
export const Members = lazy(async () => (await load()).Members);
export const NewConversation = lazy(async () => (await load()).NewConversation);
export const Menu = lazy(async () => (await load()).Menu);
export const Refused = lazy(async () => (await load()).Refused);
export const RefusedElsewhere = lazy(async () => (await load()).RefusedElsewhere);

const SOON_MS = 5_000;

/** Answers how to give up. */
export function preload(): () => void {
  const timer = setTimeout(() => {
    for (const panel of [OpenThread, Devices, Members, NewConversation, Menu, Refused, RefusedElsewhere])
      void panel.load();
  }, SOON_MS);
  return () => clearTimeout(timer);
}
