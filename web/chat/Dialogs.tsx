// What is asked or told of a message: whether it is to be deleted, how somebody reacts to it, who has read it.

// What it has of the conversation comes from there.
import './OpenThread';
import './extras';
import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { Entry } from '../sdk/frames';
import { type Asking, asking } from './asking';
import { stateOf, wordsNow } from './changed';
import styles from './dialogs.css?inline';
import { EmojiPicker } from './EmojiPicker';
import { Forward } from './Forward';
import { mineOf } from './folded';
import { History } from './History';
import { react } from './Reactions';
import { Reads } from './Reads';
import type { Session } from './session';

document.head.append(Object.assign(document.createElement('style'), { textContent: styles }));

const MOST_CHARACTERS = 200;

export function Dialogs({ session, asked }: { session: Session; asked: Asking }) {
  const close = () => {
    asking.value = undefined;
  };
  if (asked.what === 'forward')
    return (
      <Dialog title="Forward to" onClose={close}>
        <Forward session={session} entry={asked.entry} onDone={close} />
      </Dialog>
    );
  if (asked.what === 'history')
    return (
      <Dialog title="Earlier versions" onClose={close}>
        <History session={session} entry={asked.entry} />
      </Dialog>
    );
  if (asked.what === 'reads')
    return (
      <Dialog title="Received and read" onClose={close}>
        <Reads session={session} entry={asked.entry} />
      </Dialog>
    );
  if (asked.what === 'delete') return <Delete session={session} entry={asked.entry} onClose={close} />;
  return <React session={session} entry={asked.entry} onClose={close} />;
}

interface OfMessage {
  session: Session;
  entry: Entry;
  onClose: () => void;
}

function Delete({ session, entry, onClose }: OfMessage) {
  const { conversation_id, seq, sender } = entry;
  return (
    <Dialog title="Delete this message?" onClose={onClose}>
      <p class="words" dir="auto">
        {wordsNow(session, entry).slice(0, MOST_CHARACTERS)}
      </p>
      <p>
        {sender.id === session.userId ? 'It is' : `It is ${session.nameOf(sender.id)}’s, and`} taken from
        everybody for ever.
      </p>
      <div class="actions">
        <button type="button" class="plain first" onClick={onClose}>
          Keep it
        </button>
        <button
          type="button"
          class="alarming"
          onClick={() => {
            onClose();
            session.problem.value = '';
            session.plan((client) => client.delete({ conversation_id, seq }));
          }}
        >
          Delete
        </button>
      </div>
    </Dialog>
  );
}

function React({ session, entry, onClose }: OfMessage) {
  const mine = mineOf(stateOf(session, entry), session.userId);
  return (
    <Dialog title="React" onClose={onClose}>
      <EmojiPicker
        chosen={mine}
        onChoose={(key) => {
          onClose();
          react(session, entry, key, !mine.includes(key));
        }}
      />
    </Dialog>
  );
}

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
}

/** The focus stays within, and goes back to where it came from. */
export function Dialog({ title, onClose, children }: DialogProps) {
  const box = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const dialog = box.current;
    dialog?.showModal();
    // On a phone the keyboard would cover what is to be looked at.
    const isTyping = matchMedia('(hover: hover)').matches;
    dialog?.querySelector<HTMLElement>(isTyping ? 'input, .first' : '.first, .emojis button')?.focus();
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      ref={box}
      class="dialog"
      aria-labelledby="dialog-title"
      data-testid="dialog"
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onKeyDown={(event) => event.stopPropagation()}
      onPointerDown={(event) => {
        if (event.target === event.currentTarget) onClose();
      }}
    >
      <div class="inside">
        <header>
          <h3 id="dialog-title">{title}</h3>
          <button type="button" class="plain" aria-label="Close" onClick={onClose}>
            <span aria-hidden="true">×</span>
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}
