// All that is pinned in a conversation, newest first.

import { useEffect, useRef } from 'preact/hooks';
import type { Conversation } from '../sdk/rest';
import { wordsNow } from './changed';
import { clock } from './formats';
import { isPlain, rove } from './keys';
import { mayPin } from './pinning';
import type { Session } from './session';

interface PinListProps {
  session: Session;
  conversation: Conversation;
  onClose: () => void;
}

export function PinList({ session, conversation, onClose }: PinListProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  // Opened to be read from its beginning.
  useEffect(() => heading.current?.focus(), []);
  return (
    <section
      class="members pin-list"
      aria-labelledby="pins-title"
      onKeyDown={(event) => {
        if (isPlain(event, 'Escape')) onClose();
      }}
    >
      <header>
        <h3 id="pins-title" ref={heading} tabIndex={-1}>
          Pinned messages
        </h3>
        <button type="button" class="plain" onClick={onClose}>
          Close
        </button>
      </header>
      <ul onKeyDown={(event) => rove(event, 'li button')} aria-labelledby="pins-title">
        {session.pins.value.map(({ entry, by, pinned_at }, at) => {
          const name = session.nameOf(entry.sender.id);
          return (
            <li key={entry.seq} data-testid="pin">
              <button
                type="button"
                class="plain who"
                tabIndex={at === 0 ? 0 : -1}
                onClick={() => {
                  onClose();
                  session.lead(conversation.id, entry.seq);
                }}
              >
                <b>
                  <bdi>{name}</bdi>
                </b>{' '}
                <span dir="auto">{wordsNow(session, entry).slice(0, 200)}</span>{' '}
                <small>
                  pinned by <bdi>{session.nameOf(by)}</bdi>, {clock(pinned_at)}
                </small>
              </button>
              {mayPin(conversation) && (
                <button
                  type="button"
                  class="plain"
                  tabIndex={-1}
                  aria-label={`Unpin the message of ${name}`}
                  onClick={() => {
                    heading.current?.focus();
                    session.pin(conversation.id, entry.seq, false);
                  }}
                >
                  Unpin
                </button>
              )}
            </li>
          );
        })}
      </ul>
    </section>
  );
}
