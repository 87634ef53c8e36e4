// One conversation: its messages, who is writing, and the field to write in.

import type { Conversation } from '../sdk/rest';
import { Composer } from './Composer';
import { Dot } from './Dot';
import { focusSoon } from './focus';
import { Members } from './panels';
import type { Session } from './session';
import { useSignal } from './signals';
import { Timeline } from './Timeline';
import { writing } from './typing';

// The panels have it from here: so all that a conversation is made of is one file of the build.
export { Text } from './Message';

export function OpenThread({ session, conversation }: { session: Session; conversation: Conversation }) {
  const showsMembers = useSignal(false);
  const peer = session.peer(conversation);
  const writers = writing(session.typing.in(conversation.id), (user) => session.nameOf(user));
  return (
    <section class="thread" aria-label={session.title(conversation)}>
      <header>
        <button
          type="button"
          class="plain back"
          onClick={() => {
            session.open.value = undefined;
          }}
        >
          ‹ Back
        </button>
        <h2 tabIndex={-1}>
          {peer && <Dot status={session.statusOf(peer)} />}
          <bdi>{session.title(conversation)}</bdi>
        </h2>
        {conversation.kind === 'group' && (
          <button
            type="button"
            class="plain show-members"
            aria-expanded={showsMembers.value}
            onClick={() => {
              showsMembers.value = !showsMembers.value;
            }}
          >
            {conversation.member_count} members
          </button>
        )}
      </header>
      {showsMembers.value && (
        <Members
          session={session}
          conversation={conversation}
          onClose={() => {
            showsMembers.value = false;
            focusSoon('.show-members');
          }}
        />
      )}
      {conversation.receipts === false && (
        <p class="receipts-off" data-testid="receipts-off">
          This conversation is large: nobody is told who has read it or who is writing.
        </p>
      )}
      <Timeline session={session} conversation={conversation} />
      <p class="typing" aria-live="polite" data-testid="typing">
        {writers}
      </p>
      <p class="problem" role="alert">
        {session.problem.value}
      </p>
      <Composer session={session} conversation={conversation} />
    </section>
  );
}
