// The page: signs in, then shows the list and the thread, which are loaded by then.

import { render } from 'preact';
import { arriving, session } from './account';
import { lazy } from './lazy';
import './style.css';
import './messages.css';
import './adaptation.css';

const Chat = lazy(async () => (await import('./Chat')).Chat);
const SignIn = lazy(async () => (await import('./SignIn')).SignIn);

function App() {
  const current = session.value;
  if (current) return <Chat current={current} />;
  if (!arriving.value) return <SignIn />;
  return (
    <main class="sign-in">
      <p role="status">Signing in…</p>
    </main>
  );
}

const root = document.getElementById('app');
if (root) render(<App />, root);
