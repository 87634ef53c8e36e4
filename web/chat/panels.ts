// What opens only when it is asked for: the conversation in one file, what is pinned in it in another, the panels in a
// third. All are loaded when the page has nothing else to do, so that they open offline, too.

import { type ComponentType, h } from 'preact';
import { lazy } from './lazy';
import { loadExtras } from './parts';

type Panels = typeof import('./later');
const panel = <Props extends object>(pick: (all: Panels) => ComponentType<Props>) =>
  lazy(async () => pick(await import('./later')));

export const OpenThread = lazy(
  async () => (await import('./OpenThread')).OpenThread,
  () => h('section', { class: 'thread nothing' }, 'Loading…'),
);
export const Bar = lazy(async () => (await import('./Bar')).Bar);
export const Announcements = panel((all) => all.Announcements);
export const Devices = panel((all) => all.Devices);
export const Jumps = panel((all) => all.Jumps);
export const Length = panel((all) => all.Length);
export const Members = panel((all) => all.Members);
export const NewConversation = panel((all) => all.NewConversation);
export const Menu = panel((all) => all.Menu);
export const NoConversation = panel((all) => all.NoConversation);
export const Notifications = lazy(async () => (await import('./Notifications')).Notifications);
export const PinList = panel((all) => all.PinList);
export const PinLine = lazy(async () => (await import('./PinLine')).PinLine);
export const PrivacyDialog = lazy(async () => (await import('./Privacy')).PrivacyDialog);
export const Dialogs = lazy(async () => (await import('./Dialogs')).Dialogs);
export const ThreadPanel = lazy(async () => (await import('./ThreadPanel')).ThreadPanel);
export const Refused = panel((all) => all.Refused);
export const RefusedElsewhere = panel((all) => all.RefusedElsewhere);
export const RowMenu = panel((all) => all.RowMenu);
export const Watched = lazy(async () => (await import('./Watched')).Watched);

const SOON_MS = 5_000;

/** Answers how to give up. */
export function preload(): () => void {
  const timer = setTimeout(() => {
    // Of each file one part.
    for (const part of [OpenThread, Menu, PinLine, Dialogs, ThreadPanel, Watched]) void part.load();
    void loadExtras();
    import('./far').catch(() => {});
  }, SOON_MS);
  return () => clearTimeout(timer);
}
