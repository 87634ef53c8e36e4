// What belongs to the field to write in and few texts need: the answer to a message, another text for an own one, names
// of members, and marks that are read when the text is sent.

import type { RefObject } from 'preact';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { contentOf } from '../sdk/kinds';
import type { Conversation } from '../sdk/rest';
import { ComposerBar } from './ComposerBar';
import { stateOf } from './changed';
import { type Composing, composing, edit, isHere } from './composing';
import { isComposing, isPlain } from './keys';
import { MentionList } from './MentionList';
import { compose, written } from './markup';
import { namedIn, type Suggested, suggestedAt, withMember } from './mentioning';
import type { Session } from './session';
import { type Signal, useSignal, useSignalEffect } from './signals';

/** What the field asks for. */
export interface Help {
  /** Somebody has written. */
  wrote: () => void;
  /** True: the key was meant for this. */
  keys: (event: KeyboardEvent) => boolean;
  /** Sends what is in the field. What is there then is answered. */
  send: (text: string) => string;
}

interface ComposerPartsProps {
  session: Session;
  conversation: Conversation;
  thread: number | undefined;
  /** Under which the text is kept as a draft. */
  draft: string;
  field: RefObject<HTMLTextAreaElement | null>;
  text: Signal<string>;
  put: (text: string) => void;
  help: { current: Help | undefined };
}

export function ComposerParts(props: ComposerPartsProps) {
  const { session, conversation, thread, draft, field, text, put, help } = props;
  const { id } = conversation;
  const listId = thread === undefined ? 'members-meant' : 'members-meant-in-thread';
  const suggested = useSignal<Suggested | undefined>(undefined);
  /** The last edit that the writer of another one has seen. */
  const base = useRef(0);
  const now = composing.value;
  const doing = isHere(now, id, thread) ? now : undefined;
  const { meant, found = [], chosen = 0 } = suggested.value ?? {};

  const suggest = () => {
    suggested.value = field.current ? suggestedAt(field.current, session, conversation) : undefined;
  };
  const mention = (at: number) => {
    const member = found[at];
    if (!member || !meant || !field.current) return;
    const [value, caret] = withMember(text.peek(), meant, member);
    suggested.value = undefined;
    // The caret goes to the end of a value that is set.
    field.current.value = value;
    field.current.setSelectionRange(caret, caret);
    put(value);
  };
  const stop = () => {
    const isEdit = composing.peek()?.as === 'edit';
    composing.value = undefined;
    if (isEdit) text.value = session.drafts.get(draft);
    field.current?.focus();
  };
  const keys = (event: KeyboardEvent) => {
    if (found.length > 0 && !isComposing(event) && !event.shiftKey && suggested.peek()) {
      const step = { ArrowDown: 1, ArrowUp: found.length - 1 }[event.key];
      const isChoice = ['Enter', 'Tab', 'Escape'].includes(event.key);
      if (step && meant) suggested.value = { meant, found, chosen: (chosen + step) % found.length };
      else if (event.key === 'Escape') suggested.value = undefined;
      else if (isChoice) mention(chosen);
      return step !== undefined || isChoice;
    }
    if (!doing || !isPlain(event, 'Escape')) return false;
    stop();
    return true;
  };
  const send = (trimmed: string) => {
    suggested.value = undefined;
    const { as, entry } = doing ?? {};
    // An edit mentions nobody anew.
    const named = as === 'edit' ? session.membersOf(conversation) : namedIn(session, conversation);
    const { mention_all, ...message } = compose(trimmed, named);
    composing.value = undefined;
    if (!doing || as !== 'edit') {
      session.send(conversation, { ...message, mention_all, reply_to: entry?.seq, thread });
      return '';
    }
    const { seq } = doing.entry;
    session.problem.value = '';
    if (trimmed !== asWritten(session, doing))
      session.plan((client) => client.edit({ conversation_id: id, seq, ...message, base: base.current }));
    return session.drafts.get(draft);
  };
  help.current = { wrote: suggest, keys, send };

  useSignalEffect(() => {
    const { value } = composing;
    if (!isHere(value, id, thread)) return;
    field.current?.focus();
    if (value.as !== 'edit') return;
    base.current = stateOf(session, value.entry)?.edited?.seq ?? 0;
    text.value = value.text ?? asWritten(session, value);
    if (!field.current) return;
    // The caret is at its end before anybody goes on writing.
    field.current.value = text.peek();
    field.current.setSelectionRange(text.peek().length, text.peek().length);
  });
  useLayoutEffect(() => {
    const element = field.current;
    if (!element) return;
    element.toggleAttribute('aria-controls', false);
    element.removeAttribute('aria-activedescendant');
    if (found.length === 0) return;
    element.setAttribute('aria-controls', listId);
    element.setAttribute('aria-activedescendant', `${listId}-${chosen}`);
  }, [found, chosen]);
  useEffect(() => {
    const left = () => {
      suggested.value = undefined;
    };
    const element = field.current;
    element?.addEventListener('blur', left);
    let off: (() => void) | undefined;
    let hasEnded = false;
    // An edit that was refused is not lost: its writer goes on with it.
    session.plan((client) => {
      if (hasEnded) return;
      off = client.on('refused', (operation) => {
        if (operation.type !== 'edit' || operation.conversation_id !== id || composing.peek()) return;
        const entry = session.entries(id).find(({ seq }) => seq === operation.seq);
        const { text, entities } = operation.content;
        if (entry && isHere({ as: 'edit', entry }, id, thread)) edit(entry, written(text, entities));
      });
    });
    suggest();
    return () => {
      hasEnded = true;
      off?.();
      element?.removeEventListener('blur', left);
      if (isHere(composing.peek(), id, thread)) composing.value = undefined;
    };
  }, [session, id]);

  return (
    <>
      {doing && <ComposerBar session={session} composing={doing} onCancel={stop} />}
      {found.length > 0 && <MentionList id={listId} found={found} chosen={chosen} onChoose={mention} />}
    </>
  );
}

/** What an own message says now, as it can be written again. */
function asWritten(session: Session, { entry }: Composing): string {
  const { text = '', entities } = contentOf(entry, stateOf(session, entry));
  return written(String(text), entities);
}
