// One message of a conversation, or one that is on its way.

import type { ComponentChildren } from 'preact';
import { useCallback, useRef } from 'preact/hooks';
import type { MessageState } from '../sdk/fold';
import type { Entry } from '../sdk/frames';
import { contentOf, isMessage } from '../sdk/kinds';
import type { SendOperation } from '../sdk/types';
import { momentOf, timeOf } from './formats';
import { isPlain } from './keys';
import type { Mark } from './marks';
import { memo } from './memo';
import { Picture } from './Picture';
import { Menu } from './panels';
import type { Extras } from './parts';
import type { Session } from './session';
import { useSignal } from './signals';
import { describe, pieces } from './text';
import { wordsOf } from './words';

/** A finger that rests so long opens the menu. */
const LONG_PRESS_MS = 500;

interface MessageProps {
  session: Session;
  entry: Entry;
  /** What changes have made of it; undefined where it is as it was written. */
  state: MessageState | undefined;
  /** What draws that, as soon as it is there. */
  extras: Extras | undefined;
  isGroup: boolean;
  /** Of one's own. */
  mark: Mark | undefined;
  /** The first and the last of a group of messages of one sender. */
  starts: boolean;
  ends: boolean;
}

/** Drawn again only when something of it has changed: there are many. */
export const Message = memo(OneMessage);

/** Whether something of a message is drawn by what comes later. */
export function hasExtras(entry: Entry, state: MessageState | undefined): boolean {
  return (
    state !== undefined ||
    entry.reply_to !== undefined ||
    entry.thread !== undefined ||
    entry.forwarded !== undefined ||
    entry.kind === 'card' ||
    contentOf(entry)?.entities !== undefined
  );
}

function OneMessage({ session, entry, state, extras, isGroup, mark, starts, ends }: MessageProps) {
  const { sender } = entry;
  if (!isMessage(entry)) return <Happened session={session} entry={entry} />;
  const content = contentOf(entry, state);
  const isNotice = entry.kind === 'notice';
  const mine = sender.id === session.userId && !isNotice;
  const shape = `${mine ? ' mine' : ''}${starts ? ' starts' : ''}${ends ? ' ends' : ''}${isNotice ? ' by-operator' : ''}`;
  const name = session.nameOf(sender.id);
  const tag = isNotice ? 'Notice' : sender.type === 'bot' ? 'Bot' : '';
  return (
    <Bubble session={session} entry={entry} shape={shape} detail={mark?.detail}>
      {!mine && ends && <Picture id={sender.id} name={name} avatar={sender.avatar} />}
      {starts && (
        <b class={(isGroup && !mine) || tag ? '' : 'for-ears'}>
          <bdi>{mine ? 'You' : name}</bdi>
          {tag && <span class="tag">{tag}</span>}
          <span class="for-ears">: </span>
        </b>
      )}
      {isNotice && content.title && <strong dir="auto">{content.title}</strong>}
      {extras && entry.forwarded && (
        <span class="forwarded" data-testid="forwarded">
          Forwarded from <bdi>{session.nameOf(entry.forwarded.user)}</bdi>, {momentOf(entry.forwarded.at)}
        </span>
      )}
      {extras && entry.reply_to !== undefined && <extras.Quoted session={session} entry={entry} />}
      {state?.gone ? (
        <p class="gone">
          {/^(admin|moderator)$/.test(state.deleted?.by ?? '')
            ? `Deleted by ${state.deleted?.by === 'admin' ? 'an admin' : 'a moderator'}`
            : 'This message was deleted'}
        </p>
      ) : extras && content.card ? (
        <extras.Card session={session} entry={entry} card={content.card} />
      ) : extras && content.entities ? (
        <extras.Body content={content} userId={session.userId} />
      ) : (
        <Text
          text={
            isNotice ? String(content.body ?? content.text ?? '') : wordsOf({ kind: entry.kind, content })
          }
        />
      )}
      {extras && state && <extras.Reactions session={session} entry={entry} state={state} />}
      {extras && <extras.ThreadLink entry={entry} state={state} />}
      <small>
        {timeOf(entry.timestamp)}
        {state?.edited && (
          <span class="mark" data-testid="edited" title={momentOf(state.edited.at)}>
            edited
          </span>
        )}
        {mark && (
          <span class={`mark ${mark.word}`} data-testid="mark" title={mark.detail || undefined}>
            {mark.text}
          </span>
        )}
      </small>
    </Bubble>
  );
}

/** What was done to the conversation; where it was done to a message, it leads there. */
function Happened({ session, entry }: { session: Session; entry: Entry }) {
  const words = <bdi>{describe(entry, (user) => session.nameOf(user))}</bdi>;
  return (
    <li class="system" data-seq={entry.seq}>
      {entry.target === undefined ? (
        words
      ) : (
        <button
          type="button"
          class="plain"
          tabIndex={-1}
          onClick={() => session.lead(entry.conversation_id, entry.target ?? 0)}
        >
          {words}
        </button>
      )}
    </li>
  );
}

interface BubbleProps {
  session: Session;
  entry: Entry;
  shape: string;
  detail: string | undefined;
  children: ComponentChildren;
}

/** The frame of a message, with its menu. One of all messages is a stop of Tab; arrow keys lead to the others. */
function Bubble({ session, entry, shape, detail, children }: BubbleProps) {
  const isOpen = useSignal(false);
  // The timer of a press; 0 after a long one has opened the menu.
  const press = useRef<ReturnType<typeof setTimeout> | 0>(0);
  const close = useCallback(() => {
    isOpen.value = false;
  }, [isOpen]);
  const open = (event: Event) => {
    event.preventDefault();
    isOpen.value = true;
  };
  const keys = (event: KeyboardEvent) => {
    if (event.target !== event.currentTarget) return;
    const isAsked =
      isPlain(event, 'Enter') || event.key === 'ContextMenu' || (event.shiftKey && event.key === 'F10');
    if (isAsked) open(event);
  };
  return (
    <li
      class={`message${shape}`}
      data-testid="message"
      data-seq={entry.seq}
      tabIndex={-1}
      onKeyDown={keys}
      onContextMenu={(event) => {
        // Links and selected text keep the menu of the browser.
        if (!(event.target as Element).closest('a') && getSelection()?.isCollapsed !== false) open(event);
      }}
      onPointerDown={(event) => {
        if (event.pointerType === 'mouse') return;
        press.current = setTimeout(() => {
          press.current = 0;
          open(event);
        }, LONG_PRESS_MS);
      }}
      // The menu may lie under the finger: lifting it chooses nothing.
      onTouchEnd={(event) => press.current || event.preventDefault()}
      onPointerUp={() => clearTimeout(press.current)}
      onPointerMove={(event) => {
        if (event.movementX || event.movementY) clearTimeout(press.current);
      }}
      onPointerCancel={() => clearTimeout(press.current)}
    >
      {children}
      <button
        type="button"
        class="more"
        tabIndex={-1}
        aria-label="Message menu"
        aria-haspopup="menu"
        aria-expanded={isOpen.value}
        onClick={open}
      >
        <svg viewBox="0 0 16 16" aria-hidden="true">
          <circle cx="3" cy="8" r="1.5" />
          <circle cx="8" cy="8" r="1.5" />
          <circle cx="13" cy="8" r="1.5" />
        </svg>
      </button>
      {isOpen.value && <Menu session={session} entry={entry} detail={detail} onClose={close} />}
    </li>
  );
}

/** Text as it was written, in its own direction, with links. */
export function Text({ text }: { text: string }) {
  return (
    <p dir="auto">
      {pieces(text).map((piece) =>
        piece.link ? (
          <a key={piece.text} href={piece.text} target="_blank" rel="noopener noreferrer">
            {piece.text}
          </a>
        ) : (
          piece.text
        ),
      )}
    </p>
  );
}

/** A message that the server has not answered yet. */
export function Waiting({ operation }: { operation: SendOperation }) {
  return (
    <li class="message mine starts ends waiting" data-testid="message">
      <Text text={String(operation.content?.text ?? '')} />
      <small>sending…</small>
    </li>
  );
}
