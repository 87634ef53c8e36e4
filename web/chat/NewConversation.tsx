// Begins a direct conversation with one user, or a group with several.

import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { User } from '../sdk/rest';
import type { Session } from './session';

export function NewConversation({ session, onDone }: { session: Session; onDone: () => void }) {
  const chosen = useSignal<string[]>([]);
  const typed = useSignal('');
  const title = useSignal('');
  const found = useSignal<User[]>([]);
  const problem = useSignal('');
  const field = useRef<HTMLInputElement>(null);

  // Opened by the user to type here.
  useEffect(() => field.current?.focus(), []);

  const search = async (text: string) => {
    typed.value = text;
    const users = text ? (await session.rest.search(text).catch(() => ({ users: [] }))).users : [];
    if (typed.value === text) found.value = users.filter((user) => user.id !== session.userId);
  };
  const choose = (id: string) => {
    if (id && !chosen.value.includes(id)) chosen.value = [...chosen.value, id];
    typed.value = '';
    found.value = [];
  };
  const submit = async (event: Event) => {
    event.preventDefault();
    choose(typed.value.trim());
    const members = chosen.value;
    if (members.length === 0) return;
    try {
      if (members.length === 1 && !title.value.trim()) await session.start('direct', members);
      else await session.start('group', members, title.value.trim() || members.join(', '));
      onDone();
    } catch (error) {
      problem.value = error instanceof Error ? error.message : 'That did not work.';
    }
  };

  return (
    <form class="new-conversation" onSubmit={submit}>
      <label for="with">With</label>
      {chosen.value.length > 0 && (
        <ul class="chosen">
          {chosen.value.map((id) => (
            <li key={id}>
              {id}
              <button
                type="button"
                class="plain"
                aria-label={`Without ${id}`}
                onClick={() => {
                  chosen.value = chosen.value.filter((other) => other !== id);
                }}
              >
                ×
              </button>
            </li>
          ))}
        </ul>
      )}
      <input
        id="with"
        ref={field}
        data-testid="with"
        placeholder="A user id, or the beginning of a name"
        value={typed.value}
        onInput={(event) => void search(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === ',' || (event.key === 'Enter' && event.shiftKey)) {
            event.preventDefault();
            choose(typed.value.trim());
          }
          if (event.key === 'Escape') onDone();
        }}
      />
      {found.value.length > 0 && (
        <ul class="found">
          {found.value.map((user) => (
            <li key={user.id}>
              <button type="button" class="plain" onClick={() => choose(user.id)}>
                {user.name || user.id} <small>{user.id}</small>
              </button>
            </li>
          ))}
        </ul>
      )}
      <label for="title">Group title</label>
      <input
        id="title"
        data-testid="title"
        placeholder="For a group of several"
        value={title.value}
        onInput={(event) => {
          title.value = event.currentTarget.value;
        }}
      />
      <button type="submit" data-testid="begin">
        Begin
      </button>
      <p class="problem" role="alert">
        {problem.value}
      </p>
    </form>
  );
}
