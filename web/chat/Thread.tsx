// One conversation: its messages, who is writing, and the field to write in.

import { useSignal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import type { Conversation } from '../sdk/rest';
import { Composer } from './Composer';
import { Dot } from './ConversationList';
import { Members } from './Members';
import { Message, Waiting } from './Message';
import type { Session } from './session';

/** So near to the end counts as reading the end. */
const NEAR_PX = 80;

export function Thread({ session }: { session: Session }) {
  const id = session.open.value;
  const conversation = id ? session.conversations.value.get(id) : undefined;
  if (!conversation) {
    return <section class="thread nothing">Choose a conversation.</section>;
  }
  return <OpenThread session={session} conversation={conversation} />;
}

function OpenThread({ session, conversation }: { session: Session; conversation: Conversation }) {
  const showsMembers = useSignal(false);
  const peer = session.peer(conversation);
  const typing = session.typing.value.get(conversation.id);
  return (
    <section class="thread" aria-label={session.title(conversation)}>
      <header>
        <button
          type="button"
          class="plain back"
          onClick={() => {
            session.open.value = undefined;
          }}
        >
          ‹ Back
        </button>
        <h2>
          {peer && <Dot status={session.presence.value.get(peer)?.status ?? 'offline'} />}
          {session.title(conversation)}
        </h2>
        {conversation.kind === 'group' && (
          <button
            type="button"
            class="plain"
            aria-expanded={showsMembers.value}
            onClick={() => {
              showsMembers.value = !showsMembers.value;
            }}
          >
            {conversation.member_count} members
          </button>
        )}
      </header>
      {showsMembers.value && <Members session={session} conversation={conversation} />}
      <Messages session={session} conversation={conversation} />
      <p class="typing" aria-live="polite" data-testid="typing">
        {typing ? `${session.nameOf(typing)} is writing…` : ''}
      </p>
      <p class="problem" role="alert">
        {session.problem.value}
      </p>
      <Composer session={session} conversation={conversation} />
    </section>
  );
}

function Messages({ session, conversation }: { session: Session; conversation: Conversation }) {
  const box = useRef<HTMLOListElement>(null);
  const atEnd = useRef(true);
  const before = useRef(0);
  const loading = useRef(false);
  const entries = session.entries(conversation.id);
  const unanswered = session.pending.value.filter((o) => o.conversation_id === conversation.id);
  const marks = session.marks(conversation);

  useLayoutEffect(() => {
    const list = box.current;
    if (!list) return;
    if (atEnd.current) list.scrollTop = list.scrollHeight;
    // Older messages came in above: what was in view stays in view.
    else if (loading.current) list.scrollTop += list.scrollHeight - before.current;
    loading.current = false;
  });
  useEffect(() => {
    const look = () => session.markRead(conversation.id);
    look();
    document.addEventListener('visibilitychange', look);
    return () => document.removeEventListener('visibilitychange', look);
  });

  const scrolled = async () => {
    const list = box.current;
    if (!list) return;
    atEnd.current = list.scrollHeight - list.scrollTop - list.clientHeight < NEAR_PX;
    if (list.scrollTop < NEAR_PX && !loading.current && (entries[0]?.seq ?? 1) > 1) {
      loading.current = true;
      before.current = list.scrollHeight;
      await session.older(conversation.id).catch(() => {
        loading.current = false;
      });
    }
  };

  return (
    <ol class="messages" ref={box} onScroll={() => void scrolled()} aria-live="polite" data-testid="messages">
      {entries.map((entry) => (
        <Message key={entry.seq} session={session} conversation={conversation} entry={entry} marks={marks} />
      ))}
      {unanswered.map((operation) => (
        <Waiting key={operation.client_id} operation={operation} />
      ))}
    </ol>
  );
}
