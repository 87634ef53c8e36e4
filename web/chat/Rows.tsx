// The rows of the list of conversations. Only those near what is in view are in the document; one of them is a stop
// of the Tab key, and arrows lead to the others.

import { useCallback, useLayoutEffect, useRef } from 'preact/hooks';
import type { Listed } from './conversations';
import { Dot } from './Dot';
import { clock } from './formats';
import { Picture } from './Picture';
import { RowMenu } from './panels';
import type { Session } from './session';
import { isMuted } from './settings';
import { useSignal } from './signals';
import { writing } from './typing';
import { visible } from './visible';
import { wordsOf } from './words';

/** Until a row was measured. */
const GUESS_PX = 68;

export function Rows({ session }: { session: Session }) {
  const order = session.conversations.order.value;
  const view = useRef<HTMLDivElement>(null);
  const rowPx = useSignal(GUESS_PX);
  const scrolled = useSignal({ top: 0, height: 900 });
  /** The row that is the stop of the Tab key. */
  const stop = useSignal<string | undefined>(undefined);
  /** The row that is to have the focus after it was drawn. */
  const focus = useRef<string | undefined>(undefined);

  const chosen = [stop.value, session.open.value, order[0]].find((id) => id && order.includes(id));
  const { top, height } = scrolled.value;
  const [start, end] = visible(order.length, rowPx.value, top, height);
  const places = order.slice(start, end).map((id, at) => ({ id, place: start + at }));
  const chosenAt = chosen === undefined ? -1 : order.indexOf(chosen);
  if (chosen && chosenAt < start) places.unshift({ id: chosen, place: chosenAt });
  if (chosen && chosenAt >= end) places.push({ id: chosen, place: chosenAt });

  // A row that moves up in the document loses the focus on its way.
  const focused = document.activeElement;
  if (focused instanceof HTMLElement && focused.dataset.id && view.current?.contains(focused)) {
    focus.current ??= focused.dataset.id;
  }
  useLayoutEffect(() => {
    const id = focus.current;
    focus.current = undefined;
    if (!id) return;
    const row = view.current?.querySelector<HTMLElement>(`[data-id="${id}"]`);
    if (row !== document.activeElement) row?.focus({ preventScroll: true });
  });
  useLayoutEffect(() => {
    const element = view.current;
    if (!element) return;
    const look = () => {
      const row = element.querySelector('li')?.getBoundingClientRect().height;
      if (row) rowPx.value = row;
      scrolled.value = { top: element.scrollTop, height: element.clientHeight };
    };
    const resized = new ResizeObserver(look);
    resized.observe(element);
    look();
    return () => resized.disconnect();
  }, [rowPx, scrolled, order.length > 0]);

  const move = (event: KeyboardEvent) => {
    const page = Math.max(1, Math.floor(height / rowPx.value) - 1);
    const steps: Record<string, number> = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: page,
      PageUp: -page,
      Home: -order.length,
      End: order.length,
    };
    const step = steps[event.key];
    if (step === undefined || !view.current) return;
    event.preventDefault();
    const to = Math.max(0, Math.min(order.length - 1, chosenAt + step));
    const px = to * rowPx.value;
    if (px < view.current.scrollTop) view.current.scrollTop = px;
    if (px + rowPx.value > view.current.scrollTop + height)
      view.current.scrollTop = px + rowPx.value - height;
    focus.current = order[to];
    stop.value = order[to];
    scrolled.value = { top: view.current.scrollTop, height };
  };

  return (
    <div
      class="rows"
      ref={view}
      onScroll={(event) => {
        scrolled.value = { top: event.currentTarget.scrollTop, height: event.currentTarget.clientHeight };
      }}
    >
      <ul style={{ height: `${order.length * rowPx.value}px` }} onKeyDown={move}>
        {places.map(({ id, place }) => (
          <Row
            key={id}
            session={session}
            id={id}
            topPx={place * rowPx.value}
            place={place + 1}
            count={order.length}
            isStop={id === chosen}
          />
        ))}
      </ul>
    </div>
  );
}

interface RowProps {
  session: Session;
  id: string;
  topPx: number;
  place: number;
  count: number;
  isStop: boolean;
}

function Row({ session, id, topPx, place, count, isStop }: RowProps) {
  const conversation = session.conversations.get(id);
  if (!conversation) return null;
  const peer = session.peer(conversation);
  const isOpen = session.open.value === id;
  const { mute, isPinned, isMarkedUnread } = session.settings.of(conversation);
  const hasMenu = useSignal(false);
  const close = useCallback(() => {
    hasMenu.value = false;
  }, [hasMenu]);
  const showMenu = (event: Event) => {
    event.preventDefault();
    hasMenu.value = true;
  };
  const marks = [isPinned && 'Pinned', isMuted(mute) && 'Muted'].filter(Boolean).join(', ');
  return (
    <li
      class={hasMenu.value ? 'with-menu' : undefined}
      style={{ transform: `translateY(${topPx}px)` }}
      aria-setsize={count}
      aria-posinset={place}
      onContextMenu={showMenu}
    >
      <button
        type="button"
        class="conversation"
        data-testid="conversation"
        data-id={id}
        tabIndex={isStop ? 0 : -1}
        aria-current={isOpen ? 'true' : undefined}
        onKeyDown={(event) => {
          if (event.key === 'ContextMenu' || (event.shiftKey && event.key === 'F10')) showMenu(event);
        }}
        onClick={() => {
          session.open.value = id;
          session.look(id);
        }}
      >
        <Picture
          id={peer ?? id}
          name={session.title(conversation)}
          avatar={conversation.members.find(({ user_id }) => user_id === peer)?.avatar}
        />
        <span class="name">
          {peer && <Dot status={session.statusOf(peer)} />}
          <bdi>{session.title(conversation)}</bdi>
        </span>
        <time>
          {marks && <span class="set">{marks} · </span>}
          {clock(conversation.active_at)}
        </time>
        <span class="last" dir="auto">
          {preview(session, conversation)}
        </span>
        {isMarkedUnread && conversation.unread === 0 && (
          <span class="unread" data-testid="marked-unread">
            <span class="for-ears">Marked as unread</span>
          </span>
        )}
        {conversation.unread > 0 && (
          <span class="unread" data-testid="unread">
            {conversation.unread > 99 ? '99+' : conversation.unread}
            <span class="for-ears"> unread</span>
          </span>
        )}
      </button>
      <button
        type="button"
        class="more"
        tabIndex={isStop ? 0 : -1}
        aria-label={`Menu of ${session.title(conversation)}`}
        aria-haspopup="menu"
        aria-expanded={hasMenu.value}
        onClick={showMenu}
      >
        …
      </button>
      {hasMenu.value && <RowMenu session={session} conversation={conversation} onClose={close} />}
    </li>
  );
}

function preview(session: Session, conversation: Listed): string {
  const nameOf = (user: string) => session.nameOf(user);
  const writers = writing(session.typing.in(conversation.id), nameOf);
  if (writers) return writers;
  const entry = conversation.last_message;
  if (!entry) return '';
  const isMine = entry.sender.id === session.userId;
  const who = isMine ? 'You: ' : conversation.kind === 'group' ? `${nameOf(entry.sender.id)}: ` : '';
  return who + wordsOf(entry).slice(0, 200);
}
