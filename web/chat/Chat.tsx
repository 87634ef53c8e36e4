// What is shown to the user who is signed in.

import { useEffect } from 'preact/hooks';
import * as badge from './badge';
import { ConversationList } from './ConversationList';
import * as focus from './focus';
import { Notices } from './Notices';
import { Devices, preload } from './panels';
import * as route from './route';
import type { Session } from './session';
import { Thread } from './Thread';

export { Session } from './session';

export function Chat({ current }: { current: Session }) {
  useEffect(() => {
    const stops = [
      route.follow(current.open, current.goal),
      badge.follow(current),
      focus.follow(current),
      preload(),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }, [current]);
  return (
    <main class={current.open.value ? 'chat thread-open' : 'chat'}>
      <Banner session={current} />
      <Notices session={current} />
      <ConversationList session={current} />
      <Thread session={current} key={current.open.value ?? ''} />
    </main>
  );
}

function Banner({ session }: { session: Session }) {
  const connection = session.connection.value;
  const isFull = session.hasTooManyDevices;
  if (connection.state === 'online') return null;
  if (isFull.value) return <Devices session={session} />;
  if (connection.state === 'replaced') {
    return (
      <div class="banner" role="status" data-testid="banner">
        This page goes on in another tab.{' '}
        <button type="button" class="plain" onClick={() => session.reconnect()}>
          Use it here
        </button>
      </div>
    );
  }
  const text =
    connection.state === 'connecting'
      ? 'Connecting…'
      : connection.state === 'forbidden'
        ? 'The server does not serve this page. What you write is kept.'
        : `Offline. Trying again in ${Math.ceil((connection.retryMs ?? 0) / 1000)} s; what you write is kept.`;
  return (
    <div class="banner" role="status" data-testid="banner">
      {text}
    </div>
  );
}
