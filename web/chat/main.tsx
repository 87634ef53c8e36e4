// The chat page: signs in, then shows the list and the thread.

import { render } from 'preact';
import { useEffect } from 'preact/hooks';
import { session } from './account';
import * as badge from './badge';
import { ConversationList } from './ConversationList';
import { Notices } from './Notices';
import * as route from './route';
import { SignIn } from './SignIn';
import type { Session } from './session';
import './style.css';
import { Thread } from './Thread';

function App() {
  const current = session.value;
  if (!current) return <SignIn />;
  return <Chat current={current} />;
}

function Chat({ current }: { current: Session }) {
  useEffect(() => {
    const stops = [route.follow(current.open), badge.follow(current)];
    return () => {
      for (const stop of stops) stop();
    };
  }, [current]);
  return (
    <main class={current.open.value ? 'chat thread-open' : 'chat'}>
      <Banner />
      <Notices session={current} />
      <ConversationList session={current} />
      <Thread session={current} key={current.open.value ?? ''} />
    </main>
  );
}

function Banner() {
  const connection = session.value?.connection.value;
  if (!connection || connection.state === 'online') return null;
  const text =
    connection.state === 'connecting'
      ? 'Connecting…'
      : `Offline. Trying again in ${Math.ceil((connection.retryMs ?? 0) / 1000)} s; what you write is kept.`;
  return (
    <div class="banner" role="status" data-testid="banner">
      {text}
    </div>
  );
}

const root = document.getElementById('app');
if (root) render(<App />, root);
