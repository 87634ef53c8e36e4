// Shows what the server tells while no page is open, and takes it back when it was read elsewhere. It knows no token and
// asks nobody: what it shows is what it was told.

const NAME = 'Tidings';
const ONE = 'New message';

self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));

self.addEventListener('push', (event) => {
  event.waitUntil(told(noteOf(event.data)));
});

self.addEventListener('notificationclick', (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data?.conversation_id));
});

/** What was told; nothing for what this worker does not know. */
function noteOf(data) {
  try {
    const note = data.json();
    return typeof note.conversation_id === 'string' && Number.isSafeInteger(note.seq) ? note : undefined;
  } catch {
    return undefined;
  }
}

async function told(note) {
  if (!note) return;
  if (Number.isSafeInteger(note.badge)) await badge(note.badge);
  // One notification for each conversation.
  const tag = note.conversation_id;
  const shown = await self.registration.getNotifications({ tag });
  if (note.type === 'clear') {
    // What came later than was read stays.
    for (const one of shown) if (!(one.data?.seq > note.seq)) one.close();
    return;
  }
  // Pushes may come in another order than they were sent.
  if (note.type !== 'message' || shown.some((one) => one.data?.seq >= note.seq)) return;
  const title = note.title || NAME;
  const body = note.text || (note.count > 1 ? `${note.count} new messages` : ONE);
  const data = { conversation_id: tag, seq: note.seq };
  await self.registration.showNotification(title, { body, tag, data, renotify: true, timestamp: Date.now() });
}

async function badge(count) {
  try {
    await (count > 0 ? self.navigator.setAppBadge?.(count) : self.navigator.clearAppBadge?.());
  } catch {
    // The page is not installed.
  }
}

/** The conversation, in a page that is open or in a new one. */
async function open(id) {
  const url = new URL(id ? `#/c/${id}` : '', self.registration.scope).href;
  const pages = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
  for (const page of pages) {
    try {
      await page.navigate(url);
      await page.focus();
      return;
    } catch {
      // It is of another worker, or gone.
    }
  }
  await self.clients.openWindow(url);
}
