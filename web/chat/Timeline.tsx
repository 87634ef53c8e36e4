// The messages of a conversation: a part of them is drawn, what is in view stays in place, what was seen is read.

import { Fragment } from 'preact';
import { useEffect, useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import type { Conversation } from '../sdk/rest';
import { dayName } from './formats';
import { rove } from './keys';
import { Message, Waiting } from './Message';
import type { Mark, Marked } from './marks';
import { Refused } from './panels';
import { Place } from './place';
import { isWatching, Seen } from './seen';
import type { Session } from './session';
import { useSignal } from './signals';
import './thread.css';
import { rows } from './timeline';
import { around, down, follow, type Range, tail, up } from './window';

/** So near to an end of what is drawn, more is drawn. */
const NEAR_PX = 400;
/** Pages that are read on the way to the first new message, for whoever asks for it. */
const MOST_PAGES = 50;
/** Marks that are kept, so that a message whose mark is the same is not drawn again. */
const MOST_MARKS = 1_000;

/** What is drawn of a log now: the place that is asked for, else where it was before, else the end. */
function placeOf(
  before: Range | undefined,
  first: number,
  last: number,
  wanted: number | undefined,
  isAtEnd: boolean,
): Range {
  if (before) return follow(before, first, last, isAtEnd);
  return wanted !== undefined && wanted >= first ? around(wanted, first, last) : tail(first, last);
}

export function Timeline({ session, conversation }: { session: Session; conversation: Conversation }) {
  const { id } = conversation;
  const list = useRef<HTMLOListElement>(null);
  const place = useRef<Place>(undefined);
  const seen = useRef<Seen>(undefined);
  const marks = useRef(new Map<number, Mark>());
  const isAtEnd = useSignal(true);
  const range = useRef<Range>(undefined);
  /** Grows when another part is to be drawn. */
  const draws = useSignal(0);
  /** Up to where it was read when it was opened; above what follows stands a line. */
  const newAfter = useSignal(conversation.unread > 0 ? conversation.my_read_seq : undefined);
  const isLoading = useRef(false);
  /** Something unread was above what is loaded: until its reader comes to it, or says so, nothing below is read. */
  const hasSkipped = useSignal(false);
  /** The entry that is shown first after it was asked for. */
  const target = useRef<number | undefined>(newAfter.value === undefined ? undefined : newAfter.value + 1);

  const entries = session.entries(id);
  const first = entries[0]?.seq ?? 0;
  const last = entries.at(-1)?.seq ?? 0;
  const refused = session.refused.value.filter(({ operation }) => operation.conversation_id === id);
  const waiting = session.pending.value.filter((operation) => operation.conversation_id === id);

  // What was not read is fetched before anything is shown, so that nothing jumps.
  const wanted = target.current;
  const isMissing = entries.length === 0 ? conversation.head > 0 : wanted !== undefined && first > wanted;
  const hasTried = useSignal(false);
  /** What is done when the list was scrolled, as it was drawn last. */
  const look = useRef(() => {});
  useEffect(() => {
    if (!isMissing || hasTried.value || isLoading.current) return;
    isLoading.current = true;
    const fetched =
      wanted === undefined || entries.length === 0
        ? session.older(id).then(() => session.olderUntil(id, wanted ?? last))
        : session.olderUntil(id, wanted);
    void fetched
      .catch(() => {})
      .finally(() => {
        isLoading.current = false;
        hasTried.value = true;
        // Somebody may have scrolled to the beginning meanwhile, and does so no further.
        look.current();
      });
  });
  const isReady = !isMissing || hasTried.value;

  draws.value;
  // Of very much that is new the oldest is not there: the first that is.
  const shownFirst = wanted === undefined ? undefined : Math.max(wanted, first);
  if (isReady && entries.length > 0)
    range.current = placeOf(range.current, first, last, shownFirst, isAtEnd.peek());
  const part = isReady ? range.current : undefined;
  const mark = (seq: number, marked: Marked) => {
    const now = session.mark(seq, marked);
    const before = marks.current.get(seq);
    if (before && before.text === now.text && before.detail === now.detail) return before;
    if (marks.current.size > MOST_MARKS) marks.current.clear();
    marks.current.set(seq, now);
    return now;
  };
  // What changes beside them, such as the count of what is unread, draws no message again.
  const looks = [
    session.changes(id),
    part,
    newAfter.value,
    conversation.kind,
    conversation.members,
    session.conversations.members.value,
  ];
  const shown = useMemo(() => {
    const marked = session.marked(conversation);
    return (part ? rows(entries, part, newAfter.value) : []).map(({ entry, day, isNew, starts, ends }) => (
      <Fragment key={entry.seq}>
        {day !== undefined && (
          <li class="day">
            <span>{dayName(day)}</span>
          </li>
        )}
        {isNew && (
          <li class="new-line" data-testid="new-line">
            <span>New</span>
          </li>
        )}
        <Message
          session={session}
          entry={entry}
          isGroup={conversation.kind === 'group'}
          mark={entry.sender.id === session.userId ? mark(entry.seq, marked) : undefined}
          starts={starts}
          ends={ends}
        />
      </Fragment>
    ));
  }, looks);
  // Something unread is not loaded, and nobody has seen it: what is below it is not marked as read either.
  const isUnreadAbove = conversation.unread > 0 && first > conversation.my_read_seq + 1;
  const saw = useRef((_from: number, _to: number) => {});
  saw.current = (from, to) => {
    if (!isReady || isUnreadAbove || (hasSkipped.peek() && from > conversation.my_read_seq + 1)) return;
    hasSkipped.value = false;
    session.markRead(id, to);
  };
  const isTail = range.current?.to === undefined;
  const draw = (next: Range | undefined) => {
    if (!next || next === range.current) return;
    range.current = next;
    draws.value++;
  };

  useLayoutEffect(() => {
    const element = list.current;
    if (!element) return;
    place.current = new Place(element);
    seen.current = new Seen(element, (from, to) => saw.current(from, to));
    const resized = new ResizeObserver(() => place.current?.keep());
    resized.observe(element);
    return () => {
      resized.disconnect();
      seen.current?.end();
    };
  }, [session, id]);

  useLayoutEffect(() => {
    const element = list.current;
    const here = place.current;
    if (!element || !here || shown.length === 0) return;
    const row = target.current === undefined ? null : here.row(Math.max(target.current, first));
    if (row) {
      target.current = undefined;
      here.to(row);
      isAtEnd.value = here.isAtEnd && isTail;
    } else {
      target.current = undefined;
      here.isAtEnd = isAtEnd.peek();
      here.keep();
      here.look();
    }
    session.reads(id, isAtEnd.peek() ? undefined : range.current?.from);
    seen.current?.watch(element.querySelectorAll('[data-seq]'));
    // What does not fill the view cannot be scrolled, and goes on by itself.
    if (element.scrollHeight <= element.clientHeight) scrolled();
  }, [...looks, waiting.length, refused.length]);

  // What was in view before it could be marked.
  useEffect(() => {
    if (isReady && isUnreadAbove) hasSkipped.value = true;
    else if (conversation.unread === 0) hasSkipped.value = false;
    seen.current?.look();
  }, [isReady, isUnreadAbove, conversation.my_read_seq, conversation.unread === 0]);
  // In a log that took the place of a longer one the line stands below everything, or where the server says.
  useEffect(() => {
    if (newAfter.value !== undefined && last > 0 && newAfter.value >= last)
      newAfter.value = conversation.unread > 0 ? conversation.my_read_seq : undefined;
  }, [last < (newAfter.value ?? 0), conversation.my_read_seq]);
  // Messages that come while nobody looks are new when somebody does.
  const unread = useRef(conversation.unread);
  useEffect(() => {
    const isFirst = unread.current === 0 && conversation.unread > 0;
    unread.current = conversation.unread;
    if (isFirst && !(isWatching() && isAtEnd.peek())) newAfter.value = conversation.my_read_seq;
  }, [conversation.unread, conversation.my_read_seq, newAfter, isAtEnd]);
  // Whoever writes has read what is above, as far as it is there.
  const written = useRef(waiting.length);
  useEffect(() => {
    if (waiting.length > written.current) {
      if (!isUnreadAbove) newAfter.value = undefined;
      toEnd();
    }
    written.current = waiting.length;
  });

  const scrolled = () => {
    const element = list.current;
    const here = place.current;
    if (!element || !here || !range.current) return;
    here.look();
    isAtEnd.value = here.isAtEnd && range.current.to === undefined;
    session.reads(id, isAtEnd.value ? undefined : range.current.from);
    const below = element.scrollHeight - element.scrollTop - element.clientHeight;
    if (element.scrollTop < NEAR_PX) {
      const wider = up(range.current, first, last);
      if (wider) draw(wider);
      else if (first > 1 && !isLoading.current) void more();
    } else if (below < NEAR_PX) {
      draw(down(range.current, last));
    }
  };
  look.current = scrolled;
  const more = async () => {
    isLoading.current = true;
    await session.older(id).catch(() => false);
    isLoading.current = false;
    const now = session.entries(id);
    if (range.current) draw(up(range.current, now[0]?.seq ?? 0, now.at(-1)?.seq ?? 0));
  };
  const toEnd = () => {
    isAtEnd.value = true;
    if (!isUnreadAbove) hasSkipped.value = false;
    if (entries.length > 0) draw(tail(first, last));
    place.current?.toEnd();
  };
  const toNew = async () => {
    if (newAfter.value === undefined || isLoading.current) return;
    const seq = newAfter.value + 1;
    isAtEnd.value = false;
    if (first > seq) {
      isLoading.current = true;
      await session.olderUntil(id, seq, MOST_PAGES).catch(() => {});
      isLoading.current = false;
    }
    const now = session.entries(id);
    const [start, end] = [now[0]?.seq ?? 0, now.at(-1)?.seq ?? 0];
    target.current = Math.max(start, seq);
    draw(around(target.current, start, end));
  };

  const markAllRead = () => {
    newAfter.value = undefined;
    session.markRead(id, Math.max(last, conversation.head));
  };

  const isNewAbove = newAfter.value !== undefined && (range.current?.from ?? 0) > newAfter.value + 1;
  /** New entries that are not loaded. */
  const missing = newAfter.value === undefined ? 0 : first - 1 - newAfter.value;

  return (
    <div class="timeline">
      <div class="log" role="log" aria-label="Messages" aria-busy={!isReady}>
        <ol
          class="messages"
          ref={list}
          onScroll={scrolled}
          // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is scrolled by keys, too
          tabIndex={0}
          onKeyDown={(event) => rove(event, '.message')}
          data-testid="messages"
        >
          {shown}
          {isTail &&
            isReady &&
            waiting.map((operation) => <Waiting key={operation.client_id} operation={operation} />)}
          {isTail &&
            isReady &&
            refused.map((text) => (
              <Refused key={text.operation.client_id} session={session} refused={text} />
            ))}
        </ol>
      </div>
      <div class="jumps">
        {isNewAbove && (
          <button type="button" data-testid="to-new" onClick={() => void toNew()}>
            <span aria-hidden="true">↑</span>{' '}
            {missing > 0 ? `${missing.toLocaleString()} more new above` : 'To the first new message'}
          </button>
        )}
        {(isUnreadAbove || hasSkipped.value) && conversation.unread > 0 && shown.length > 0 && (
          <button type="button" data-testid="mark-read" onClick={markAllRead}>
            <span aria-hidden="true">✓</span> Mark all as read
          </button>
        )}
        {!(isAtEnd.value && isTail) && shown.length > 0 && (
          <button type="button" data-testid="to-end" onClick={toEnd}>
            <span aria-hidden="true">↓</span>{' '}
            {conversation.unread > 0
              ? `${conversation.unread > 99 ? '99+' : conversation.unread} new`
              : 'To the newest'}
          </button>
        )}
      </div>
    </div>
  );
}
