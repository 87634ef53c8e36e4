// One message of a conversation, or one that is on its way.

import type { ComponentChildren } from 'preact';
import { useCallback, useRef } from 'preact/hooks';
import type { Entry } from '../sdk/frames';
import type { Operation } from '../sdk/types';
import { quote } from './Composer';
import { copy } from './copy';
import { momentOf, timeOf } from './formats';
import { isPlain } from './keys';
import type { Choice } from './Menu';
import type { Mark } from './marks';
import { memo } from './memo';
import { Picture } from './Picture';
import { Menu } from './panels';
import { addressOf } from './route';
import type { Session } from './session';
import { useSignal } from './signals';
import { describe, pieces } from './text';

/** A finger that rests so long opens the menu. */
const LONG_PRESS_MS = 500;

interface MessageProps {
  session: Session;
  entry: Entry;
  isGroup: boolean;
  /** Of one's own. */
  mark: Mark | undefined;
  /** The first and the last of a group of messages of one sender. */
  starts: boolean;
  ends: boolean;
}

/** Drawn again only when something of it has changed: there are many. */
export const Message = memo(OneMessage);

function OneMessage({ session, entry, isGroup, mark, starts, ends }: MessageProps) {
  if (entry.kind === 'system') {
    return (
      <li class="system" data-seq={entry.seq}>
        <bdi>{describe(entry, (user) => session.nameOf(user))}</bdi>
      </li>
    );
  }
  const mine = entry.sender.id === session.userId;
  const shape = `${mine ? ' mine' : ''}${starts ? ' starts' : ''}${ends ? ' ends' : ''}`;
  const name = session.nameOf(entry.sender.id);
  const text = String(entry.content?.text ?? '');
  const about = [momentOf(entry.timestamp), mark?.detail ?? ''].filter(Boolean);
  const choices = [
    { label: 'Copy text', run: () => void copy(text) },
    { label: 'Quote', run: () => quote(text) },
    { label: 'Copy link to this conversation', run: () => void copy(addressOf(entry.conversation_id)) },
  ];
  if (isGroup && !mine)
    choices.push({ label: `Write to ${name}`, run: () => session.writeTo(entry.sender.id) });
  return (
    <Bubble shape={shape} seq={entry.seq} about={about} choices={choices}>
      {!mine && ends && <Picture id={entry.sender.id} name={name} avatar={entry.sender.avatar} />}
      {starts && (
        <b class={isGroup && !mine ? '' : 'for-ears'}>
          <bdi>{mine ? 'You' : name}</bdi>
          <span class="for-ears">: </span>
        </b>
      )}
      <Text text={text} />
      <small>
        {timeOf(entry.timestamp)}
        {mark && (
          <span class={`mark ${mark.word}`} data-testid="mark" title={mark.detail || undefined}>
            {mark.text}
          </span>
        )}
      </small>
    </Bubble>
  );
}

interface BubbleProps {
  shape: string;
  seq: number;
  about: string[];
  choices: Choice[];
  children: ComponentChildren;
}

/** The frame of a message, with its menu. One of all messages is a stop of Tab; arrow keys lead to the others. */
function Bubble({ shape, seq, about, choices, children }: BubbleProps) {
  const isOpen = useSignal(false);
  const press = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
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
      data-seq={seq}
      tabIndex={-1}
      onKeyDown={keys}
      onContextMenu={(event) => {
        // Links and selected text keep the menu of the browser.
        if (!(event.target as Element).closest('a') && getSelection()?.isCollapsed !== false) open(event);
      }}
      onPointerDown={(event) => {
        if (event.pointerType !== 'mouse') press.current = setTimeout(() => open(event), LONG_PRESS_MS);
      }}
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
      {isOpen.value && <Menu label="Message" about={about} choices={choices} onClose={close} />}
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
export function Waiting({ operation }: { operation: Operation }) {
  return (
    <li class="message mine starts ends waiting" data-testid="message">
      <Text text={String(operation.content?.text ?? '')} />
      <small>sending…</small>
    </li>
  );
}
