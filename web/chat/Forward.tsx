// Chooses the conversations that a message is copied into.

import type { Entry } from '../sdk/frames';
import { say } from './copy';
import type { Session } from './session';
import { useSignal } from './signals';

/** At once. */
const MOST = 10;

interface ForwardProps {
  session: Session;
  entry: Entry;
  onDone: () => void;
}

export function Forward({ session, entry: { conversation_id, seq }, onDone }: ForwardProps) {
  const wanted = useSignal('');
  const chosen = useSignal<readonly string[]>([]);
  const problem = useSignal('');
  const isAsked = useSignal(false);
  const text = wanted.value.trim().toLowerCase();
  const found = session.conversations.order.value.flatMap((id) => {
    const conversation = session.conversations.get(id);
    const title = conversation && session.title(conversation);
    return title?.toLowerCase().includes(text) ? [{ id, title }] : [];
  });
  const isFull = chosen.value.length >= MOST;
  const forward = async (event: Event) => {
    event.preventDefault();
    if (chosen.value.length === 0 || isAsked.value) return;
    isAsked.value = true;
    try {
      const rest = await session.api();
      await rest.forward(conversation_id, seq, [...chosen.value]);
      say('Forwarded.');
      onDone();
    } catch (error) {
      problem.value = (error as Error).message;
      isAsked.value = false;
    }
  };
  return (
    <form class="forward" onSubmit={(event) => void forward(event)}>
      <input
        type="search"
        aria-label="Find a conversation"
        placeholder="Find a conversation"
        value={wanted.value}
        onInput={(event) => {
          wanted.value = event.currentTarget.value;
        }}
        onKeyDown={(event) => {
          // Enter chooses nothing yet.
          if (event.key === 'Enter') event.preventDefault();
        }}
      />
      <ul aria-label="Conversations">
        {found.map(({ id, title }) => {
          const isChosen = chosen.value.includes(id);
          return (
            <li key={id}>
              <label>
                <input
                  type="checkbox"
                  checked={isChosen}
                  disabled={!isChosen && isFull}
                  onChange={() => {
                    chosen.value = isChosen
                      ? chosen.value.filter((one) => one !== id)
                      : [...chosen.value, id];
                  }}
                />
                <bdi>{title}</bdi>
              </label>
            </li>
          );
        })}
      </ul>
      {isFull && <p role="status">Not more than {MOST} at once.</p>}
      <p class="problem" role="alert">
        {problem.value}
      </p>
      <button type="submit" aria-disabled={chosen.value.length === 0}>
        Forward
      </button>
    </form>
  );
}
