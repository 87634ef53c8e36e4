// Begins a direct conversation with one user, or a group with several.

import { useEffect, useRef } from 'preact/hooks';
import type { User } from '../sdk/rest';
import { Found, find, type Search } from './Found';
import { isComposing, isPlain } from './keys';
import type { Session } from './session';
import { useSignal } from './signals';

export function NewConversation({ session, onDone }: { session: Session; onDone: () => void }) {
  const chosen = useSignal<User[]>([]);
  const search = useSignal<Search>({ text: '', users: [] });
  const title = useSignal('');
  const problem = useSignal('');
  const isBusy = useSignal(false);
  /** True when all who were typed were found. */
  const taking = useRef(Promise.resolve(true));
  const field = useRef<HTMLInputElement>(null);

  // Opened by the user to type here.
  useEffect(() => field.current?.focus(), []);

  const choose = (user: User) => {
    if (!chosen.value.some(({ id }) => id === user.id)) chosen.value = [...chosen.value, user];
    problem.value = '';
  };
  /** False when what is typed is nobody. */
  const take = async (): Promise<boolean> => {
    const { text } = search.value;
    if (!text.trim()) return true;
    // The next one may be typed while this one is looked for.
    search.value = { text: '', users: [] };
    const user = await find(session, text);
    if (user) choose(user);
    else {
      problem.value = `Nobody is known as “${text.trim()}” yet.`;
      if (!search.value.text) search.value = { text, users: [] };
    }
    return user !== undefined;
  };
  const takeNext = () => {
    taking.current = Promise.all([taking.current, take()]).then((all) => all.every(Boolean));
    return taking.current;
  };
  const submit = async (event: Event) => {
    event.preventDefault();
    if (isBusy.value) return;
    isBusy.value = true;
    try {
      const isKnown = await takeNext();
      taking.current = Promise.resolve(true);
      if (!isKnown) return;
      const members = chosen.value.map(({ id }) => id);
      if (members.length === 0) {
        problem.value = 'With whom?';
        field.current?.focus();
        return;
      }
      const names = chosen.value.map((user) => user.name || user.id).join(', ');
      if (members.length === 1 && !title.value.trim()) await session.start('direct', members);
      else await session.start('group', members, title.value.trim() || names.slice(0, 100));
      onDone();
    } catch (error) {
      problem.value = error instanceof Error ? error.message : 'That did not work.';
    } finally {
      isBusy.value = false;
    }
  };

  return (
    <form
      class="new-conversation"
      aria-label="New conversation"
      onSubmit={submit}
      onKeyDown={(event) => {
        if (isPlain(event, 'Escape')) onDone();
      }}
    >
      <label for="with">With</label>
      {chosen.value.length > 0 && (
        <ul class="chosen">
          {chosen.value.map((user) => (
            <li key={user.id}>
              <bdi>{user.name || user.id}</bdi>
              <button
                type="button"
                class="plain"
                aria-label={`Without ${user.name || user.id}`}
                onClick={() => {
                  chosen.value = chosen.value.filter(({ id }) => id !== user.id);
                  field.current?.focus();
                }}
              >
                ×
              </button>
            </li>
          ))}
        </ul>
      )}
      <Found
        session={session}
        search={search}
        label="With"
        id="with"
        testid="with"
        field={field}
        onChoose={(user) => {
          search.value = { text: '', users: [] };
          choose(user);
        }}
        onKey={(event) => {
          if (isComposing(event)) return;
          if (event.key === ',' || (event.key === 'Enter' && event.shiftKey)) {
            event.preventDefault();
            void takeNext();
          }
        }}
      />
      <label for="title">Group title</label>
      <input
        id="title"
        data-testid="title"
        dir="auto"
        maxLength={100}
        placeholder="For a group of several"
        value={title.value}
        onInput={(event) => {
          title.value = event.currentTarget.value;
        }}
      />
      <button type="submit" data-testid="begin" aria-disabled={isBusy.value}>
        Begin
      </button>
      <p class="problem" role="alert">
        {problem.value}
      </p>
    </form>
  );
}
