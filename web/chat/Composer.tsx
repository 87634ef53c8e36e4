// The field to write in: a message, an answer, or another text for an own message.

import { useEffect, useRef } from 'preact/hooks';
import type { Entry } from '../sdk/frames';
import { isBlank, isInMain, isMessage } from '../sdk/kinds';
import type { Conversation } from '../sdk/rest';
import type { Help } from './ComposerParts';
import { composing, edit, isEdited } from './composing';
import { isComposing, isPlain } from './keys';
import { Length } from './panels';
import { extras, loadExtras } from './parts';
import type { Session } from './session';
import { signal, useSignal, useSignalEffect } from './signals';
import { characters } from './text';

/** Others are told of writing at most so often, and of its end after a pause. */
const TYPING_EVERY_MS = 3_000;
/** The longest text that the server takes. */
const MOST_CHARACTERS = 8_000;
/** From here on the rest is counted. */
const COUNTED_FROM = MOST_CHARACTERS - 500;
/** What marks in a text are read by comes at most so much later; else it is sent as it was written. */
const MARKS_MS = 2_000;
const MARKS = /[*_`@]/;

const quoted = signal('');

/** Puts a text as a quotation into the field of the open conversation. */
export function quote(text: string): void {
  quoted.value = text;
}

interface ComposerProps {
  session: Session;
  conversation: Conversation;
  /** What is written is a reply in the thread of this message. */
  thread?: number;
  /** By Escape. */
  onLeave: () => void;
}

export function Composer({ session, conversation, thread, onLeave }: ComposerProps) {
  const draft = thread === undefined ? conversation.id : `${conversation.id}/${thread}`;
  const fieldId = thread === undefined ? 'message' : 'reply';
  const text = useSignal(session.drafts.get(draft));
  const field = useRef<HTMLTextAreaElement>(null);
  /** It was to be sent before there was a client. */
  const isAsked = useSignal(false);
  const told = useRef(0);
  const pause = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const count = text.value.length < COUNTED_FROM ? 0 : characters(text.value.trim());
  const excess = count - MOST_CHARACTERS;
  const help = useRef<Help | undefined>(undefined);
  const isSending = useRef(false);

  const put = (value: string) => {
    text.value = value;
    // What is edited is no draft.
    if (!isEdited(composing.peek(), conversation.id, thread)) session.drafts.set(draft, value);
  };
  const write = (value: string) => {
    put(value);
    if (MARKS.test(value)) void loadExtras();
    help.current?.wrote();
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
    if (session.hasClient.peek()) void submit();
    else isAsked.value = true;
  };
  const submit = async () => {
    if (!text.peek().trim() || excess > 0 || isSending.current) return;
    if (MARKS.test(text.peek()) && !help.current) {
      isSending.current = true;
      await Promise.race([loadExtras(), new Promise((resolve) => setTimeout(resolve, MARKS_MS))]);
      // Drawn with what has come.
      await new Promise((resolve) => setTimeout(resolve));
      isSending.current = false;
    }
    const trimmed = text.peek().trim();
    if (help.current) put(help.current.send(trimmed));
    else {
      session.send(conversation, { content: { text: trimmed }, thread });
      put('');
    }
    clearTimeout(pause.current);
    stop();
    field.current?.focus();
  };
  useSignalEffect(() => {
    if (!session.hasClient.value || !isAsked.value) return;
    isAsked.value = false;
    void submit();
  });

  useSignalEffect(() => {
    if (!quoted.value || thread !== undefined) return;
    const lines = quoted.value.split('\n').map((line) => `> ${line}\n`);
    quoted.value = '';
    put(lines.join('') + text.peek());
    field.current?.focus();
  });
  useSignalEffect(() => {
    // Another device has written here.
    session.drafts.version.value;
    const kept = session.drafts.get(draft);
    // What is edited is no draft.
    if (kept !== text.peek() && !isEdited(composing.peek(), conversation.id, thread)) text.value = kept;
  });
  useEffect(() => () => clearTimeout(pause.current), []);

  const keys = (event: KeyboardEvent) => {
    if (help.current?.keys(event)) {
      event.preventDefault();
      return;
    }
    if (event.key === 'Enter' && !event.shiftKey && !isComposing(event)) send(event);
    if (isPlain(event, 'Escape')) onLeave();
    if (!isPlain(event, 'ArrowUp') || text.peek() || composing.peek()) return;
    const isOwn = (entry: Entry) =>
      isMessage(entry) &&
      entry.sender.id === session.userId &&
      entry.kind === 'text' &&
      !isBlank(entry) &&
      (thread === undefined ? isInMain(entry) : entry.thread === thread);
    const last = session.entries(conversation.id).findLast(isOwn);
    if (!last) return;
    event.preventDefault();
    edit(last);
  };
  const parts = extras.value;

  return (
    <form class="composer" onSubmit={send}>
      {parts && (
        <parts.ComposerParts
          session={session}
          conversation={conversation}
          thread={thread}
          draft={draft}
          field={field}
          text={text}
          put={put}
          help={help}
        />
      )}
      <label class="for-ears" for={fieldId}>
        {thread === undefined ? 'Message' : 'Reply'}
      </label>
      <textarea
        id={fieldId}
        ref={field}
        data-testid={thread === undefined ? 'composer' : 'thread-composer'}
        dir="auto"
        rows={1}
        placeholder={thread === undefined ? 'Write a message' : 'Write a reply'}
        aria-invalid={excess > 0}
        aria-describedby={`${fieldId}-length`}
        aria-autocomplete="list"
        value={text.value}
        onInput={(event) => write(event.currentTarget.value)}
        onKeyDown={keys}
      />
      <button
        type="submit"
        data-testid={thread === undefined ? 'send' : 'send-reply'}
        aria-disabled={excess > 0}
      >
        <svg viewBox="0 0 20 20" aria-hidden="true">
          <path d="M2 3l16 7-16 7 3-7z" />
        </svg>
        <span>Send</span>
      </button>
      <p id={`${fieldId}-length`} class={excess > 0 ? 'length problem' : 'length'} role="status">
        {count > 0 && <Length excess={excess} most={MOST_CHARACTERS} />}
      </p>
    </form>
  );
}
