// The place of the open conversation: the conversation itself, or why there is none to show.

import { useEffect } from 'preact/hooks';
import { NoConversation, OpenThread } from './panels';
import type { Session } from './session';

export function Thread({ session }: { session: Session }) {
  const id = session.open.value;
  const conversation = id ? session.conversations.get(id) : undefined;
  const isLoaded = session.conversations.isLoaded.value;
  useEffect(() => {
    // A link leads to a conversation that is not in the list, or to one that is not this user's.
    if (id && isLoaded && !session.conversations.peek(id)) session.conversations.want(id);
    if (id && conversation) void session.conversations.loadMembers(id);
  }, [session, id, isLoaded, conversation === undefined, conversation?.member_count]);
  useEffect(() => {
    if (id) session.look(id);
  }, [session, id]);
  if (!id) return <section class="thread nothing">Choose a conversation.</section>;
  if (conversation) return <OpenThread session={session} conversation={conversation} />;
  return (
    <section class="thread nothing">
      {isLoaded ? <NoConversation session={session} id={id} /> : <p role="status">Loading…</p>}
    </section>
  );
}
