// The threads that somebody follows, or the messages that mention them, of all conversations: the newest first. A press
// leads there.

import './OpenThread';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import type { Entry } from '../sdk/frames';
import { isInMain } from '../sdk/kinds';
import type { FollowedThread, Mention } from '../sdk/rest';
import type { What } from './Bar';
import { clock } from './formats';
import { isPlain, rove } from './keys';
import { Listing } from './listing';
import type { Session } from './session';
import styles from './watched.css?inline';
import type { Watching } from './watching';
import { wordsOf } from './words';

document.head.append(Object.assign(document.createElement('style'), { textContent: styles }));

const MOST_CHARACTERS = 200;
const NOTHING: Record<What, string> = {
  threads: 'You follow no thread yet. You follow those that you write in, or that you are mentioned in.',
  mentions: 'Nobody has mentioned you yet.',
};

interface WatchedProps {
  session: Session;
  watching: Watching;
  what: What;
  title: string;
  onClose: () => void;
}

export function Watched({ session, watching, what, title, onClose }: WatchedProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  const listing = useMemo(
    () => (what === 'threads' ? threadsOf(session) : mentionsOf(session)),
    [session, what],
  );
  useEffect(() => heading.current?.focus(), []);
  const version = watching.version.value;
  useEffect(() => void listing.look(), [listing, version]);
  const { items, next, problem, isAsked } = listing;
  return (
    <section
      class="watched"
      aria-labelledby="watched-title"
      data-testid="watched"
      onKeyDown={(event) => {
        if (isPlain(event, 'Escape')) onClose();
      }}
    >
      <header>
        <h3 id="watched-title" ref={heading} tabIndex={-1}>
          {title}
        </h3>
        <button type="button" class="plain" onClick={onClose}>
          Close
        </button>
      </header>
      {!isAsked.value && !problem.value && <p role="status">Loading…</p>}
      {isAsked.value && items.value.length === 0 && <p>{NOTHING[what]}</p>}
      <ul aria-labelledby="watched-title" onKeyDown={(event) => rove(event, 'li button')}>
        {items.value.map((item, at) => (
          <li key={item.key}>
            <button
              type="button"
              class="plain"
              data-testid="watched-item"
              tabIndex={at === 0 ? 0 : -1}
              onClick={item.open}
            >
              <b>
                <bdi>{titleOf(session, item.conversation)}</bdi>
              </b>
              <time>{item.at > 0 && clock(item.at)}</time>
              <span dir="auto">{item.words}</span>
              {item.reply && <span dir="auto">{item.reply}</span>}
              {item.unread && (
                <span class="unread">
                  {item.unread}
                  <span class="for-ears"> unread</span>
                </span>
              )}
            </button>
          </li>
        ))}
      </ul>
      <p class="problem" role="alert">
        {problem.value}
      </p>
      {next.value !== undefined && (
        <button type="button" class="plain" onClick={() => void listing.more()}>
          Show more
        </button>
      )}
    </section>
  );
}

/** One of the list, as it is shown. */
interface Item {
  key: string;
  conversation: string;
  at: number;
  words: string;
  reply: string | undefined;
  /** What is said of it where it is unread. */
  unread: string | undefined;
  open: () => void;
}

function threadsOf(session: Session): Listing<Item> {
  return new Listing(async (after) => {
    const { threads, next } = await (await session.api()).threads({ after });
    return { next, items: threads.map((thread) => threadItem(session, thread)) };
  });
}

function threadItem(session: Session, it: FollowedThread): Item {
  const { conversation_id: conversation, thread, root, last_reply: reply, unread, unread_more } = it;
  return {
    key: `${conversation} ${thread}`,
    conversation,
    at: (reply ?? root)?.timestamp ?? 0,
    words: root ? said(session, root) : 'An earlier message',
    reply: reply && said(session, reply),
    unread: unread > 0 ? `${unread}${unread_more ? '+' : ''}` : undefined,
    open: () => session.lead(conversation, reply?.seq ?? thread, thread),
  };
}

function mentionsOf(session: Session): Listing<Item> {
  return new Listing(async (after) => {
    const { mentions, next } = await (await session.api()).mentions({ after });
    return { next, items: mentions.map((mention) => mentionItem(session, mention)) };
  });
}

function mentionItem(session: Session, { entry, unread }: Mention): Item {
  const { conversation_id: conversation, seq, thread, timestamp } = entry;
  return {
    key: `${conversation} ${seq}`,
    conversation,
    at: timestamp,
    words: said(session, entry),
    reply: undefined,
    unread: unread ? 'New' : undefined,
    open: () => session.lead(conversation, seq, isInMain(entry) ? undefined : thread),
  };
}

/** What somebody has written, with who that was. */
function said(session: Session, entry: Entry): string {
  const { id, name } = entry.sender;
  session.people.called(id, name);
  const words = wordsOf(entry).slice(0, MOST_CHARACTERS) || 'This message was deleted';
  return `${id === session.userId ? 'You' : session.nameOf(id)}: ${words}`;
}

function titleOf(session: Session, id: string): string {
  const conversation = session.conversations.get(id);
  if (!conversation) session.conversations.want(id);
  return conversation ? session.title(conversation) : '…';
}
