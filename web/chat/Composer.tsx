// The field to write in.

import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import type { Conversation } from '../sdk/rest';
import type { Session } from './session';

/** Others are told of writing at most so often, and of its end after a pause. */
const TYPING_EVERY_MS = 3_000;

export function Composer({ session, conversation }: { session: Session; conversation: Conversation }) {
  const text = useSignal(session.drafts.get(conversation.id));
  const told = useRef(0);
  const pause = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);

  const write = (value: string) => {
    text.value = value;
    session.drafts.set(conversation.id, value);
    const now = Date.now();
    if (value && now - told.current > TYPING_EVERY_MS) {
      told.current = now;
      session.setTyping(conversation.id, true);
    }
    clearTimeout(pause.current);
    pause.current = setTimeout(stop, TYPING_EVERY_MS);
  };
  const stop = () => {
    if (told.current) session.setTyping(conversation.id, false);
    told.current = 0;
  };
  const send = (event: Event) => {
    event.preventDefault();
    const trimmed = text.value.trim();
    if (!trimmed) return;
    session.send(conversation, trimmed);
    text.value = '';
    session.drafts.set(conversation.id, '');
    clearTimeout(pause.current);
    stop();
  };

  return (
    <form class="composer" onSubmit={send}>
      <label class="for-ears" for="message">
        Message
      </label>
      <textarea
        id="message"
        data-testid="composer"
        rows={1}
        maxLength={8000}
        placeholder="Write a message"
        value={text.value}
        onInput={(event) => write(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) send(event);
          if (event.key === 'Escape') session.open.value = undefined;
        }}
      />
      <button type="submit" data-testid="send">
        Send
      </button>
    </form>
  );
}
