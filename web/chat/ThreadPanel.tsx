// A thread beside its conversation: the message that begins it, the replies, and a field to write one in. What of it is
// not held with the log is read page by page.

import './OpenThread';
import './extras';
import { useEffect, useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import type { Entry } from '../sdk/frames';
import { isBlank, isMessage } from '../sdk/kinds';
import type { Conversation } from '../sdk/rest';
import { Composer } from './Composer';
import { stateOf } from './changed';
import { focusSoon } from './focus';
import { isPlain, rove } from './keys';
import { Message, Waiting } from './Message';
import { extras } from './parts';
import { Replies } from './replies';
import type { Session } from './session';
import { type Open, openThread } from './threading';
import styles from './threads.css?inline';

document.head.append(Object.assign(document.createElement('style'), { textContent: styles }));

interface ThreadPanelProps {
  session: Session;
  conversation: Conversation;
  open: Open;
}

export function ThreadPanel({ session, conversation, open }: ThreadPanelProps) {
  const { id } = conversation;
  const { seq: root, goal } = open;
  const view = useRef<HTMLOListElement>(null);
  const replies = useMemo(() => new Replies(session, id, root), [session, id, root]);
  const entries = session.entries(id);
  const first = entries[0]?.seq ?? 0;
  const isHeld = first > 0 && first <= root;
  replies.version.value;
  const all = replies.with(entries);
  const begin = all[0]?.seq === root ? all.shift() : undefined;
  const shown = all.filter(
    (entry) => isMessage(entry) && (!isBlank(entry) || stateOf(session, entry)?.deleted !== undefined),
  );
  const waiting = session.pending.value.filter((one) => !one.type).filter(({ thread }) => thread === root);
  const last = shown.at(-1)?.seq ?? 0;
  const isKnown = isHeld || replies.isAsked.value;
  const isGoalThere = goal === root ? begin !== undefined : shown.some(({ seq }) => seq === goal);

  useEffect(() => {
    if (!isHeld && !replies.isAsked.peek()) void replies.begin(goal);
  }, [replies, isHeld]);
  useEffect(() => {
    if (replies.isAsked.peek()) void replies.back(goal).catch(() => {});
  }, [replies, open]);
  // The newest is what is looked at.
  useLayoutEffect(() => {
    view.current?.scrollTo({ top: view.current.scrollHeight });
  }, [last, waiting.length]);
  useEffect(() => {
    if (last > 0) session.plan((client) => client.readThread(id, root, last));
  }, [session, id, root, last]);
  // On a phone the keyboard would cover what was opened to be read.
  useEffect(() => {
    const isTyping = matchMedia('(hover: hover)').matches;
    if (goal === undefined) focusSoon(isTyping ? '.side textarea' : '.side h3');
  }, [open]);
  // Behind the others, which show the end: what somebody wants to see.
  useLayoutEffect(() => {
    const row = view.current?.querySelector<HTMLElement>(`[data-seq="${goal}"]`);
    row?.scrollIntoView({ block: 'center' });
    row?.focus({ preventScroll: true });
  }, [open, isGoalThere]);

  const close = () => {
    openThread.value = undefined;
    focusSoon(`.timeline [data-seq="${root}"]`, '.thread h2');
  };
  const message = (entry: Entry) => (
    <Message
      key={entry.seq}
      session={session}
      entry={entry}
      state={stateOf(session, entry)}
      extras={extras.value}
      isGroup={conversation.kind === 'group'}
      mark={
        entry.sender.id === session.userId ? session.mark(entry.seq, session.marked(conversation)) : undefined
      }
      starts
      ends
    />
  );

  return (
    <aside
      class="side"
      aria-labelledby="side-title"
      data-testid="thread"
      onKeyDown={(event) => {
        if (isPlain(event, 'Escape')) close();
      }}
    >
      <header>
        <h3 id="side-title" tabIndex={-1}>
          Thread
        </h3>
        <button type="button" class="plain" onClick={close}>
          Close
        </button>
      </header>
      <div class="log" role="log" aria-label="Replies" aria-busy={!isKnown}>
        <ol
          class="messages"
          ref={view}
          // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is scrolled by keys, too
          tabIndex={0}
          onKeyDown={(event) => rove(event, '.message')}
        >
          {begin && message(begin)}
          {!begin && isKnown && (
            <li class="system">The first message is not for you, or not here any more.</li>
          )}
          {replies.before.value !== undefined && (
            <li class="system">
              <button type="button" class="plain" onClick={() => void replies.earlier()}>
                Earlier replies
              </button>
            </li>
          )}
          <li class="day">
            <span>{countOf(replies.before.value ? undefined : shown.length)}</span>
          </li>
          {shown.map(message)}
          {waiting.map((operation) => (
            <Waiting key={operation.client_id} operation={operation} />
          ))}
        </ol>
      </div>
      <p class="problem" role="alert">
        {replies.problem.value}
      </p>
      <Composer session={session} conversation={conversation} thread={root} onLeave={close} />
    </aside>
  );
}

/** Undefined: they are not all known. */
function countOf(replies: number | undefined): string {
  if (replies === undefined) return 'Newest replies';
  return replies === 1 ? '1 reply' : `${replies} replies`;
}
