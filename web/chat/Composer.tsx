// The field to write in.

import { useEffect, useRef } from 'preact/hooks';
import type { Conversation } from '../sdk/rest';
import { isComposing, isPlain } from './keys';
import type { Session } from './session';
import { signal, useSignal, useSignalEffect } from './signals';
import { characters } from './text';

/** Others are told of writing at most so often, and of its end after a pause. */
const TYPING_EVERY_MS = 3_000;
/** The longest text that the server takes. */
const MOST_CHARACTERS = 8_000;
/** From here on the rest is counted. */
const COUNTED_FROM = MOST_CHARACTERS - 500;

const quoted = signal('');

/** Puts a text as a quotation into the field of the open conversation. */
export function quote(text: string): void {
  quoted.value = text;
}

export function Composer({ session, conversation }: { session: Session; conversation: Conversation }) {
  const text = useSignal(session.drafts.get(conversation.id));
  const field = useRef<HTMLTextAreaElement>(null);
  /** It was to be sent before there was a client. */
  const isAsked = useSignal(false);
  const told = useRef(0);
  const pause = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const count = text.value.length < COUNTED_FROM ? 0 : characters(text.value.trim());
  const excess = count - MOST_CHARACTERS;

  const put = (value: string) => {
    text.value = value;
    session.drafts.set(conversation.id, value);
  };
  const write = (value: string) => {
    put(value);
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
    if (session.hasClient.peek()) submit();
    else isAsked.value = true;
  };
  const submit = () => {
    const trimmed = text.peek().trim();
    if (!trimmed || excess > 0) return;
    session.send(conversation, trimmed);
    put('');
    clearTimeout(pause.current);
    stop();
    field.current?.focus();
  };
  useSignalEffect(() => {
    if (!session.hasClient.value || !isAsked.value) return;
    isAsked.value = false;
    submit();
  });

  useSignalEffect(() => {
    if (!quoted.value) return;
    const lines = quoted.value.split('\n').map((line) => `> ${line}\n`);
    quoted.value = '';
    put(lines.join('') + text.peek());
    field.current?.focus();
  });
  useEffect(() => () => clearTimeout(pause.current), []);

  return (
    <form class="composer" onSubmit={send}>
      <label class="for-ears" for="message">
        Message
      </label>
      <textarea
        id="message"
        ref={field}
        data-testid="composer"
        dir="auto"
        rows={1}
        placeholder="Write a message"
        aria-invalid={excess > 0}
        aria-describedby="message-length"
        value={text.value}
        onInput={(event) => write(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && !event.shiftKey && !isComposing(event)) send(event);
          if (isPlain(event, 'Escape')) session.open.value = undefined;
        }}
      />
      <button type="submit" data-testid="send" aria-disabled={excess > 0}>
        <svg viewBox="0 0 20 20" aria-hidden="true">
          <path d="M2 3l16 7-16 7 3-7z" />
        </svg>
        <span>Send</span>
      </button>
      <p id="message-length" class={excess > 0 ? 'length problem' : 'length'} role="status">
        {excess > 0
          ? `Too long by ${excess.toLocaleString()} characters: ${MOST_CHARACTERS.toLocaleString()} can be sent at once.`
          : count > 0
            ? `${(MOST_CHARACTERS - count).toLocaleString()} characters left.`
            : ''}
      </p>
    </form>
  );
}
