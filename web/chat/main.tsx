// The page: signs in, then shows the list and the thread, which are loaded by then.

import { render } from 'preact';
import { session } from './account';
import { lazy } from './lazy';
import { SignIn } from './SignIn';
import './style.css';

const Chat = lazy(async () => (await import('./Chat')).Chat);

function App() {
  const current = session.value;
  return current ? <Chat current={current} /> : <SignIn />;
}

const root = document.getElementById('app');
if (root) render(<App />, root);
