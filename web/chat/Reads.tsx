// Who has received and read a message, and since when.

import { useEffect, useMemo } from 'preact/hooks';
import type { Entry } from '../sdk/frames';
import type { Reader } from '../sdk/rest';
import { momentOf } from './formats';
import { Listing } from './listing';
import type { Session } from './session';
import { useSignal } from './signals';

const GROUPS = ['Read', 'Received', 'Not yet received'] as const;

type Listed = Reader & { key: string };

function groupOf({ read, delivered }: Reader): (typeof GROUPS)[number] {
  return read ? 'Read' : delivered ? 'Received' : 'Not yet received';
}

/** Since when, as far as it is known. */
function since({ read, read_at, delivered, delivered_at }: Reader): string {
  const times = [
    read && read_at ? `read ${momentOf(read_at)}` : '',
    delivered && delivered_at ? `received ${momentOf(delivered_at)}` : '',
  ].filter(Boolean);
  return times.join(', ') || (read || delivered ? 'the time is not known' : '');
}

interface ReadsProps {
  session: Session;
  entry: Entry;
}

export function Reads({ session, entry: { conversation_id: id, seq } }: ReadsProps) {
  const isTold = useSignal(true);
  const listing = useMemo(
    () =>
      new Listing<Listed>(async (after) => {
        const rest = await session.api();
        const { members, receipts, next } = await rest.reads(id, seq, { after });
        isTold.value = receipts;
        return { next, items: members.map((member) => ({ ...member, key: member.user_id })) };
      }),
    [session, id, seq, isTold],
  );
  // What others read meanwhile is asked for again.
  const members = session.conversations.get(id)?.members;
  useEffect(() => void listing.look(), [listing, members]);
  const { items, next, problem, isAsked } = listing;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is scrolled by keys, too
    <div class="reads" tabIndex={0}>
      {!isAsked.value && !problem.value && <p role="status">Loading…</p>}
      {!isTold.value && <p>This conversation is large: nobody is told who has read it.</p>}
      {isTold.value && isAsked.value && items.value.length === 0 && <p>Nobody else may see it.</p>}
      {GROUPS.map((group) => {
        const some = items.value.filter((one) => groupOf(one) === group);
        return (
          some.length > 0 && (
            <section key={group} aria-label={group}>
              <h4>
                {group} ({some.length}
                {next.value !== undefined && '+'})
              </h4>
              <ul>
                {some.map((one) => (
                  <li key={one.key} data-testid="reader">
                    <bdi>{one.user_id === session.userId ? 'You' : session.nameOf(one.user_id)}</bdi>{' '}
                    <small>{since(one)}</small>
                  </li>
                ))}
              </ul>
            </section>
          )
        );
      })}
      <p class="problem" role="alert">
        {problem.value}
      </p>
      {next.value !== undefined && (
        <button type="button" class="plain" onClick={() => void listing.more()}>
          Show more
        </button>
      )}
    </div>
  );
}
