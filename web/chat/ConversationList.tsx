// The conversations, most recently active first, and the way to begin one.

import type { Status } from '../sdk/frames';
import { signOut } from './account';
import { focusSoon } from './focus';
import { useSignal } from './signals';
import './list.css';
import { Bar, NewConversation } from './panels';
import { Rows } from './Rows';
import type { Session } from './session';

export function ConversationList({ session }: { session: Session }) {
  const starting = useSignal(false);
  const { isLoaded, order, archived, listsArchived } = session.conversations;

  return (
    <nav class="list" aria-label="Conversations">
      <header>
        <strong data-testid="me">
          <bdi>{session.name || session.userId}</bdi>
        </strong>
        <select
          aria-label="Your status"
          value={session.myStatus.value}
          onChange={(event) => session.setStatus(event.currentTarget.value as Status)}
        >
          <option value="online">Online</option>
          <option value="away">Away</option>
          <option value="busy">Busy</option>
          <option value="invisible">Invisible</option>
        </select>
        <button type="button" class="plain" onClick={signOut}>
          Sign out
        </button>
      </header>
      <div class="bar">{session.hasClient.value && <Bar session={session} />}</div>
      <button
        type="button"
        class="new"
        data-testid="new"
        onClick={() => {
          starting.value = !starting.value;
        }}
        aria-expanded={starting.value}
      >
        New conversation
      </button>
      {starting.value && (
        <NewConversation
          session={session}
          onDone={() => {
            starting.value = false;
            if (!session.open.value) focusSoon('.new');
          }}
        />
      )}
      {session.notices.value.map(({ id, text }) => (
        <p key={id} class="notice" role="status" data-testid="notice">
          {text}{' '}
          <button type="button" class="plain" onClick={() => session.dismiss(id)}>
            Dismiss
          </button>
        </p>
      ))}
      {(archived.value > 0 || listsArchived.value) && (
        <button
          type="button"
          class="plain archived"
          data-testid="archived"
          aria-pressed={listsArchived.value}
          onClick={() => {
            listsArchived.value = !listsArchived.value;
          }}
        >
          Archived ({archived.value})
        </button>
      )}
      {isLoaded.value && order.value.length === 0 && !listsArchived.value && (
        <p class="empty">Nobody yet. Begin a conversation.</p>
      )}
      <Rows session={session} />
    </nav>
  );
}
