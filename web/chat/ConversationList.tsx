// The conversations, most recently active first, and the way to begin one.

import { useSignal } from '@preact/signals';
import type { Entry, Status } from '../sdk/frames';
import type { Conversation } from '../sdk/rest';
import { signOut } from './account';
import { NewConversation } from './NewConversation';
import type { Session } from './session';
import { clock, describe } from './text';

export function ConversationList({ session }: { session: Session }) {
  const starting = useSignal(false);
  const list = session.list.value;

  const move = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (step === 0) return;
    event.preventDefault();
    const buttons = [...document.querySelectorAll<HTMLElement>('.conversation')];
    const at = buttons.indexOf(document.activeElement as HTMLElement);
    buttons[Math.max(0, Math.min(buttons.length - 1, at + step))]?.focus();
  };

  return (
    <nav class="list" aria-label="Conversations">
      <header>
        <strong data-testid="me">{session.name || session.userId}</strong>
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
          }}
        />
      )}
      {list.length === 0 && <p class="empty">Nobody yet. Begin a conversation.</p>}
      <ul onKeyDown={move}>
        {list.map((conversation) => (
          <Row key={conversation.id} session={session} conversation={conversation} />
        ))}
      </ul>
    </nav>
  );
}

function Row({ session, conversation }: { session: Session; conversation: Conversation }) {
  const peer = session.peer(conversation);
  const status = peer ? (session.presence.value.get(peer)?.status ?? 'offline') : undefined;
  const isOpen = session.open.value === conversation.id;
  return (
    <li>
      <button
        type="button"
        class="conversation"
        data-testid="conversation"
        aria-current={isOpen ? 'true' : undefined}
        onClick={() => {
          session.open.value = conversation.id;
        }}
      >
        <span class="name">
          {status && <Dot status={status} />}
          {session.title(conversation)}
        </span>
        <time>{conversation.last_entry ? clock(conversation.last_entry.timestamp) : ''}</time>
        <span class="last">{preview(session, conversation, conversation.last_entry)}</span>
        {conversation.unread > 0 && (
          <span class="unread" data-testid="unread">
            {conversation.unread > 99 ? '99+' : conversation.unread}
            <span class="for-ears"> unread</span>
          </span>
        )}
      </button>
    </li>
  );
}

export function Dot({ status }: { status: string }) {
  return <span class={`dot ${status}`} data-testid="dot" role="img" aria-label={status} title={status} />;
}

function preview(session: Session, conversation: Conversation, entry: Entry | undefined): string {
  const typing = session.typing.value.get(conversation.id);
  if (typing) return `${session.nameOf(typing)} is writing…`;
  if (!entry) return '';
  if (entry.kind === 'system') return describe(entry, (user) => session.nameOf(user));
  const who =
    entry.sender.id === session.userId
      ? 'You: '
      : conversation.kind === 'group'
        ? `${session.nameOf(entry.sender.id)}: `
        : '';
  return who + String(entry.content?.text ?? '');
}
