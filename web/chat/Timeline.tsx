// The messages of a conversation: a part of them is drawn, what is in view stays in place, what was seen is read.

import { Fragment } from 'preact';
import { useEffect, useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import type { Entry } from '../sdk/frames';
import { isInMain } from '../sdk/kinds';
import type { Conversation } from '../sdk/rest';
import { isChange, stateOf } from './changed';
import type { Reached } from './far';
import { dayName } from './formats';
import { rove } from './keys';
import { hasExtras, Message, Waiting } from './Message';
import type { Mark, Marked } from './marks';
import { Jumps, Refused } from './panels';
import { extras, loadExtras } from './parts';
import { Place } from './place';
import { isWatching, Seen } from './seen';
import type { Session } from './session';
import { placeOf, Shown } from './shown';
import { batch, useSignal, useSignalEffect } from './signals';
import './thread.css';
import { openThread } from './threading';
import { rows } from './timeline';
import { COUNTED_TO } from './unread';
import { around, down, follow, type Range, tail, up } from './window';

/** So near to an end of what is drawn, more is drawn. */
const NEAR_PX = 400;
/** Entries of a page where none of the one before is shown. */
const LONG_PAGE = 200;
/** Marks that are kept, so that a message whose mark is the same is not drawn again. */
const MOST_MARKS = 1_000;

/** More are not counted, and may be as many as there are entries. */
function countOf(unread: number): number {
  return unread < COUNTED_TO ? unread : Number.POSITIVE_INFINITY;
}

/** What is drawn of a log now: where it was before, else the place that is asked for, else the end. */
function partOf(
  before: Range | undefined,
  list: readonly Entry[],
  wanted: number | undefined,
  isAtEnd: boolean,
): Range {
  if (before) return follow(before, list, isAtEnd);
  return wanted === undefined ? tail(list) : around(wanted, list);
}

export function Timeline({ session, conversation }: { session: Session; conversation: Conversation }) {
  const { id } = conversation;
  const view = useRef<HTMLOListElement>(null);
  const place = useRef<Place>(undefined);
  const seen = useRef<Seen>(undefined);
  const marks = useRef(new Map<number, Mark>());
  const isAtEnd = useSignal(true);
  const range = useRef<Range>(undefined);
  /** Grows when another part is to be drawn. */
  const draws = useSignal(0);
  /** Up to where it was read when it was opened; above what follows stands a line. */
  const newAfter = useSignal(conversation.unread > 0 ? conversation.my_read_seq : undefined);
  /** A page of history that is on its way. */
  const loading = useRef<Promise<unknown>>(undefined);
  /** Something unread was above what is loaded: until its reader comes to it, or says so, nothing below is read. */
  const hasSkipped = useSignal(false);
  /** The entry that is shown first after it was asked for. */
  const goal = session.goal.peek();
  const isLed = goal?.id === id && goal.thread === undefined;
  const target = useRef(isLed ? goal.seq : newAfter.value === undefined ? undefined : newAfter.value + 1);
  /** It is to have the focus then. */
  const isGoal = useRef(isLed);
  const shown = useRef(
    new Shown((seq) => extras.peek()?.messagesOf(session, id).get(seq)?.state.deleted !== undefined),
  );

  const entries = session.entries(id);
  if (!extras.value && entries.some(isChange)) void loadExtras();
  /** What may take messages out of those that are shown, or make known that they were deleted. */
  const version = () => `${session.blanked.value} ${extras.value !== undefined}`;
  const far = session.far.value?.id === id ? session.far.value : undefined;
  /** Of what is held now, or far from it. */
  const listed = () => {
    const held = session.entries(id);
    const elsewhere = session.far.peek();
    return elsewhere?.id === id
      ? elsewhere.list(held, shown.current.isShown)
      : shown.current.follow(held, version());
  };
  const list = listed();
  /** There is more behind what is shown, and nothing of it is held. */
  const isApart = far !== undefined && !far.isJoined(entries);
  const first = far?.first ?? entries[0]?.seq ?? 0;
  const last = entries.at(-1)?.seq ?? 0;
  /** The first one after an entry that is shown. */
  const after = (seq: number) => list[placeOf(list, seq + 1)]?.seq;
  const refused = session.refused.value.filter(({ operation }) => operation.conversation_id === id);
  const waiting = session.pending.value
    .filter((one) => !one.type)
    .filter((operation) => operation.conversation_id === id && isInMain(operation));

  // What was not read is fetched before anything is shown, so that nothing jumps.
  const wanted = target.current;
  const isMissing = entries.length === 0 ? conversation.head > 0 : wanted !== undefined && first > wanted;
  const hasTried = useSignal(false);
  /** What is done when the list was scrolled, as it was drawn last. */
  const look = useRef(() => {});
  /** One after the other. */
  const load = async (ask: () => Promise<unknown>) => {
    while (loading.current) await loading.current;
    loading.current = ask().catch(() => {});
    await loading.current;
    loading.current = undefined;
  };
  useEffect(() => {
    if (!isMissing || hasTried.value || loading.current) return;
    void load(async () => {
      if (entries.length === 0) await session.older(id);
      if (wanted !== undefined && !isGoal.current) await session.olderUntil(id, wanted);
    }).then(async () => {
      if (wanted !== undefined && isGoal.current) await to(wanted, true);
      hasTried.value = true;
      // Somebody may have scrolled to the beginning meanwhile, and does so no further.
      look.current();
    });
  });
  const isReady = !isMissing || hasTried.value;

  draws.value;
  // Of very much that is new the oldest is not there: the first that is.
  if (isReady && list.length > 0) range.current = partOf(range.current, list, wanted, isAtEnd.peek());
  const part = isReady ? range.current : undefined;
  const newFrom =
    newAfter.value === undefined || first > newAfter.value + 1 ? undefined : after(newAfter.value);
  const mark = (seq: number, marked: Marked) => {
    const now = session.mark(seq, marked);
    const before = marks.current.get(seq);
    if (before && before.text === now.text && before.detail === now.detail) return before;
    if (marks.current.size > MOST_MARKS) marks.current.clear();
    marks.current.set(seq, now);
    return now;
  };
  const asked = session.pending.value.filter((one) => one.type && one.conversation_id === id);
  // What changes beside them, such as the count of what is unread, draws no message again.
  const looks = [
    extras.value,
    asked.length > 0 ? session.pending.value : undefined,
    session.changes(id),
    far,
    part,
    newFrom,
    conversation.kind,
    conversation.members,
    session.conversations.members.value,
  ];
  const drawn = useMemo(() => {
    const marked = session.marked(conversation);
    return (part ? rows(list, part, newFrom) : []).map(({ entry, day, isNew, starts, ends }) => {
      const state = stateOf(session, entry);
      const code = hasExtras(entry, state) ? extras.peek() : undefined;
      if (!code && hasExtras(entry, state)) void loadExtras();
      return (
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
            state={state}
            extras={code}
            isGroup={conversation.kind === 'group'}
            mark={entry.sender.id === session.userId ? mark(entry.seq, marked) : undefined}
            starts={starts}
            ends={ends}
          />
        </Fragment>
      );
    });
  }, looks);
  // Something unread is not loaded, and nobody has seen it: what is below it is not marked as read either.
  const isUnreadAbove = conversation.unread > 0 && first > conversation.my_read_seq + 1;
  const saw = useRef((_from: number, _to: number) => {});
  saw.current = (from, to) => {
    if (!isReady || isUnreadAbove) return;
    if (hasSkipped.peek() && from > (after(conversation.my_read_seq) ?? from)) return;
    hasSkipped.value = false;
    session.markRead(id, to);
  };
  const isTail = range.current?.to === undefined && !isApart;
  const draw = (next: Range | undefined) => {
    if (!next || next === range.current) return;
    range.current = next;
    draws.value++;
  };

  useLayoutEffect(() => {
    const element = view.current;
    if (!element) return;
    place.current = new Place(element);
    seen.current = new Seen(element, (from, to) => saw.current(from, to));
    const resized = new ResizeObserver(() => place.current?.keep());
    resized.observe(element);
    return () => {
      resized.disconnect();
      seen.current?.end();
      session.far.value = undefined;
    };
  }, [session, id]);

  useLayoutEffect(() => {
    const element = view.current;
    const here = place.current;
    if (!element || !here || !isReady) return;
    if (drawn.length === 0) {
      scrolled();
      return;
    }
    const seq = target.current === undefined ? undefined : after(target.current - 1);
    const row = seq === undefined ? null : here.row(seq);
    target.current = undefined;
    if (row) {
      here.to(row);
      isAtEnd.value = here.isAtEnd && isTail;
      if (isGoal.current) row.focus({ preventScroll: true });
    } else {
      here.isAtEnd = isAtEnd.peek();
      here.keep();
      here.look();
    }
    session.reads(id, isAtEnd.peek() || isApart ? undefined : range.current?.from);
    seen.current?.watch(element.querySelectorAll('[data-seq]'));
    // What does not fill the view cannot be scrolled, and goes on by itself.
    if (element.scrollHeight <= element.clientHeight) scrolled();
  }, [...looks, isReady, waiting.length, refused.length]);

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
  // Messages that come while nobody looks are new when somebody does: known before anybody can come to them.
  const unread = useRef(conversation.unread);
  useLayoutEffect(() => {
    const isFirst = unread.current === 0 && conversation.unread > 0;
    unread.current = conversation.unread;
    if (isFirst && !(isWatching() && isAtEnd.peek())) newAfter.value = conversation.my_read_seq;
  }, [conversation.unread, conversation.my_read_seq, newAfter, isAtEnd]);
  // A user who writes has read what is above, as far as it is there.
  const written = useRef(waiting.length);
  useEffect(() => {
    if (waiting.length > written.current) {
      if (!isUnreadAbove) newAfter.value = undefined;
      toEnd();
    }
    written.current = waiting.length;
  });

  const scrolled = () => {
    const element = view.current;
    const here = place.current;
    if (!element || !here) return;
    if (!range.current) {
      // Nothing of what is held is shown.
      if (first > 1) void more();
      return;
    }
    here.look();
    isAtEnd.value = here.isAtEnd && range.current.to === undefined && !isApart;
    // What is far from there is not needed any more.
    if (isAtEnd.value && far) session.far.value = undefined;
    session.reads(id, isAtEnd.value || isApart ? undefined : range.current.from);
    const below = element.scrollHeight - element.scrollTop - element.clientHeight;
    const isAbove = element.scrollTop < NEAR_PX;
    const wider = isAbove ? up(range.current, list) : undefined;
    if (wider) draw(wider);
    else if (isAbove && first > 1) void more();
    else if (below < NEAR_PX) {
      const further = down(range.current, list);
      if (further) draw(further);
      else if (isApart) void next();
    }
  };
  look.current = scrolled;
  /** Goes on until there is one more that is shown, which may be more than what was drawn. */
  const until = async (ask: (limit?: number) => Promise<boolean>) => {
    const count = listed().length;
    let limit: number | undefined;
    await load(async () => {
      while ((await ask(limit)) && listed().length === count) limit = LONG_PAGE;
    });
  };
  /** Older ones. */
  const more = async () => {
    if (loading.current) return;
    await until((limit) => session.far.peek()?.older(limit) ?? session.older(id, limit));
    if (range.current) draw(up(range.current, listed()));
  };
  /** What is behind a part that is far from the end. */
  const next = async () => {
    if (loading.current) return;
    const to = listed().at(-1)?.seq;
    await until(async () => (await session.far.peek()?.newer(session.entries(id))) ?? false);
    if (range.current) draw(down({ ...range.current, to }, listed()));
  };
  const toEnd = () => {
    isAtEnd.value = true;
    session.far.value = undefined;
    if (!isUnreadAbove) hasSkipped.value = false;
    const all = listed();
    if (all.length > 0) draw(tail(all));
    place.current?.toEnd();
  };
  /** Draws what is around an entry, which is read where need be. Where it `isWanted`, it has to be that one. */
  const to = async (seq: number, isWanted = false) => {
    let reached: Reached | undefined;
    await load(async () => {
      reached = await (await import('./far')).reach(session, id, seq, isWanted);
    });
    batch(() => {
      if (reached) session.far.value = reached.far;
      const all = listed();
      target.current = reached && all.length > 0 ? seq : undefined;
      if (target.current === undefined) return;
      isAtEnd.value = false;
      isGoal.current = isWanted;
      draw(around(seq, all));
    });
  };
  const toNew = () => void to((newAfter.value ?? last) + 1);
  useSignalEffect(() => {
    const goal = session.goal.value;
    // Another conversation is to be opened at it.
    if (goal?.id !== id) return;
    const { seq, thread } = goal;
    session.goal.value = undefined;
    if (thread !== undefined) openThread.value = { id, seq: thread, goal: seq };
    // It is what is read first, where nothing is held yet.
    else if (session.entries(id).length > 0) void to(seq, true);
  });

  const markAllRead = () => {
    newAfter.value = undefined;
    session.markRead(id, Math.max(last, conversation.head));
  };

  /** New entries that are not loaded, and of those at most so many messages. */
  const missing =
    newAfter.value === undefined ? 0 : Math.min(first - 1 - newAfter.value, countOf(conversation.unread));
  const isSkipped = (isUnreadAbove || hasSkipped.value) && conversation.unread > 0;
  const isEnd = isAtEnd.value && isTail;
  const isNewAbove = part !== undefined && (missing > 0 || part.from > (newFrom ?? last));

  return (
    <div class="timeline">
      <div class="log" role="log" aria-label="Messages" aria-busy={!isReady}>
        <ol
          class="messages"
          ref={view}
          onScroll={scrolled}
          // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is scrolled by keys, too
          tabIndex={0}
          onKeyDown={(event) => rove(event, '.message, .system > button')}
          data-testid="messages"
        >
          {drawn}
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
      {drawn.length > 0 && (isNewAbove || isSkipped || !isEnd) && (
        <Jumps
          unread={conversation.unread}
          missing={missing}
          isNewAbove={isNewAbove}
          isSkipped={isSkipped}
          isAtEnd={isEnd}
          onNew={toNew}
          onRead={markAllRead}
          onEnd={toEnd}
        />
      )}
    </div>
  );
}
